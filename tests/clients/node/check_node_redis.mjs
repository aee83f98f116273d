// node-redis against a running server, in RESP3: node check_node_redis.mjs PORT. Any wrong answer throws.
import assert from 'node:assert/strict';
import { createClient, RESP_TYPES } from 'redis';

const client = createClient({ url: `redis://127.0.0.1:${process.argv[2]}/4`, RESP: 3, name: 'check-node-redis',
  socket: { reconnectStrategy: false } });
client.on('error', (error) => { throw error; });
await client.connect();  // HELLO 3 SETNAME, SELECT, CLIENT SETINFO
await client.flushDb();

assert.equal(await client.set('plain', 'value'), 'OK');
assert.equal(await client.get('plain'), 'value');
assert.equal(await client.get('missing'), null);
const buffers = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
const binary = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
await client.set('binary', binary);
assert.deepEqual(await buffers.get('binary'), binary);
assert.equal(await client.clientGetName(), 'check-node-redis');
assert.equal((await client.hello(3)).proto, 3);  // a RESP3 map arrives as an object

assert.deepEqual(await client.multi().set('a', '1').incrBy('a', 41).get('a').exec(), ['OK', 42, '42']);
await assert.rejects(client.incr('plain'), /not an integer/);

await Promise.all(Array.from({ length: 1000 }, (_, i) => client.set(`scan:${i}`, `${i}`)));  // pipelined by the client
const seen = new Set();
for await (const keys of client.scanIterator({ MATCH: 'scan:*', COUNT: 100 })) for (const key of keys) seen.add(key);
assert.equal(seen.size, 1000);
assert.deepEqual(await client.mGet(['scan:1', 'none', 'scan:999']), ['1', null, '999']);

await client.set('short', 'life', { expiration: { type: 'PX', value: 20 } });
while (await client.get('short') !== null);  // ends when the server's clock says so; else by the runner's time limit
assert.equal(await client.expire('a', 100), 1);
assert.equal(await client.ttl('a'), 100);
assert.equal(await client.persist('a'), 1);

const watcher = client.duplicate();
await watcher.connect();
await watcher.watch('a');
await client.set('a', 'changed');
await assert.rejects(watcher.multi().set('a', 'lost').exec(), /[Ww]atch/);
assert.equal(await client.get('a'), 'changed');
watcher.destroy();

const listener = client.duplicate();  // RESP3: messages and replies share the connection
await listener.connect();
const message = new Promise((resolve) => { listener.subscribe('news', (text, channel) => resolve([channel, text]))
  .then(() => client.publish('news', 'hello')); });
assert.deepEqual(await message, ['news', 'hello']);
assert.equal(await listener.ping(), 'PONG');
await listener.unsubscribe('news');
assert.equal(await client.publish('news', 'nobody'), 0);
listener.destroy();

assert.equal(await client.del(['a', 'plain', 'none']), 2);
await client.flushDb();
assert.equal(await client.dbSize(), 0);
await client.close();
