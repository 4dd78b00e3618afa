import { GetTicket, TicketAnswer, rpc } from '#contracts';

export const floorGet = rpc('floor.get.v1', GetTicket, TicketAnswer);
