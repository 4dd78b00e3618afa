import { Initial } from './0001-initial.js';
import { Mailboxes } from './0002-mailboxes.js';
import { Dispositions } from './0003-dispositions.js';
import { Floods } from './0004-floods.js';

export const migrations = [
  { name: '0001-initial', class: Initial },
  { name: '0002-mailboxes', class: Mailboxes },
  { name: '0003-dispositions', class: Dispositions },
  { name: '0004-floods', class: Floods },
];
