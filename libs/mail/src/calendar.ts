/** What a calendar part (RFC 5545, sent by RFC 5546 and 6047) says of its first event, as far as people read it. */
import { normaliseAddress } from './addresses.js';
import { cleanName, cutText } from './charset.js';

export interface CalendarTime {
  /** ISO 8601: a date, or a date and time, with a Z when it is UTC and without when it is that of the zone. */
  at: string;
  /** The zone in the sender's words (`Europe/Oslo`, `W. Europe Standard Time`); null for UTC, a date or no zone. */
  zone: string | null;
}

export interface CalendarPerson {
  name: string | null;
  address: string | null;
}

export interface CalendarAttendee extends CalendarPerson {
  /** PARTSTAT in lower case: accepted, declined, tentative, needs-action, … */
  status: string | null;
}

export interface CalendarSummary {
  /** In lower case: request, reply, cancel, publish, counter, …; null when the part does not say. */
  method: string | null;
  /** The mail itself is the calendar's message (RFC 6047), not one to which somebody attached a file. */
  isMessage: boolean;
  uid: string | null;
  summary: string | null;
  start: CalendarTime | null;
  end: CalendarTime | null;
  organizer: CalendarPerson | null;
  /** At most 100. */
  attendees: CalendarAttendee[];
}

const MAX_LINES = 20_000;
const MAX_LINE = 4000;
const MAX_TEXT = 500;
const MAX_ATTENDEES = 100;
const PROPERTIES = /^(?:BEGIN|END|METHOD|UID|SUMMARY|DTSTART|DTEND|DUE|ORGANIZER|ATTENDEE)[;:]/i;

interface Property {
  name: string;
  parameters: Map<string, string>;
  value: string;
}

/**
 * @param method the parameter of the Content-Type, which counts when the calendar has none
 * @param attached whether it is shown as a file
 * @returns null when it is no calendar
 */
export function readCalendar(text: string, method: string | null = null, attached = false): CalendarSummary | null {
  const lines = unfold(text);
  if (!lines.some((line) => /^BEGIN:VCALENDAR\s*$/i.test(line))) return null;
  const summary: CalendarSummary = {
    method: method?.trim().toLowerCase() || null,
    isMessage: method !== null && !attached,
    uid: null,
    summary: null,
    start: null,
    end: null,
    organizer: null,
    attendees: [],
  };
  /** The components around the line, outermost first. */
  const open: string[] = [];
  let done = false;
  for (const line of lines) {
    if (!PROPERTIES.test(line)) continue;
    const property = parseProperty(line);
    if (!property) continue;
    if (property.name === 'BEGIN') open.push(property.value.toUpperCase());
    else if (property.name === 'END') done = ended(open, property.value.toUpperCase()) || done;
    else if (open.length === 1 && property.name === 'METHOD')
      summary.method = clean(property.value)?.toLowerCase() ?? null;
    else if (!done && open.length === 2 && EVENTS.has(open[1]!)) addTo(summary, property);
  }
  return summary;
}

const EVENTS = new Set(['VEVENT', 'VTODO', 'VFREEBUSY', 'VJOURNAL']);

/** @returns whether that ends an event: only the first one is told of */
function ended(open: string[], component: string): boolean {
  const at = open.lastIndexOf(component);
  if (at >= 0) open.length = at;
  return at === 1 && EVENTS.has(component);
}

function addTo(summary: CalendarSummary, property: Property): void {
  switch (property.name) {
    case 'UID':
      summary.uid ??= clean(property.value);
      return;
    case 'SUMMARY':
      summary.summary ??= clean(property.value.replace(/\\n/gi, ' ').replace(/\\(.)/g, '$1'));
      return;
    case 'DTSTART':
      summary.start ??= timeOf(property);
      return;
    case 'DTEND':
    case 'DUE':
      summary.end ??= timeOf(property);
      return;
    case 'ORGANIZER':
      summary.organizer ??= personOf(property);
      return;
    case 'ATTENDEE':
      if (summary.attendees.length >= MAX_ATTENDEES) return;
      summary.attendees.push({
        ...personOf(property),
        status: clean(property.parameters.get('PARTSTAT') ?? '')?.toLowerCase() ?? null,
      });
  }
}

/** RFC 5545 §3.1: a line that begins with a blank goes on the one before. */
function unfold(text: string): string[] {
  const lines: string[] = [];
  for (const line of text.split(/\r\n|\n|\r/, MAX_LINES)) {
    const last = lines.length - 1;
    if (/^[ \t]/.test(line) && last >= 0) {
      if (lines[last]!.length < MAX_LINE) lines[last] += line.slice(1, MAX_LINE);
    } else {
      lines.push(line.slice(0, MAX_LINE));
    }
  }
  return lines;
}

/** `NAME;PARAMETER="a:b";OTHER=c:value` */
function parseProperty(line: string): Property | null {
  const pieces: string[] = [];
  let quoted = false;
  let from = 0;
  for (let at = 0; at < line.length; at++) {
    const character = line[at];
    if (character === '"') quoted = !quoted;
    if (quoted || (character !== ';' && character !== ':')) continue;
    pieces.push(line.slice(from, at));
    from = at + 1;
    if (character === ':') return withParameters(pieces, line.slice(from).trim());
  }
  return null;
}

function withParameters([name, ...rest]: string[], value: string): Property {
  const parameters = new Map<string, string>();
  for (const parameter of rest) {
    const equals = parameter.indexOf('=');
    if (equals > 0)
      parameters.set(parameter.slice(0, equals).toUpperCase(), parameter.slice(equals + 1).replace(/"/g, ''));
  }
  return { name: name!.toUpperCase(), parameters, value };
}

function timeOf({ parameters, value }: Property): CalendarTime | null {
  const match = /^(\d{4})(\d{2})(\d{2})(?:T(\d{2})(\d{2})(\d{2})?(Z)?)?$/i.exec(value);
  if (!match) return null;
  const [, year, month, day, hour, minute, second = '00', utc] = match;
  const date = `${year}-${month}-${day}`;
  if (hour === undefined) return { at: date, zone: null };
  const at = `${date}T${hour}:${minute}:${second}${utc ? 'Z' : ''}`;
  return { at, zone: utc ? null : clean(parameters.get('TZID') ?? '') };
}

function personOf({ parameters, value }: Property): CalendarPerson {
  const address = normaliseAddress(value.replace(/^mailto:/i, ''));
  const name = clean(parameters.get('CN') ?? '');
  return { name: name === address ? null : name, address };
}

function clean(text: string): string | null {
  return cutText(cleanName(text), MAX_TEXT).text || null;
}
