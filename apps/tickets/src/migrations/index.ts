import { Initial } from './0001-initial.js';
import { PoliciesAndHistory } from './0002-policies-and-history.js';
import { Infrastructures } from './0003-infrastructures.js';
import { Links } from './0004-links.js';
import { Search } from './0005-search.js';
import { PolicyMoves } from './0006-policy-moves.js';
import { Participants } from './0007-participants.js';
import { Trust } from './0009-trust.js';
import { RebuiltMessages } from './0011-rebuilt-messages.js';
import { SearchPlans } from './0012-search-plans.js';

export const migrations = [
  { name: '0001-initial', class: Initial },
  { name: '0002-policies-and-history', class: PoliciesAndHistory },
  { name: '0003-infrastructures', class: Infrastructures },
  { name: '0004-links', class: Links },
  { name: '0005-search', class: Search },
  { name: '0006-policy-moves', class: PolicyMoves },
  { name: '0007-participants', class: Participants },
  { name: '0009-trust', class: Trust },
  { name: '0011-rebuilt-messages', class: RebuiltMessages },
  { name: '0012-search-plans', class: SearchPlans },
];
