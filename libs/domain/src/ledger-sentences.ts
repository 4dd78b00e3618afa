/** A ledger's lines in plain English: times on the wall clock of the calendar's zone, figures in hours and minutes. */
import type { ClockFact, ClockFigures, ClockSegment } from './ledger.js';
import type { Calendar } from './policy.js';
import type { ClockName, Instant, Seconds, SuspensionCause } from './ticket.js';
import { wallTime } from './zone.js';

const WAITS: Record<SuspensionCause, string> = {
  pending_customer: 'waiting for the customer',
  pending_third_party: 'waiting for a third party',
  pending_change: 'waiting for a planned change',
  pending_closed: 'announced to be closed',
};

export function segmentSentence(segment: Omit<ClockSegment, 'sentence'>, calendar: Calendar): string {
  const { from, to, open, state, cause, countedSeconds, outsideHoursSeconds } = segment;
  const when = open ? `since ${moment(calendar, from)}` : span(calendar, from, to);
  if (state === 'running') {
    const counted = `${hours(countedSeconds)}${calendar.always ? '' : ' of business time'}`;
    const outside = outsideHoursSeconds === 0 ? '' : `; ${hours(outsideHoursSeconds)} lay outside hours`;
    return open ? `Running ${when}: ${counted} so far${outside}.` : `Ran ${counted} ${when}${outside}.`;
  }
  if (state === 'stopped') return `Stood still ${when}: it had been stopped.`;
  const waits = cause ? `: ${WAITS[cause]}` : '';
  return open ? `Paused ${when}, ${days(to - from)} so far${waits}.` : `Paused for ${days(to - from)} ${when}${waits}.`;
}

export function factSentence(name: ClockName, fact: Omit<ClockFact, 'sentence'>, calendar: Calendar): string {
  const { type, at, before, priority, budgetSeconds, percent, overdueSeconds, outcome } = fact;
  const on = `on ${moment(calendar, at)}`;
  const now = standing(fact);
  const then = before ? `; before, ${standing(before)}` : '';
  const change = `when the priority changed from ${before?.priority} to ${priority} ${on}`;
  switch (type) {
    case 'started':
      return `Started ${on} with ${hours(budgetSeconds)} to ${name}, priority ${priority}.`;
    case 'reset':
      return `Reset ${change}: a new promise of ${hours(budgetSeconds)} from then on${then}.`;
    case 'capped':
      return `Shortened ${change}, but to no more than had been left: ${now}${then}.`;
    case 'recounted':
      return `Counted anew from the start ${change}: ${now}${then}.`;
    case 'extended':
      return `Extended by ${hours(budgetSeconds - (before?.budgetSeconds ?? 0))} ${change}: ${now}${then}.`;
    case 'kept':
      return `Left as it was ${change}: ${now}.`;
    case 'terms_changed':
      return `Under a new version of the service-level policy ${on}: ${now}${then}.`;
    case 'warned':
      return `Warned ${on}: ${percent} % of the time to ${name} was used up, ${now}.`;
    case 'breached':
      return `Broken ${on}: the ${hours(budgetSeconds)} to ${name} were used up.`;
    case 'overdue':
      return `Still broken ${on}, ${hours(overdueSeconds ?? 0)} after the due time.`;
    case 'stopped':
      return `Stopped ${on}, the promise ${outcome === 'met' ? 'kept' : 'broken'}: ${now}.`;
    case 'resumed':
      return `Taken up again ${on}: ${now}.`;
  }
}

function standing({ budgetSeconds, remainingSeconds }: ClockFigures): string {
  if (remainingSeconds < 0) return `${hours(-remainingSeconds)} over the ${hours(budgetSeconds)}`;
  return `${hours(remainingSeconds)} of ${hours(budgetSeconds)} left`;
}

function moment({ zone }: Calendar, at: Instant): string {
  return `${wallTime(zone, at).text} (${zone})`;
}

/** Where clocks change in between, the difference of the times is not the time that passed: then the offsets are said. */
function span({ zone }: Calendar, from: Instant, to: Instant): string {
  const [first, last] = [wallTime(zone, from), wallTime(zone, to)];
  if (first.offset === last.offset) return `from ${first.text} to ${last.text} (${zone})`;
  return `from ${first.text} (UTC${first.offset}) to ${last.text} (UTC${last.offset}, ${zone})`;
}

/** For business time, which has no days: `9 h 30 min`. */
function hours(seconds: Seconds): string {
  return parts([
    [Math.floor(seconds / 3600), 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ]);
}

/** For wall time: `3 days 2 h`. */
function days(seconds: Seconds): string {
  const whole = Math.floor(seconds / 86_400);
  if (whole === 0) return hours(seconds);
  const rest = seconds % 86_400;
  return `${whole} ${whole === 1 ? 'day' : 'days'}${rest === 0 ? '' : ` ${hours(rest)}`}`;
}

function parts(values: [number, string][]): string {
  const shown = values.filter(([value]) => value > 0).map(([value, unit]) => `${value} ${unit}`);
  return shown.length === 0 ? '0 min' : shown.join(' ');
}
