/**
 * Small wrong versions of the rules. Each is one slip that a person could make, and some test of libs/domain must notice
 * it: a survivor means that a promise is not tested.
 */
export interface Mutant {
  /** What is wrong with it. */
  name: string;
  /** In libs/domain/src. */
  file: string;
  /** Stands exactly once in the file. */
  find: string;
  replace: string;
  /** The spec that is expected to notice; others are asked only when it does not. */
  spec: string;
}

type Slip = [name: string, find: string, replace: string, spec?: string];

const slips = (file: string, spec: string, list: Slip[]): Mutant[] =>
  list.map(([name, find, replace, other]) => ({ name, file, find, replace, spec: other ?? spec }));

export const MUTANTS: Mutant[] = [
  ...slips('clock.ts', 'ticket.prop', [
    ['a used up promise that is not broken yet is due in the past', 'Math.max(left, 0)', 'left', 'terms.spec'],
    ['every used up clock is counted back', 'if (clock.breached && left <= 0)', 'if (left <= 0)'],
    ['a paused clock is dead', "return clock.state !== 'stopped';", "return clock.state === 'running';", 'clock.prop'],
    [
      'a pause forgets what was consumed',
      "consumedSeconds: consumed(clock, calendar, now), runningSince: null, state: 'paused'",
      "runningSince: null, state: 'paused'",
      'clock.prop',
    ],
    [
      'stopping forgets what was consumed',
      "    consumedSeconds: consumed(clock, calendar, now),\n    runningSince: null,\n    state: 'stopped',",
      "    runningSince: null,\n    state: 'stopped',",
    ],
    [
      'a clock that is taken up again keeps its outcome',
      "runningSince: now, state: 'running', outcome: null",
      "runningSince: now, state: 'running'",
    ],
    [
      'met and missed are swapped',
      "clock.breached ? 'missed' : 'met'",
      "clock.breached ? 'met' : 'missed'",
      'update.spec',
    ],
    ['an older breach makes a kept promise missed', "clock.breached ? 'missed'", "clock.everBreached ? 'missed'"],
    ['a breach is forgotten', 'breached: true, everBreached: true', 'breached: true'],
    [
      'counted from the start, an escalation adds time',
      "if (mode === 'retroactive') return extend(clock, calendar, now, target.newSeconds - target.oldSeconds);",
      "if (mode === 'retroactive') return extend(clock, calendar, now, target.oldSeconds - target.newSeconds);",
      'clock.prop',
    ],
    ['capped, an escalation gains', 'left < target.newSeconds', 'left > target.newSeconds', 'clock.prop'],
    [
      'an escalation leaves the old breach',
      '...UNBROKEN, warnedPercent: 0',
      'rungsTaken: 0, warnedPercent: 0',
      'settle.spec',
    ],
    ['a new promise warns of nothing again', '...UNBROKEN, warnedPercent: 0', '...UNBROKEN', 'settle.spec'],
    ['the ladder goes on after a new promise', 'breached: false, rungsTaken: 0 }', 'breached: false }', 'settle.spec'],
    [
      'a de-escalation shortens',
      'mend(extend(clock, calendar, now, more)',
      'mend(extend(clock, calendar, now, -more)',
      'clock.prop',
    ],
    [
      'a de-escalation leaves the breach',
      'remaining(clock, calendar, now) >= 0',
      'remaining(clock, calendar, now) > 1e9',
    ],
    [
      'other terms bring no other target',
      'return more === 0 ? counted :',
      'return more !== 0 ? counted :',
      'terms.spec',
    ],
    [
      'a share that lies ahead again is not warned of',
      'Math.min(clock.warnedPercent, share)',
      'Math.max(clock.warnedPercent, share)',
      'settle.spec',
    ],
    ['an escalation lets a frozen clock run', "clock.state === 'running' ? now : null", 'now'],
    [
      'what was consumed before counts twice',
      'return clock.consumedSeconds + elapsed',
      'return 2 * clock.consumedSeconds + elapsed',
    ],
    ['what was consumed before is forgotten', 'seconds - clock.consumedSeconds, 0', 'seconds, 0', 'settle.spec'],

    [
      'an overdue clock is due in the future',
      'return subtract(calendar, clock.runningSince, -left);',
      'return add(calendar, clock.runningSince, -left);',
    ],
    [
      'capped, an escalation grants the target',
      'rebase(clock, target.newSeconds, left, now)',
      'rebase(clock, target.newSeconds, target.newSeconds, now)',
      'clock.prop',
    ],
  ]),
  ...slips('settle.ts', 'settle.spec', [
    ['an answer at the due time is late', 'noticedFrom: due + 1,', 'noticedFrom: due,', 'sla-examples'],
    ['time acts a second late', 'next.noticedFrom <= now', 'next.noticedFrom < now', 'ticket.prop'],
    [
      'a suspension ends when it is noticed late',
      'resumeWork(ticket, workingStatus(ticket), until)',
      'resumeWork(ticket, workingStatus(ticket), until + 1)',
    ],
    [
      'a ticket closes later than announced',
      'close(ticket, closeAs, policy, until)',
      'close(ticket, closeAs, policy, until + 60)',
      'sla-examples',
    ],
    [
      'warnings count what is left',
      '(clock.budgetSeconds * share) / 100',
      '(clock.budgetSeconds * (100 - share)) / 100',
    ],
    ['a warning comes with the breach', 'at >= due', 'at > due'],
    ['of several shares the smallest is told', 'if (at !== null && reached !== at) break;', 'if (at !== null) break;'],
    ['the ladder counts from the start', 'clock.budgetSeconds + overdueSeconds', 'overdueSeconds'],
    ['the ladder skips a step', 'rungsTaken: clock.rungsTaken + 1', 'rungsTaken: clock.rungsTaken + 2'],
    [
      'a breach is no change',
      'breach(clockOf(ticket, name))), version: ticket.version + 1',
      'breach(clockOf(ticket, name))), version: ticket.version',
      'ticket.prop',
    ],
    [
      'the later deed comes first',
      'return isBefore(resolve, assign) ? resolve : assign;',
      'return isBefore(assign, resolve) ? resolve : assign;',
      'ticket.prop',
    ],
    [
      'the clocks of a suspended ticket break',
      'if (ticket.suspension) return expiry',
      'if (ticket.suspension && ticket.suspension.until < 0) return expiry',
      'ticket.prop',
    ],

    [
      'the end of a suspension is no change',
      'const changed = { ...after, version: ticket.version + 1 };',
      'const changed = after;',
      'ticket.prop',
    ],
  ]),
  ...slips('steps.ts', 'update.spec', [
    [
      'an assignment leaves the clock running',
      'assigneeId: personId, assignClock: stop(ticket.assignClock, policy.calendar, now)',
      'assigneeId: personId',
    ],
    [
      'unassigned in a suspension, the clock runs',
      'frozen ? freeze(ticket.assignClock) :',
      'frozen ? resume(ticket.assignClock, now) :',
    ],
    [
      'closing leaves the assign promise open',
      '    suspension: null,\n    assignClock: stop(ticket.assignClock, policy.calendar, now),',
      '    suspension: null,',
    ],
    ['closing leaves the suspension', '    resolutionType,\n    suspension: null,', '    resolutionType,'],
    [
      'reopening takes up a kept assign promise',
      'ticket.assigneeId === null ? resume(ticket.assignClock, now) : ticket.assignClock',
      'resume(ticket.assignClock, now)',
    ],
    ['reopening keeps the resolution type', '    closedAt: null,\n    resolutionType: null,', '    closedAt: null,'],
    [
      'a suspension leaves the assign clock running',
      '    assignClock: pause(ticket.assignClock, policy.calendar, now),\n',
      '',
    ],
    [
      'a suspension leaves the resolve clock running',
      '    resolveClock: pause(ticket.resolveClock, policy.calendar, now),\n',
      '',
    ],
    [
      'resuming revives a stopped assign clock',
      'isAlive(ticket.assignClock) ? resume(ticket.assignClock, now) : ticket.assignClock',
      'resume(ticket.assignClock, now)',
    ],
    ["work that goes on is nobody's", "ticket.assigneeId === null ? 'open' : 'in_progress'", "'open'", 'sla-examples'],
    [
      'more urgent is less urgent',
      'PRIORITIES.indexOf(priority) <= PRIORITIES.indexOf(ticket.priority)',
      'PRIORITIES.indexOf(priority) >= PRIORITIES.indexOf(ticket.priority)',
    ],
    [
      'the gain has the wrong sign',
      'return remaining(resolveClock, policy.calendar, now) - retroactive;',
      'return retroactive - remaining(resolveClock, policy.calendar, now);',
      'sla-examples',
    ],
    ['a stopped clock gains', 'if (!isAlive(ticket.resolveClock)) return 0;', '', 'update.spec'],
    [
      "the assign clock gets the resolve clock's target",
      'newSeconds: after.assignSeconds',
      'newSeconds: after.resolveSeconds',
    ],

    [
      'nobody has it and the assign promise stays kept',
      'assignClock: frozen ? freeze(ticket.assignClock) : resume(ticket.assignClock, now) };',
      'assignClock: ticket.assignClock };',
    ],
    [
      "the resolve clock gets the assign clock's target",
      'newSeconds: after.resolveSeconds',
      'newSeconds: after.assignSeconds',
      'sla-transitions',
    ],
    [
      'a ticket is unassigned and its clock waits for the closing',
      "if (ticket.status === 'closed') return unassigned;",
      '',
      'sla-transitions',
    ],
  ]),
  ...slips('update.ts', 'update.spec', [
    [
      'the new priority comes before the closing',
      '  ticket = closeOrReopen(ticket, change, policy, now, people);\n  ticket = reprioritise(ticket, change, policy, now);',
      '  ticket = reprioritise(ticket, change, policy, now);\n  ticket = closeOrReopen(ticket, change, policy, now, people);',
    ],
    [
      'the new priority touches a clock that the assignment answers',
      'let ticket = changeAssignee(settled, change, policy, now);',
      'let ticket = changeAssignee(reprioritise(settled, change, policy, now), change, policy, now);',
    ],
    [
      'open does not end work in progress',
      "return status === 'open' || status === 'in_progress' ? { ...ticket, status } : ticket;",
      "return status === 'in_progress' ? { ...ticket, status } : ticket;",
    ],
    [
      'work in progress may be nobody’s',
      "return status === 'in_progress' ? assign(ticket, actor.id, policy, now) : { ...ticket, status: 'open' };",
      'return ticket;',
    ],
    [
      'a new end counts from the old one',
      'unnamedUntil : now + change.suspendedSeconds',
      'unnamedUntil : (present?.until ?? now) + change.suspendedSeconds',
    ],
    [
      'a reopened ticket is of somebody who has left',
      'const assignable = isActive(ticket.assigneeId, people) ? ticket : { ...ticket, assigneeId: null };',
      'const assignable = ticket;',
    ],
    [
      'a change of nothing is a change',
      'ticket: changed ? { ...updated, version: settled.version + 1 } : settled',
      'ticket: { ...updated, version: settled.version + 1 }',
      'ticket.prop',
    ],
    [
      'another cause keeps the announced resolution',
      "closeResolutionType: cause === 'pending_closed' ? announced : null",
      'closeResolutionType: announced',
    ],

    [
      'what time did is judged after the change',
      'const { ticket: settled, settlements } = settle(ticket, policy, now, people);',
      'const { ticket: settled, settlements } = settle(ticket, policy, -1, people);',
    ],
    [
      'every cause waits as long as for a customer',
      'policy.defaultSuspensionSeconds[cause]',
      'policy.defaultSuspensionSeconds.pending_customer',
      'sla-transitions',
    ],
    [
      'the type of a closed ticket cannot be corrected',
      'resolutionType: resolutionType ?? ticket.resolutionType }',
      'resolutionType: ticket.resolutionType }',
      'sla-transitions',
    ],
    [
      'another cause begins a new suspension',
      'const unnamedUntil = present?.until ?? now',
      'const unnamedUntil = now',
      'sla-transitions',
    ],
    [
      'the actor is told of his own change',
      'toldOfChanges(settled, updated, changes, people, actor.id)',
      'toldOfChanges(settled, updated, changes, people, null)',
      'sla-examples',
    ],
  ]),
  ...slips('validate.ts', 'update.spec', [
    [
      'ninety days are too long',
      'suspendedSeconds > policy.maxSuspensionSeconds',
      'suspendedSeconds >= policy.maxSuspensionSeconds',
    ],
    ['no time at all will do', '!(suspendedSeconds > 0)', 'suspendedSeconds < 0'],
    [
      'closing needs no type',
      'return refuse(closing, ',
      'return refuse(closing && status !== statusAfter(ticket, change), ',
    ],
    ['an invisible comment will do', '/^[\\s\\p{Cf}\\p{Cc}]*$/u', '/^$/u'],
    [
      'a version from the future will do',
      'change.expectedVersion !== ticket.version',
      'change.expectedVersion < ticket.version',
    ],
    ['a closed ticket is reassigned', '      staysClosed && reassigned,', '      false,'],
    [
      'a customer is in charge',
      "if (person.kind !== 'employee') {",
      "if (person.kind === 'employee' && !person.active) {",
    ],
    ['who is not active may change', "actor.kind !== 'employee' || !actor.active,", "actor.kind !== 'employee',"],
    ['a forecast of the present second', 'resolutionEta <= now', 'resolutionEta < now'],

    [
      'a closed ticket gets another priority',
      'refuse(staysClosed && reprioritised,',
      'refuse(false,',
      'sla-transitions',
    ],
    [
      'a closed ticket is suspended',
      "      ticket.status === 'closed' && status === 'suspended',",
      '      false,',
      'sla-transitions',
    ],
    [
      'it closes by itself without a type',
      "cause === 'pending_closed' && announced === undefined",
      'false && announced === undefined',
      'sla-transitions',
    ],
    [
      'the present cause has to be said again',
      'const cause = suspensionCause ?? ticket.suspension?.cause;',
      'const cause = suspensionCause;',
      'sla-transitions',
    ],
    [
      'only the first contradiction is listed',
      'if (refusals.length > 0) return { refusals };',
      'if (refusals.length > 0) return { refusals: refusals.slice(0, 1) };',
      'sla-transitions',
    ],
    [
      'who has left is in charge',
      "refuse(!person.active, 'assignee_inactive'",
      "refuse(false, 'assignee_inactive'",
      'sla-transitions',
    ],
    ['parts of a second are rounded up', 'Math.trunc(change.suspendedSeconds)', 'Math.ceil(change.suspendedSeconds)'],
    [
      'an open ticket has a time of suspension',
      "      change.suspendedSeconds !== undefined,\n      'suspended_time_without_suspension',",
      "      false,\n      'suspended_time_without_suspension',",
      'sla-transitions',
    ],
  ]),
  ...slips('message.ts', 'message.spec', [
    [
      'the last second of the reopen window is over',
      'now - ticket.closedAt <= policy.reopenWindowSeconds',
      'now - ticket.closedAt < policy.reopenWindowSeconds',
    ],
    ['an absence notice wakes the ticket', 'if (message.automatic || message.visibility', 'if (message.visibility'],
    [
      'an internal note answers the customer',
      "if (message.automatic || message.visibility === 'internal')",
      'if (message.automatic)',
    ],
    ['an objection does not stop the closing', " || suspension?.cause === 'pending_closed'", ''],
    ['an answer takes a closed ticket', " && ticket.status !== 'closed' && isActiveEmployee", ' && isActiveEmployee'],

    [
      'a change is waited for until the customer writes',
      "return suspension?.cause === 'pending_customer'",
      "return suspension?.cause === 'pending_customer' || suspension?.cause === 'pending_change'",
    ],
    [
      'a message is no change',
      'ticket: { ...after, version: settled.version + 1 },\n    settlements,\n    changed: true,\n    changes,',
      'ticket: after,\n    settlements,\n    changed: true,\n    changes,',
      'ticket.prop',
    ],
    [
      'a message wakes a ticket that has woken by itself',
      '  const { ticket: settled, settlements } = settle(ticket, policy, now, people);\n  const effect =',
      '  const { ticket: settled, settlements } = settle(ticket, policy, -1, people);\n  const effect =',
    ],
  ]),
  ...slips('told.ts', 'told.spec', [
    ['the actor is told', 'const done = new Set([actor]);', 'const done = new Set<Actor>();'],
    ['who has left is told', 'people(told.personId)?.active === true', 'told.personId !== null'],
    ['the former assignee is not told', '...(reassigned ? formerAssignee(before) : []), ', ''],
    [
      'a breach does not reach the lead',
      'eachOnce([...assignee(ticket), lead], ticket, people, null)',
      'eachOnce([...assignee(ticket)], ticket, people, null)',
    ],
    [
      'an internal note reaches the reporter',
      "if (message.visibility === 'internal') return eachOnce(assignee(ticket), ticket, people, author);",
      '',
    ],
    ['absence notices answer each other', 'if (message.automatic) return [];', ''],

    ['one person is told twice', '    done.add(who);\n', ''],
    ['nobody is warned when the assignee has left', 'return told.length > 0 ? told : [lead];', 'return told;'],
    [
      'of a ticket that closed by itself the reporter does not hear',
      "if (after.status === 'closed') return eachOnce([...assignee(after), reporter], after, people, null);",
      '',
    ],
    ['a change of nothing is told', 'if (changes.length === 0) return [];', '', 'sla-transitions'],
  ]),
  ...slips('view.ts', 'view.spec', [
    [
      'a suspended ticket is expected as if it ran',
      'add(policy.calendar, suspension.until, left)',
      'add(policy.calendar, now, left)',
      'sla-examples',
    ],
    ['a forecast is shown for ever', 'estimate && estimate.at > now && ', 'estimate && '],
    [
      'a ticket to be closed is expected by its clock',
      "if (suspension?.cause === 'pending_closed') return suspension.until;",
      '',
      'sla-examples',
    ],
    [
      'a mended promise stays overdue',
      'isAlive(clock) && clock.breached',
      'isAlive(clock) && clock.everBreached',
      'ticket.prop',
    ],
    [
      'the view is of the row, not of now',
      'const settled = settle(ticket, policy, now, () => undefined).ticket;',
      'const settled = settle(ticket, policy, -1, () => undefined).ticket;',
    ],

    [
      'a closed ticket is still counted',
      'return isAlive(clock) ? remaining(clock, policy.calendar, now) : null;',
      'return remaining(clock, policy.calendar, now);',
      'sla-examples',
    ],
    ['a closed ticket was expected never', '  if (closedAt !== null) return closedAt;\n', '', 'sla-examples'],
  ]),
  ...slips('fixes.ts', 'update.spec', [
    ['a named end of a suspension counts as defaulted', ' && named.suspendedSeconds === undefined,', ','],
    ['a named open counts as a fix', ' && named.status === undefined,', ','],

    [
      'a named assignee counts as a fix',
      'const assigneeFixed = named.assignee === undefined && ',
      'const assigneeFixed = ',
      'sla-transitions',
    ],
    [
      'an assignment counts as a fix of the clock',
      "before.assignClock.state === 'stopped' && after.assignClock.state !== 'stopped'",
      'before.assignClock.state !== after.assignClock.state',
      'sla-transitions',
    ],
    [
      'every reopening clears an assignee who has left',
      'reopened && assigneeFixed && !isActive(before.assigneeId, people)',
      'reopened',
    ],
  ]),
  ...slips('hours.ts', 'calendar.prop', [
    ['the week begins a day late', '((day % 7) + 7) % 7', '((day % 7) + 8) % 7'],
    [
      'the end of the day is its beginning',
      'return hours * 3600 + minutes * 60;',
      'return (hours % 24) * 3600 + minutes * 60;',
    ],
    ['holidays are ignored', 'return hours.exceptions.get(day) ?? ', 'return '],
    ['east is west', 'const midnight = day * DAY - period.offset;', 'const midnight = day * DAY + period.offset;'],
    ['minutes are ignored', 'return hours * 3600 + minutes * 60;', 'return hours * 3600;'],
    [
      'a year is never carried over',
      'for (let index = blockIndex(a); index < last; index += 1) sum += blockAt(hours, index).total;',
      '',
    ],
    [
      'the closing second is open',
      'return Math.min((block.before[opening] ?? 0) + opened,',
      'return Math.max((block.before[opening] ?? 0) + opened,',
    ],

    ['a promise is due at the next opening', '(before) => before < place', '(before) => before <= place'],
    [
      'overlapping hours count twice',
      'if (last && span.open <= last.close) last.close = Math.max(last.close, span.close);\n    else joined.push(span);',
      'joined.push(span);',
      'calendar.spec',
    ],
  ]),
  ...slips('zone.ts', 'calendar.prop', [
    ['clocks never change', "here = here.getTimeZoneTransition('next');", 'here = null;'],
    [
      'offsets are whole hours',
      'const offset = here.offsetNanoseconds / 1e9;',
      'const offset = Math.trunc(here.offsetNanoseconds / 3.6e12) * 3600;',
    ],
  ]),
  ...slips('calendar.ts', 'calendar.prop', [
    ['time that goes back goes forth', ': -openSeconds(calendar, b, a)', ': openSeconds(calendar, b, a)'],
    ['counting back counts forth', 'instantAfter(calendar, until, -seconds)', 'instantAfter(calendar, until, seconds)'],
  ]),
  ...slips('terms.ts', 'terms.spec', [
    [
      'what was consumed is counted by the new calendar',
      'changeTerms(ticket.resolveClock, from.calendar',
      'changeTerms(ticket.resolveClock, to.calendar',
    ],
    ['a ticket forgets which version it runs on', '    policyVersion: to.version,\n', ''],
    [
      'the old terms do not act before they end',
      'const { ticket: settled, settlements } = settle(ticket, from, now, people);',
      'const { ticket: settled, settlements } = settle(ticket, from, -1, people);',
    ],
  ]),
  ...slips('history.ts', 'history.prop', [
    ["time's deeds are replayed as changes", '    if (entry.settled) continue;\n', ''],
    [
      'time does nothing between entries',
      'settle(ticket, policies(ticket.policyVersion), entry.at, nobody).ticket',
      'ticket',
    ],
    [
      'time does nothing after the last entry',
      'settle(ticket, policies(ticket.policyVersion), until, nobody).ticket',
      'ticket',
    ],
    ['what was said is no change', 'version: before.version + 1', 'version: before.version'],
    ['a repaired assignee comes before what was asked for', '!repaired', 'true'],
  ]),
  ...slips('ledger.ts', 'ledger', [
    ['what falls due at the instant of the look is not known', 'timer <= until;', 'timer < until;'],
    ['a new priority begins no segment', 'one.priority === other.priority && ', ''],
    ['a new version of the policy begins no segment', ' && one.policyVersion === other.policyVersion', ''],
    ['segments without length are booked', '!joins && moment.at > stretch.from', '!joins'],
    [
      'a paused clock counts',
      "const countedSeconds = state === 'running' ? ",
      "const countedSeconds = state !== 'stopped' ? ",
    ],
    ['time does nothing before the next entry', 'steps[index + 1]?.entry.at ?? now', 'entry.at'],
    ['a breach is stamped when it was noticed', 'fact(told, { at: deedAt, ', 'fact(told, { at: at + 1, '],
    ['what the calendar closed is not summed up', 'to - from - countedSeconds', '0'],
    ['a promise that was capped is called a new one', "capped ? 'capped' : 'reset'", "'reset'"],
  ]),
  ...slips('update.ts', 'update.spec', [
    [
      'the same forecast again has a new reason',
      'resolutionEta === undefined || resolutionEta === (ticket.estimate?.at ?? null)',
      'resolutionEta === undefined',
    ],
  ]),
  ...slips('create.ts', 'sla-examples', [
    [
      'who creates a ticket for somebody leaves its clock running',
      'assignClock: assigneeId === null ? assignClock : stop(assignClock, policy.calendar, now)',
      'assignClock',
    ],
    [
      "the assign clock starts with the resolve clock's target",
      'start(assignSeconds, now)',
      'start(resolveSeconds, now)',
    ],
  ]),
  ...slips('check-calendar.ts', 'calendar.spec', [
    ['an empty week will do', 'weekly.some(([, intervals]) => intervals.length > 0) ? []', 'weekly.length > 0 ? []'],
    ['the day does not end at midnight', "(isTime(close) || close === '24:00')", 'isTime(close)'],
    ['hours that end before they begin will do', ' && wallSeconds(open) < wallSeconds(close);', ';'],
  ]),
  ...slips('policy.ts', 'sla-transitions', [
    ['a third party is waited for as for a customer', 'pending_third_party: 5 * DAY', 'pending_third_party: 3 * DAY'],
    [
      'medium is high',
      'medium: { assignSeconds: 4 * HOUR, resolveSeconds: 24 * HOUR }',
      'medium: { assignSeconds: HOUR, resolveSeconds: 8 * HOUR }',
    ],
  ]),
  ...slips('relations.ts', 'relations.spec', [
    [
      'a ticket has two parents',
      "link.type === 'child_of' && known.some",
      "link.type === 'duplicate_of' && known.some",
    ],
    [
      'parents go round in a circle',
      'if (leadsTo(link.to, link.from, known)) {',
      'if (leadsTo(link.from, link.to, known)) {',
    ],
    ['only the next parent is looked at', 'if (from === one) reached.add(to);', 'if (from === start) reached.add(to);'],
    [
      'strangers are of one organisation',
      'if (one.organisationId !== null || other.organisationId !== null) return',
      'return',
    ],
    [
      'the time of a merge counts for the suspension',
      'until: now + suspension.until - before.at',
      'until: suspension.until',
    ],
  ]),
];
