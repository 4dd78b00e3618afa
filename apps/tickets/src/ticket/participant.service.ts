/** Who follows a ticket: shown, added, changed, removed. Each change is one entry in the history and one event. */
import {
  isRefused,
  refuse,
  type ListParticipants,
  type ParticipantList,
  type ParticipantRemoved,
  type ParticipantResult,
  type ParticipantView,
  type Refused,
  type RemoveParticipant,
  type SetParticipant,
} from '#contracts';
import type { PersonKind } from '#domain';
import { poolOf, sqlOf, type Sql } from '#platform';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { MikroORM, type EntityManager } from '@mikro-orm/postgresql';
import { PolicyStore } from '../sla/policy.store.js';
import { MAY_SEE } from './access.js';
import { afterChange, changeOf, mayManage, onlyOneself, refusalsOf, type Participant } from './participants.js';
import { readSurroundings } from './surroundings.js';
import { authorOf, TicketService } from './ticket.service.js';

interface Viewer {
  id: string;
  kind: PersonKind;
}

@Injectable()
export class ParticipantService implements OnModuleInit {
  private sql: Sql;

  constructor(
    @Inject(MikroORM) private readonly orm: MikroORM,
    private readonly tickets: TicketService,
    private readonly policies: PolicyStore,
  ) {}

  async onModuleInit(): Promise<void> {
    this.sql = await poolOf(this.orm);
  }

  async list({ viewerId, ticketId }: ListParticipants): Promise<ParticipantList | Refused> {
    const { rows } = await this.sql.query<{ viewer: Viewer; participants: Participant[] }>({
      name: 'participants',
      text: `
        select jsonb_build_object('id', v.id, 'kind', v.kind) as viewer,
          coalesce((select jsonb_agg(jsonb_build_object('personId', person.id, 'kind', kind, 'name', name,
             'email', email, 'active', active, 'role', role, 'muted', muted, 'toldOnly', told_only) order by name, person.id)
             from tickets.participant join tickets.person on person.id = person_id
             where ticket_id = t.id), '[]') as participants
        from tickets.person v, tickets.ticket t where v.id = $1 and t.id = $2 and ${MAY_SEE}`,
      values: [viewerId, ticketId],
    });
    const row = rows[0];
    if (!row) return refuse({ field: 'ticketId', code: 'ticket_unknown', message: 'there is no such ticket' });
    const { viewer } = row;
    // whose ticket was merged into this one is no business of its customers
    const shown = row.participants.filter(({ toldOnly }) => viewer.kind === 'employee' || !toldOnly);
    return { participants: shown.map((participant) => viewOf(participant, viewer)) };
  }

  async set({ actorId, ticketId, personId, change }: SetParticipant): Promise<ParticipantResult | Refused> {
    await this.policies.refresh();
    const command = async (em: EntityManager): Promise<ParticipantResult | Refused> => {
      const opened = await this.tickets.lock(em, ticketId, actorId);
      if (isRefused(opened)) return opened;
      const { actor, surroundings, writer } = opened;
      const { people } = await readSurroundings(em, { people: [personId] });
      const known = people.get(personId);
      const person = known && { ...known, personId };
      const refusals = refusalsOf(actor, personId, person, change);
      if (refusals.length > 0 || !person) return refuse(...refusals);
      const present = surroundings.participants.get(ticketId)?.find((one) => one.personId === personId);
      const participant = afterChange(present, person, change);
      const changed = participant.role !== present?.role || participant.muted !== present.muted;
      if (changed) {
        await storeParticipant(em, ticketId, participant);
        writer.recordChange({ changes: [changeOf(present ?? null, participant)], author: authorOf(actor) });
      }
      return { participant: viewOf(participant, actor), changed };
    };
    return this.orm.em.fork().transactional(command, { clear: true });
  }

  async remove({ actorId, ticketId, personId }: RemoveParticipant): Promise<ParticipantRemoved | Refused> {
    await this.policies.refresh();
    const command = async (em: EntityManager): Promise<ParticipantRemoved | Refused> => {
      const opened = await this.tickets.lock(em, ticketId, actorId);
      if (isRefused(opened)) return opened;
      const { actor, surroundings, writer } = opened;
      if (!mayManage(actor, personId)) return refuse(onlyOneself());
      const present = surroundings.participants.get(ticketId)?.find((one) => one.personId === personId);
      if (!present) return { changed: false };
      await sqlOf(em).query('delete from tickets.participant where ticket_id = $1 and person_id = $2', [
        ticketId,
        personId,
      ]);
      writer.recordChange({ changes: [changeOf(present, null)], author: authorOf(actor) });
      return { changed: true };
    };
    return this.orm.em.fork().transactional(command, { clear: true });
  }
}

/** Adds a participant or changes how they follow. The caller holds the ticket's lock and writes the history. */
export async function storeParticipant(em: EntityManager, ticketId: string, participant: Participant): Promise<void> {
  const { personId, role, muted, toldOnly } = participant;
  await sqlOf(em).query(
    `insert into tickets.participant (ticket_id, person_id, role, muted, told_only) values ($1, $2, $3, $4, $5)
     on conflict (ticket_id, person_id) do update set role = excluded.role, muted = excluded.muted`,
    [ticketId, personId, role, muted, toldOnly],
  );
}

/** Customers see of others no more than the name. */
function viewOf({ personId, name, kind, email, role, muted, toldOnly }: Participant, viewer: Viewer): ParticipantView {
  const all = viewer.kind === 'employee' || viewer.id === personId;
  return {
    personId,
    name,
    kind,
    email: all ? email : null,
    role: all ? role : null,
    muted: all ? muted : null,
    toldOnly,
  };
}
