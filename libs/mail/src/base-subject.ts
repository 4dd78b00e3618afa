/** What a subject is about, without what mail programs and help desks put before it (after RFC 5256 §2.1). */

/** For answers and forwards, in the languages of the mail programs that people use. */
const PREFIX =
  /^(?:re|aw|sv|vs|vb|antw|odp|ynt|res|ref|r|fwd?|wg|tr|rv|enc|doorst|pd|ilt|i|回复|回覆|答复|转发|轉寄)\s{0,3}(?:[[(]\d{1,4}[\])]|\^\d{1,4}|\d{1,2})?\s{0,3}[:：]\s{0,20}/iu;
const TAG = /^\[#\d{1,15}\]\s{0,20}/;
/** Subjects longer than this are cut on their way. */
const COMPARED_LENGTH = 150;
const MAX_LENGTH = 2_000;

/** `AW: Re: [#1042] Line down` → `Line down`. Empty when nothing else is there. */
export function baseSubject(subject: string): string {
  let rest = subject.slice(0, MAX_LENGTH).replace(/\s+/g, ' ').trim();
  for (;;) {
    const next = rest.replace(PREFIX, '').replace(TAG, '');
    if (next === rest) return rest.replace(/\s?\[#\d{1,15}\]$/, '');
    rest = next;
  }
}

/** The same matter, by its subject: without case, and without the end of long ones, which may be cut. */
export function sameBaseSubject(one: string, other: string): boolean {
  const [a, b] = [one, other].map((subject) => baseSubject(subject).toLowerCase().slice(0, COMPARED_LENGTH));
  return a === b;
}
