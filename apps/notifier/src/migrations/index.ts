import { Initial } from './0001-initial.js';
import { Bounces } from './0002-bounces.js';
import { Suppression } from './0003-suppression.js';

export const migrations = [
  { name: '0001-initial', class: Initial },
  { name: '0002-bounces', class: Bounces },
  { name: '0003-suppression', class: Suppression },
];
