import { Initial } from './0001-initial.js';
import { Bounces } from './0002-bounces.js';
import { AutomaticMail } from './0003-automatic-mail.js';
import { Webhooks } from './0004-webhooks.js';

export const migrations = [
  { name: '0001-initial', class: Initial },
  { name: '0002-bounces', class: Bounces },
  { name: '0003-automatic-mail', class: AutomaticMail },
  { name: '0004-webhooks', class: Webhooks },
];
