/** The AsyncAPI 3.0 description of the events, made from libs/contracts: what other systems may rely on. */
import * as contracts from '#contracts';
import { readFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { readClasses, schemasOf, type Schema } from './json-schema.ts';

const { CloudEvent, TICKET_EVENTS, TICKET_STREAM, TICKET_SUBJECTS } = contracts;
const CONTRACTS = new URL('../../libs/contracts/src/', import.meta.url);

type TicketEvent = (typeof TICKET_EVENTS)[number];

export function asyncApi(): string {
  const sources = readClasses(CONTRACTS);
  const { CloudEvent: envelope, ...schemas } = schemasOf(
    [CloudEvent, ...TICKET_EVENTS.map(({ data }) => data)],
    contracts,
    sources,
  );
  const document = {
    asyncapi: '3.0.0',
    info: {
      title: 'Help desk events',
      version: '1',
      description:
        `Facts about tickets on the JetStream stream ${TICKET_STREAM} (subjects ${TICKET_SUBJECTS}), each in a ` +
        'CloudEvents 1.0 envelope. Delivery is at least once: recognise repeats by `id`, which is also the ' +
        '`Nats-Msg-Id`; order a ticket’s events by `sequence`, which counts from 1 without gaps. ' +
        'A type keeps its shape: fields may be added, and anything else is a new type.',
      license: { name: 'MIT' },
    },
    defaultContentType: 'application/json',
    servers: {
      nats: { host: 'localhost:4222', protocol: 'nats', description: 'nats-server 2.9 or newer with JetStream' },
    },
    channels: Object.fromEntries(TICKET_EVENTS.map((event) => [nameOf(event), channel(event)])),
    operations: Object.fromEntries(
      TICKET_EVENTS.map((event) => [`send${upperFirst(nameOf(event))}`, operation(event)]),
    ),
    components: {
      messages: Object.fromEntries(TICKET_EVENTS.map((event) => [nameOf(event), message(event)])),
      messageTraits: {
        deduplicated: {
          headers: {
            type: 'object',
            properties: { 'Nats-Msg-Id': { type: 'string', format: 'uuid', description: 'The same as `id`.' } },
            required: ['Nats-Msg-Id'],
          },
        },
      },
      schemas: {
        ...Object.fromEntries(TICKET_EVENTS.map((event) => [`${event.data.name}Event`, inEnvelope(envelope!, event)])),
        ...schemas,
      },
    },
  };
  return stringify(document, { aliasDuplicateObjects: false, compat: 'yaml-1.1', lineWidth: 0 });
}

/** `ticket.message_added.v1` → `ticketMessageAdded` */
function nameOf({ data }: TicketEvent): string {
  return data.name[0]!.toLowerCase() + data.name.slice(1);
}

function upperFirst(name: string): string {
  return name[0]!.toUpperCase() + name.slice(1);
}

function channel(event: TicketEvent) {
  return {
    address: `${event.type}.{ticketNumber}`,
    messages: { [nameOf(event)]: { $ref: `#/components/messages/${nameOf(event)}` } },
    parameters: { ticketNumber: { description: 'The number of the ticket that the event is about.' } },
  };
}

function operation(event: TicketEvent) {
  const path = `#/channels/${nameOf(event)}`;
  return { action: 'send', channel: { $ref: path }, messages: [{ $ref: `${path}/messages/${nameOf(event)}` }] };
}

function message(event: TicketEvent) {
  const golden: unknown = JSON.parse(readFileSync(new URL(`golden/${event.type}.json`, CONTRACTS), 'utf8'));
  return {
    name: event.type,
    contentType: 'application/json',
    traits: [{ $ref: '#/components/messageTraits/deduplicated' }],
    payload: { $ref: `#/components/schemas/${event.data.name}Event` },
    examples: [{ name: 'recorded', payload: golden }],
  };
}

function inEnvelope(envelope: Schema, event: TicketEvent): Schema {
  const properties = {
    ...(envelope['properties'] as Record<string, Schema>),
    type: { type: 'string', const: event.type },
    data: { $ref: `#/components/schemas/${event.data.name}` },
  };
  return { ...envelope, properties };
}
