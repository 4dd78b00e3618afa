/** The cheapest possible REST door: Fastify asks over NATS and passes the answer on. Yardstick of tools/bench/api. */
import fastify from 'fastify';
import { connect } from '@nats-io/transport-node';
import { natsOptions } from './nats-options.ts';

const nats = await connect(natsOptions());
const app = fastify();
app.get('/tickets/:id', async (request, reply) => {
  const answer = await nats.request('floor.get', JSON.stringify(request.params), { timeout: 5_000 });
  return reply.type('application/json').send(answer.string());
});
await app.listen({ host: '127.0.0.1', port: Number(process.env['HTTP_PORT']) });
