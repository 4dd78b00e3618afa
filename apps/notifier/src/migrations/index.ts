import { Initial } from './0001-initial.js';
import { Bounces } from './0002-bounces.js';

export const migrations = [
  { name: '0001-initial', class: Initial },
  { name: '0002-bounces', class: Bounces },
];
