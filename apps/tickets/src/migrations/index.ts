import { Initial } from './0001-initial.js';
import { PoliciesAndHistory } from './0002-policies-and-history.js';
import { Search } from './0005-search.js';

export const migrations = [
  { name: '0001-initial', class: Initial },
  { name: '0002-policies-and-history', class: PoliciesAndHistory },
  { name: '0005-search', class: Search },
];
