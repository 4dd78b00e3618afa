/** The reading side of one ticket: one statement a question, straight to the view. */
import {
  refuse,
  type BlobReference,
  type GetAttachment,
  type GetRawMail,
  type GetTicket,
  type GetTimeline,
  type Refused,
  type SenderVerification,
  type TicketAnswer,
  type TicketView,
  type TimelineEntryView,
  type TimelinePage,
} from '#contracts';
import type { FieldChange, PersonKind } from '#domain';
import { poolOf, type Sql } from '#platform';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { MikroORM } from '@mikro-orm/postgresql';
import { PolicyStore } from '../sla/policy.store.js';
import { MAY_SEE, shownTo } from './access.js';
import { instantOf, isoInstant } from './instant.type.js';
import { mergedInto, withoutHiddenTargets } from './merged-tickets.js';
import { TICKET_COLUMNS, factsOf, type TicketRow } from './ticket.row.js';
import { ticketView } from './ticket.view.js';

/** Keeps a page of the timeline below NATS's limit for one message, with room for its JSON escapes. */
const MAX_PAGE_TEXT_BYTES = 600_000;

/** The fields whose changes customers see; others are the house's own business. */
const PUBLIC_FIELDS: string[] = [
  'assignee',
  'status',
  'priority',
  'suspensionCause',
  'suspendedUntil',
  'closeResolutionType',
  'resolutionType',
  'infrastructure',
  'resolutionEta',
] satisfies FieldChange['field'][];

const ticketUnknown = () => refuse({ field: 'ticketId', code: 'ticket_unknown', message: 'there is no such ticket' });
const cursorInvalid = () => refuse({ field: 'after', code: 'cursor_invalid', message: 'not a cursor of this list' });

/** `t` with its names. */
export const FROM_TICKET = `
  tickets.ticket t
  left join tickets.person assignee on assignee.id = t.assignee_id
  left join tickets.organisation organisation on organisation.id = t.organisation_id
  left join tickets.infrastructure infrastructure on infrastructure.id = t.infrastructure_id`;

@Injectable()
export class TicketQueries implements OnModuleInit {
  private sql: Sql;

  constructor(
    @Inject(MikroORM) private readonly orm: MikroORM,
    private readonly policies: PolicyStore,
  ) {}

  async onModuleInit(): Promise<void> {
    this.sql = await poolOf(this.orm);
  }

  async get({ viewerId, ticketId }: GetTicket): Promise<TicketAnswer | Refused> {
    const { rows } = await this.sql.query<TicketRow & { viewer_kind: PersonKind }>({
      name: 'get-ticket',
      text: `select ${TICKET_COLUMNS}, v.kind as viewer_kind from tickets.person v, ${FROM_TICKET}
             where v.id = $1 and t.id = $2 and ${MAY_SEE}`,
      values: [viewerId, ticketId],
    });
    const row = rows[0];
    return row ? { ticket: (await this.views([row], { id: viewerId, kind: row.viewer_kind }))[0]! } : ticketUnknown();
  }

  async timeline({ viewerId, ticketId, after, limit }: GetTimeline): Promise<TimelinePage | Refused> {
    if (after !== undefined && !/^\d{1,18}$/.test(after)) return cursorInvalid();
    const kind = await this.viewerKind(viewerId, ticketId);
    if (!kind) return ticketUnknown();
    const { rows } = await this.sql.query<EntryRow>({
      name: 'timeline',
      text: `
        with recursive ${mergedInto('$1')}
        select e.id, e.position, e.kind, e.at, e.author_person_id, e.author_name, e.author_email,
          (select kind from tickets.person where id = e.author_person_id) as author_kind, e.text,
          e.visible_text, e.html, e.changes, e.fixes, e.raw_sha256 is not null as has_raw_mail,
          e.sender_verification, e.reply_to,
          case when t.id <> $1 then t.number when v.kind = 'employee' then e.from_ticket end as from_ticket,
          coalesce((select jsonb_agg(jsonb_build_object('id', a.id, 'name', a.name, 'type', a.type, 'size', a.size,
             'inline', a.inline, 'contentId', a.content_id) order by a.position)
             from tickets.attachment a where a.entry_id = e.id), '[]') as attachments
        from merged join tickets.ticket t using (id) join tickets.person v on v.id = $3 and ${MAY_SEE}
        cross join lateral (
          select * from tickets.timeline_entry e
          where e.ticket_id = t.id and e.position > $2
            and (v.kind = 'employee' or e.kind = 'message' or (e.kind = 'change' and exists (
              select from jsonb_array_elements(e.changes) c where c ->> 'field' = any($5))))
          order by e.position limit $4) e
        order by e.position limit $4`,
      values: [ticketId, after ?? '0', viewerId, limit + 1, PUBLIC_FIELDS],
    });
    const page = withinSize(rows.slice(0, limit));
    const next = page.length < rows.length ? page.at(-1)!.position : null;
    return { items: page.map((row) => entryView(row, kind)), next };
  }

