// Sends one of each metric type with hot-shots, the way an application would, and ends.
// usage: node hot_shots_client.js HOST PORT
'use strict';

const { StatsD } = require('hot-shots');

const client = new StatsD({
  host: process.argv[2],
  port: Number(process.argv[3]),
  prefix: 'app.',
  globalTags: { service: 'shop' },
  maxBufferSize: 1400,
  errorHandler(error) {
    console.error(error);
    process.exit(1);
  },
});

for (let i = 0; i < 10; i++) client.increment('orders');
client.increment('orders', 5, ['region:eu']);
client.decrement('orders', 2, ['region:eu']);
client.gauge('queue', 42.5, { zone: 'a' });
client.gauge('queue', 43.25, { zone: 'a' });
for (const ms of [1, 10, 4, 5, 2, 2]) client.histogram('latency', ms);
client.timing('render', 12);
for (const v of [1, 1, 2]) client.distribution('size', v, ['kind:x']);
for (const user of ['ann', 'bob', 'ann']) client.set('users', user);
client.event('deployed', 'version 7\nby ann', { alert_type: 'success', priority: 'low' }, ['region:eu']);
client.check('db.up', client.CHECKS.CRITICAL, { hostname: 'db1', message: 'no answer' }, ['region:eu']);

client.close((error) => {
  if (error) {
    console.error(error);
    process.exit(1);
  }
});
