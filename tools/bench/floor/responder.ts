/** Answers every question with the same ticket. */
import { connect } from '@nats-io/transport-node';
import { natsOptions } from './nats-options.ts';

const answer = process.env['FLOOR_ANSWER'] ?? '{}';
const nats = await connect(natsOptions());
nats.subscribe('floor.get', {
  callback: (_error, message) => {
    message.json();
    message.respond(answer);
  },
});
await nats.flush();
process.send?.('ready');
