/** The mailboxes as figures, the same in every instance. */
import { Gauge } from 'prom-client';
import type { MailboxRow } from './mailbox.rows.js';

const state = new Gauge({
  name: 'mailbox_state',
  help: '1 for the state a mailbox is in',
  labelNames: ['mailbox', 'state'],
});
const success = new Gauge({
  name: 'mailbox_last_success_timestamp_seconds',
  help: 'When a mailbox was last looked through without an error',
  labelNames: ['mailbox'],
});
const silent = new Gauge({
  name: 'mailbox_silent',
  help: '1 when a mailbox could not be looked through for too long',
  labelNames: ['mailbox'],
});
const unfetched = new Gauge({
  name: 'mailbox_unfetched',
  help: 'Mails on the server that were not stored yet when it was last looked at',
  labelNames: ['mailbox'],
});

export function showMailboxes(mailboxes: MailboxRow[]): void {
  for (const gauge of [state, success, silent, unfetched]) gauge.reset();
  for (const row of mailboxes) {
    const mailbox = row.address;
    state.set({ mailbox, state: row.paused ? 'paused' : row.state }, 1);
    if (row.lastScanAt !== null) success.set({ mailbox }, Date.parse(row.lastScanAt) / 1_000);
    silent.set({ mailbox }, row.silentSince === null ? 0 : 1);
    unfetched.set({ mailbox }, row.unfetched);
  }
}
