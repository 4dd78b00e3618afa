/**
 * Two machines that answer each other without saying that they are machines write the same words again and again. From
 * the third time within an hour on that somebody mails the same words to one ticket, they are taken for such a machine's:
 * kept, but nothing comes of them and nobody is told.
 *
 * Mails with files are left out: people send their photos one by one, under the same words or none.
 */
import type { IncomingMail } from '#contracts';
import type { Instant } from '#domain';
import { sqlOf } from '#platform';
import type { EntityManager } from '@mikro-orm/postgresql';
import { createHash } from 'node:crypto';
import { isoInstant } from './instant.type.js';

const HOUR = 3_600;
/** The same words, so often within an hour. */
export const TIMES = 3;

interface Said {
  times: number;
  /** Some of them were taken for a machine's. */
  automatic: boolean;
}

type Mail = Pick<IncomingMail, 'visibleText' | 'attachments'>;

export class RecentWords {
  private constructor(private readonly said: Map<string, Said>) {}

  /** Looks only at the words of who mailed a ticket at least twice in the last hour: hardly ever anybody. */
  static async load(
    em: EntityManager,
    now: Instant,
    { tickets, people }: { tickets: string[]; people: string[] },
  ): Promise<RecentWords> {
    if (tickets.length === 0 || people.length === 0) return new RecentWords(new Map());
    const { rows } = await sqlOf(em).query<{ ticket: string; person: string; words: string } & Said>({
      name: 'recent-words',
      text: `select ticket_id as ticket, author_person_id as person, ${WORDS} as words, count(*)::int as times,
               bool_or(automatic) as automatic
             from (
               select id, ticket_id, author_person_id, text, visible_text, automatic,
                 count(*) over (partition by ticket_id, author_person_id) as mails
               from tickets.timeline_entry
               where ticket_id = any($1::uuid[]) and author_person_id = any($2::uuid[]) and inbound_id is not null
                 and at > $3
             ) lately
             where mails >= $4
               and not exists (select 1 from tickets.attachment a where a.entry_id = lately.id and not a.inline)
             group by 1, 2, 3`,
      values: [tickets, people, isoInstant(now - HOUR), TIMES - 1],
    });
    return new RecentWords(new Map(rows.map((row) => [keyOf(row.ticket, row.person, row.words), row])));
  }

  /** Whether this mail is one time too many; `first` when it is the first one that is. */
  repeats(ticketId: string, personId: string, mail: Mail): 'first' | 'again' | null {
    const words = wordsOf(mail);
    const before = words !== null && this.said.get(keyOf(ticketId, personId, words));
    if (!before) return null;
    if (before.automatic) return 'again';
    return before.times >= TIMES - 1 ? 'first' : null;
  }

  /** Further mails of the batch may repeat this one. */
  remember(ticketId: string, personId: string, mail: Mail & Pick<IncomingMail, 'automatic'>): void {
    const words = wordsOf(mail);
    if (words === null) return;
    const key = keyOf(ticketId, personId, words);
    const { times, automatic } = this.said.get(key) ?? { times: 0, automatic: false };
    this.said.set(key, { times: times + 1, automatic: automatic || mail.automatic });
  }
}

/** As `wordsOf`, of a stored mail. */
const WORDS = String.raw`md5(regexp_replace(coalesce(visible_text, text, ''), '[ \t\r\n]+', '', 'g'))`;

/** A hash of the words without their spacing; null when there is nothing to compare. */
function wordsOf({ visibleText, attachments }: Mail): string | null {
  const words = visibleText.replace(/[ \t\r\n]+/g, '');
  if (words === '' || attachments.some(({ inline }) => !inline)) return null;
  return createHash('md5').update(words).digest('hex');
}

function keyOf(ticketId: string, personId: string, words: string): string {
  return `${ticketId} ${personId} ${words}`;
}
