/**
 * A mail that is understood better than before: the message that it became is rebuilt in place. The ticket is as it was,
 * except for a line in its timeline that says so; nobody is told.
 */
import {
  refuse,
  type IncomingMail,
  type InboundActor,
  type RebuildMessage,
  type RebuildResult,
  type Refused,
} from '#contracts';
import { sqlOf } from '#platform';
import { LockMode, MikroORM, type EntityManager } from '@mikro-orm/postgresql';
import { Inject, Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { PolicyStore } from '../sla/policy.store.js';
import { ownWords, requestWords } from './mail-thread.js';
import { readSurroundingsOf } from './surroundings.js';
import { Ticket } from './ticket.entity.js';
import { TicketService } from './ticket.service.js';
import { Attachment, TimelineEntry } from './timeline-entry.entity.js';

const REBUILT_TEXT = 'The mail of this message was processed again; its text and attachments were rebuilt.';

@Injectable()
export class RebuildService {
  constructor(
    @Inject(MikroORM) private readonly orm: MikroORM,
    private readonly tickets: TicketService,
    private readonly policies: PolicyStore,
  ) {}

  async rebuild({ actor, mail }: RebuildMessage): Promise<RebuildResult | Refused> {
    await this.policies.refresh();
    const command = async (em: EntityManager): Promise<RebuildResult | Refused> => {
      const place = await placeOf(em, mail.inboundId);
      if (!place) {
        return refuse({ field: 'inboundId', code: 'message_unknown', message: 'there is no message of this mail' });
      }
      const row = await em.findOneOrFail(Ticket, { id: place.ticketId }, { lockMode: LockMode.PESSIMISTIC_WRITE });
      const changed = await rebuildEntry(em, mail, place);
      if (changed) await this.record(em, row, actor, place.entryId);
      return { ticketId: row.id, ticketNumber: row.number, changed };
    };
    return this.orm.em.fork().transactional(command, { clear: true });
  }

  private async record(em: EntityManager, row: Ticket, { personId, name }: InboundActor, entryId: string) {
    await this.policies.learn([row.policyVersion]);
    const surroundings = await readSurroundingsOf(em, [row]);
    surroundings.now = Math.max(surroundings.now, row.updatedAt);
    const writer = this.tickets.writer(em, row, surroundings);
    writer.bringUpToTerms();
    const changes = [{ field: 'message', before: entryId, after: entryId }];
    writer.recordChange({ changes, author: { personId, name, email: null }, comment: REBUILT_TEXT });
  }
}

interface Place {
  ticketId: string;
  entryId: string;
  /** It opened the ticket. */
  first: boolean;
  /** It is an employee's answer: only their own words were taken. */
  answer: boolean;
  authorEmail: string | null;
}

async function placeOf(em: EntityManager, inboundId: string): Promise<Place | undefined> {
  const { rows } = await sqlOf(em).query<Place>(
    `select e.ticket_id as "ticketId", e.id as "entryId",
       e.position = (select min(position) from tickets.timeline_entry f where f.ticket_id = e.ticket_id) as first,
       e.kind = 'message' and t.reporter_person_id is distinct from e.author_person_id and exists (
         select from tickets.person where id = e.author_person_id and kind = 'employee') as answer,
       e.author_email as "authorEmail"
     from tickets.timeline_entry e join tickets.ticket t on t.id = e.ticket_id where e.inbound_id = $1`,
    [inboundId],
  );
  return rows[0];
}

/** @returns whether anything differed */
async function rebuildEntry(em: EntityManager, mail: IncomingMail, place: Place): Promise<boolean> {
  const { entryId, first } = place;
  const entry = await em.findOneOrFail(TimelineEntry, { id: entryId });
  const words = wordsOf(mail, place);
  if (!words) return rebuildAttachments(em, mail, entry);
  const { text, html, messageId } = words;
  // a first mail is shown whole: what it quotes or forwards is the request
  const rebuilt = { text, html, messageId, visibleText: first ? text : mail.visibleText };
  const differs = Object.entries(rebuilt).some(([field, value]) => value !== entry[field as keyof typeof rebuilt]);
  if (differs) em.assign(entry, rebuilt);
  return (await rebuildAttachments(em, mail, entry)) || differs;
}

/**
 * What of the mail is the message: all of it, an employee's own words, or the request that they passed on. Null when that
 * was passed on and cannot be told from the forwarder's words any more.
 */
function wordsOf(mail: IncomingMail, { first, answer, authorEmail }: Place): IncomingMail | null {
  if (!first) return answer ? ownWords(mail) : mail;
  if (authorEmail?.toLowerCase() === mail.from.email?.toLowerCase()) return mail;
  return mail.forwarded ? requestWords(mail, mail.forwarded) : null;
}

/** An attachment with the same bytes keeps its id, by which people may have noted it. @returns whether anything differed */
async function rebuildAttachments(em: EntityManager, mail: IncomingMail, entry: TimelineEntry): Promise<boolean> {
  const present = await em.find(Attachment, { entry }, { orderBy: { position: 'asc' } });
  if (JSON.stringify(present.map(factsOf)) === JSON.stringify(mail.attachments.map(factsOf))) return false;
  const left = new Set(present);
  for (const [position, { sha256, ...facts }] of mail.attachments.entries()) {
    const bytes = Buffer.from(sha256, 'hex');
    const same = [...left].find((one) => bytes.equals(one.sha256));
    if (same) {
      left.delete(same);
      em.assign(same, { ...facts, position });
    } else {
      em.persist(em.create(Attachment, { id: uuidv7(), entry, position, sha256: bytes, ...facts }));
    }
  }
  for (const one of left) em.remove(one);
  return true;
}

function factsOf({
  name,
  type,
  size,
  contentId,
  inline,
  sha256,
}: Omit<Attachment | IncomingMail['attachments'][0], 'id'>) {
  const hash = typeof sha256 === 'string' ? sha256 : Buffer.from(sha256).toString('hex');
  return [name, type, size, contentId ?? null, inline, hash];
}
