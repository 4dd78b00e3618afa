import type { ClockFactView, ClockFiguresView, ClockLedgerView, ClockLineView, ClockSegmentView } from '#contracts';
import type { ClockActor, ClockFact, ClockFigures, ClockLedger, ClockSegment, LedgerLine, PersonKind } from '#domain';
import { isoInstant } from '../ticket/instant.type.js';

/** Keeps both ledgers together below NATS's limit for one message, with room for the envelope. */
const MAX_LEDGER_BYTES = 400_000;
const MAX_COMMENT_LENGTH = 500;

/** What concerns the house alone: whom it tells before and after a promise breaks. */
const INTERNAL_FACTS: ClockFact['type'][] = ['warned', 'overdue'];

/** A clock's ledger as employees see it, or as customers do: without names, comments and what concerns the house. */
export function ledgerView(ledger: ClockLedger, viewer: PersonKind): ClockLedgerView {
  const { clock: _, ...sums } = ledger;
  const shown = ledger.lines
    .filter((line) => viewer === 'employee' || line.kind === 'segment' || !INTERNAL_FACTS.includes(line.type))
    .map((line) => lineView(line, viewer));
  const lines = latestThatFit(shown);
  return { ...sums, lines, omittedLines: shown.length - lines.length };
}

function lineView(line: LedgerLine, viewer: PersonKind): ClockLineView {
  const seesAll = viewer === 'employee';
  return {
    sentence: line.sentence,
    by: seesAll ? personOf(line.by) : null,
    comment: seesAll ? (line.by?.comment?.slice(0, MAX_COMMENT_LENGTH) ?? null) : null,
    segment: line.kind === 'segment' ? segmentView(line, seesAll) : null,
    fact: line.kind === 'fact' ? factView(line, seesAll) : null,
  };
}

function personOf(by: ClockActor | null) {
  return by && { personId: by.personId, name: by.name ?? '' };
}

function segmentView(segment: ClockSegment, seesAll: boolean): ClockSegmentView {
  const { open, state, countedSeconds, outsideHoursSeconds, why, cause, priority, policyVersion } = segment;
  return {
    from: isoInstant(segment.from),
    to: isoInstant(segment.to),
    open,
    state,
    countedSeconds,
    outsideHoursSeconds,
    why,
    cause,
    priority,
    policyVersion: seesAll ? policyVersion : null,
  };
}

function factView(fact: ClockFact, seesAll: boolean): ClockFactView {
  const { type, at, why, before, percent, overdueSeconds, outcome } = fact;
  return {
    type,
    at: isoInstant(at),
    why,
    figures: figuresView(fact, seesAll),
    before: before && figuresView(before, seesAll),
    percent,
    overdueSeconds,
    outcome,
  };
}

function figuresView(figures: ClockFigures, seesAll: boolean): ClockFiguresView {
  const { priority, policyVersion, budgetSeconds, remainingSeconds } = figures;
  return { priority, policyVersion: seesAll ? policyVersion : null, budgetSeconds, remainingSeconds };
}

function latestThatFit(lines: ClockLineView[]): ClockLineView[] {
  let bytes = 0;
  const tooOld = lines.findLastIndex((line) => {
    bytes += Buffer.byteLength(JSON.stringify(line));
    return bytes > MAX_LEDGER_BYTES;
  });
  return lines.slice(tooOld + 1);
}
