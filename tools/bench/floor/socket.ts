/** The cheapest door there can be, for comparison: Fastify and NATS without a framework, nothing checked. */
import { connect } from '@nats-io/transport-node';
import fastify from 'fastify';

const url = new URL(process.env['NATS_URL']!);
const nats = await connect({
  servers: url.host,
  user: decodeURIComponent(url.username),
  pass: decodeURIComponent(url.password),
});
const answer = process.env['FLOOR_ANSWER']!;
if (process.env['HTTP_PORT'] === undefined) {
  nats.subscribe('floor.socket', { callback: (_error, message) => void message.respond(answer) });
  await nats.flush();
} else {
  const app = fastify();
  app.get('/tickets/:id', async (request, reply) => {
    const message = await nats.request('floor.socket', JSON.stringify(request.params), { timeout: 5_000 });
    return reply.type('application/json').send(message.string());
  });
  await app.listen({ host: '127.0.0.1', port: Number(process.env['HTTP_PORT']) });
}
process.send?.('ready');