  async attachment({ viewerId, ticketId, attachmentId }: GetAttachment): Promise<BlobReference | Refused> {
    const kind = await this.viewerKind(viewerId, ticketId);
    if (!kind) return ticketUnknown();
    const { rows } = await this.sql.query<{ name: string; type: string; size: string; sha256: Buffer }>(
      `with recursive ${mergedInto('$2')}
       select a.name, a.type, a.size, a.sha256 from tickets.attachment a
       join tickets.timeline_entry e on e.id = a.entry_id
       join merged on merged.id = e.ticket_id
       join tickets.ticket t on t.id = e.ticket_id
       join tickets.person v on v.id = $3 and ${MAY_SEE}
       where a.id = $1 and (v.kind = 'employee' or e.kind = 'message')`,
      [attachmentId, ticketId, viewerId],
    );
    const row = rows[0];
    if (row) return { ...row, size: Number(row.size), sha256: row.sha256.toString('hex') };
    return refuse({ field: 'attachmentId', code: 'attachment_unknown', message: 'there is no such attachment' });
  }

  async rawMail({ viewerId, ticketId, entryId }: GetRawMail): Promise<BlobReference | Refused> {
    const kind = await this.viewerKind(viewerId, ticketId);
    if (!kind) return ticketUnknown();
    if (kind !== 'employee') {
      return refuse({ field: 'entryId', code: 'employees_only', message: 'only employees may read raw mail' });
    }
    const { rows } = await this.sql.query<{ raw_sha256: Buffer; raw_size: string }>(
      `with recursive ${mergedInto('$2')}
       select e.raw_sha256, e.raw_size from tickets.timeline_entry e join merged on merged.id = e.ticket_id
       where e.id = $1 and e.raw_sha256 is not null`,
      [entryId, ticketId],
    );
    const row = rows[0];
    if (!row) return refuse({ field: 'entryId', code: 'raw_mail_unknown', message: 'this entry came by no mail' });
    const sha256 = row.raw_sha256.toString('hex');
    return { sha256, name: `${entryId}.eml`, type: 'message/rfc822', size: Number(row.raw_size) };
  }

  async views(rows: TicketRow[], viewer: Viewer): Promise<TicketView[]> {
    await this.policies.learn(rows.map((row) => row.policy_version));
    const views = rows.map((row) => ticketView(factsOf(row), this.policies.of(row.policy_version), instantOf(row.now)));
    const shown = views.map((view) => shownTo(viewer.kind, view));
    return withoutHiddenTargets(this.sql, viewer.id, shown);
  }

  /** What kind of person looks at the ticket; undefined when they may not. */
  private async viewerKind(viewerId: string, ticketId: string): Promise<PersonKind | undefined> {
    const { rows } = await this.sql.query<{ kind: PersonKind }>({
      name: 'viewer-kind',
      text: `select v.kind from tickets.person v, tickets.ticket t where v.id = $1 and t.id = $2 and ${MAY_SEE}`,
      values: [viewerId, ticketId],
    });
    return rows[0]?.kind;
  }
}

interface Viewer {
  id: string;
  kind: PersonKind;
}

interface EntryRow {
  id: string;
  position: string;
  kind: TimelineEntryView['kind'];
  at: string;
  author_person_id: string | null;
  author_name: string;
  author_email: string | null;
  author_kind: PersonKind | null;
  text: string | null;
  visible_text: string | null;
  html: string | null;
  changes: TimelineEntryView['changes'];
  fixes: TimelineEntryView['fixes'];
  from_ticket: number | null;
  has_raw_mail: boolean;
  sender_verification: SenderVerification | null;
  reply_to: string | null;
  attachments: TimelineEntryView['attachments'];
}

function entryView(row: EntryRow, viewer: PersonKind): TimelineEntryView {
  const hideComment = row.kind === 'change' && viewer === 'customer';
  // customers write to the support address, not to an employee's own
  const hideAddress = row.author_kind === 'employee' && viewer === 'customer';
  return {
    id: row.id,
    kind: row.kind,
    at: isoInstant(instantOf(row.at)),
    author: {
      personId: row.author_person_id,
      name: row.author_name,
      email: hideAddress ? null : row.author_email,
    },
    text: hideComment ? null : row.text,
    visibleText: row.visible_text,
    html: row.html,
    attachments: row.attachments,
    changes: viewer === 'employee' ? row.changes : row.changes.filter(({ field }) => PUBLIC_FIELDS.includes(field)),
    fixes: row.fixes,
    fromTicket: row.from_ticket,
    hasRawMail: row.has_raw_mail && viewer === 'employee',
    senderVerification: viewer === 'employee' ? row.sender_verification : null,
    replyTo: viewer === 'employee' ? row.reply_to : null,
  };
}

/** As many entries as fit, but at least one: a single entry is bounded by the limits of intake and API. */
function withinSize(rows: EntryRow[]): EntryRow[] {
  let bytes = 0;
  const tooMany = rows.findIndex((row, index) => {
    bytes += Buffer.byteLength(`${row.text ?? ''}${row.visible_text ?? ''}${row.html ?? ''}`);
    return index > 0 && bytes > MAX_PAGE_TEXT_BYTES;
  });
  return tooMany === -1 ? rows : rows.slice(0, tooMany);
}
