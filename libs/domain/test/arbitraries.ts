import fc from 'fast-check';
import {
  PRIORITIES,
  RESOLUTION_TYPES,
  STATUSES,
  SUSPENSION_CAUSES,
  type SaidMessage,
  type TicketChange,
} from '../src/index.js';
import { DAY, HOUR, type Act, type Step } from './world.js';

/** At least as many random cases per property as the model asks for. */
export const RUNS = { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 2000) };

const comment = 'because';

/** Whole hours, so that instants meet often, or any seconds. */
export const wait = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 0, max: 60 }).map((hours) => hours * HOUR),
  fc.integer({ min: 0, max: 20 * DAY }),
);

const assignee = fc.constantFrom('emp1', 'emp2', 'emp3', null);
const resolutionType = fc.constantFrom(...RESOLUTION_TYPES);
const suspendedSeconds = fc.oneof(
  fc.integer({ min: 1, max: 72 }).map((hours) => hours * HOUR),
  fc.integer({ min: 1, max: 10 * DAY }),
);

/** Changes that are mostly accepted. */
const sensible: fc.Arbitrary<TicketChange> = fc.oneof(
  fc.record({ assignee, comment: fc.constant(comment) }),
  fc.record({ priority: fc.constantFrom(...PRIORITIES), comment: fc.constant(comment) }),
  fc.record({ status: fc.constantFrom('open', 'in_progress'), comment: fc.constant(comment) }),
  fc.record(
    {
      status: fc.constant('suspended'),
      suspensionCause: fc.constantFrom('pending_change', 'pending_customer', 'pending_third_party'),
      suspendedSeconds,
      comment: fc.constant(comment),
    },
    { requiredKeys: ['status', 'suspensionCause', 'comment'] },
  ),
  fc.record({
    status: fc.constant('suspended'),
    suspensionCause: fc.constant('pending_closed'),
    closeResolutionType: resolutionType,
    suspendedSeconds,
    comment: fc.constant(comment),
  }),
  fc.record({ status: fc.constant('closed'), resolutionType, comment: fc.constant(comment) }),
  fc.record(
    {
      assignee,
      priority: fc.constantFrom(...PRIORITIES),
      status: fc.constantFrom('open', 'in_progress'),
      comment: fc.constant(comment),
    },
    { requiredKeys: ['priority', 'status', 'comment'] },
  ),
);

/** Any fields with good and bad values: mostly refused. */
export const anyChange: fc.Arbitrary<TicketChange> = fc.record(
  {
    assignee: fc.constantFrom('emp1', 'gone', 'cust2', 'stranger', null),
    status: fc.constantFrom(...STATUSES, 'waiting'),
    priority: fc.constantFrom(...PRIORITIES, 'urgent'),
    suspensionCause: fc.constantFrom(...SUSPENSION_CAUSES, 'pending_rain'),
    suspendedSeconds: fc.constantFrom(-1, 0, 0.5, 1, HOUR, 90 * DAY, 90 * DAY + 1, Number.NaN),
    closeResolutionType: fc.constantFrom('fixed', 'eaten'),
    resolutionType: fc.constantFrom('fixed', 'eaten'),
    comment: fc.constantFrom(comment, ' \t'),
    expectedVersion: fc.integer({ min: 1, max: 5 }),
    unknownFields: fc.constantFrom([], ['colour']),
  },
  { requiredKeys: [] },
);

const message: fc.Arbitrary<SaidMessage> = fc.oneof(
  fc.record({
    author: fc.constant('customer' as const),
    authorId: fc.constantFrom('cust1', 'cust2', null),
    automatic: fc.boolean(),
    visibility: fc.constant('public' as const),
  }),
  fc.record({
    author: fc.constant('employee' as const),
    authorId: fc.constantFrom('emp1', 'emp2', 'gone'),
    automatic: fc.boolean(),
    visibility: fc.constantFrom('public' as const, 'internal' as const),
  }),
);

export const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ change: sensible, by: fc.constantFrom('emp1', 'emp2') }) },
  { weight: 1, arbitrary: fc.record({ change: anyChange, by: fc.constantFrom('emp1', 'cust1', 'gone') }) },
  { weight: 2, arbitrary: fc.record({ message }) },
  { weight: 1, arbitrary: fc.constant({ tick: true as const }) },
);

export const history: fc.Arbitrary<Step[]> = fc.array(fc.record({ wait, act }), { maxLength: 12 });
export const priority = fc.constantFrom(...PRIORITIES);
