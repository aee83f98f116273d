// ioredis against a running server: node check_ioredis.mjs PORT. Any wrong answer throws and so fails the process.
import assert from 'node:assert/strict';
import Redis from 'ioredis';

const redis = new Redis({ host: '127.0.0.1', port: Number(process.argv[2]), db: 3, lazyConnect: true,
  connectionName: 'check-ioredis', retryStrategy: () => null });
await redis.connect();  // SELECT, CLIENT SETINFO and the INFO ready check happen here
await redis.flushdb();

assert.equal(await redis.set('plain', 'value'), 'OK');
assert.equal(await redis.get('plain'), 'value');
assert.equal(await redis.get('missing'), null);
const binary = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
await redis.set('binary', binary);
assert.deepEqual(await redis.getBuffer('binary'), binary);
assert.equal(await redis.client('GETNAME'), 'check-ioredis');

assert.deepEqual(await redis.multi().set('a', 1).incrby('a', 41).get('a').exec(), [[null, 'OK'], [null, 42], [null, '42']]);
await assert.rejects(redis.incr('plain'), /not an integer/);
const discarded = redis.multi().set('a', 'x');
discarded.discard();
assert.equal(await redis.get('a'), '42');

const pipeline = redis.pipeline();
for (let i = 0; i < 1000; ++i) pipeline.set(`scan:${i}`, i);
for (const [error, reply] of await pipeline.exec()) {
  assert.equal(error, null);
  assert.equal(reply, 'OK');
}
const seen = new Set();
for await (const keys of redis.scanStream({ match: 'scan:*', count: 100 })) for (const key of keys) seen.add(key);
assert.equal(seen.size, 1000);
assert.deepEqual(await redis.mget('scan:1', 'none', 'scan:999'), ['1', null, '999']);

await redis.set('short', 'life', 'PX', 20);
const ttl = await redis.pttl('short');
assert.ok(ttl >= 0 && ttl <= 20 || ttl === -2, `pttl ${ttl}`);
while (await redis.get('short') !== null);  // the server's clock decides; a key that never expires fails by the runner's time limit
assert.equal(await redis.expire('a', 100), 1);
assert.equal(await redis.ttl('a'), 100);
assert.equal(await redis.persist('a'), 1);

const watcher = redis.duplicate();
await watcher.watch('a');
await redis.set('a', 'changed');
assert.equal(await watcher.multi().set('a', 'lost').exec(), null);
assert.equal(await redis.get('a'), 'changed');
await watcher.quit();

assert.equal(await redis.unlink('a', 'plain', 'none'), 2);
await redis.flushdb();
assert.equal(await redis.dbsize(), 0);
await redis.quit();
