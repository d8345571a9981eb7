// Sends with node-dogstatsd, the way an application would, and ends.
// usage: node node_dogstatsd_client.js HOST PORT
'use strict';

const { StatsD } = require('node-dogstatsd');

const client = new StatsD(process.argv[2], Number(process.argv[3]));

for (let i = 0; i < 10; i++) client.increment('app.orders');
client.gauge('app.queue', 43.25);
for (const ms of [1, 10, 4, 5, 2, 2]) client.timing('app.latency', ms);
for (const user of ['ann', 'bob', 'ann']) client.set('app.users', user);

// It has no way to tell when all is sent: its socket is closed once the kernel took the last one.
setTimeout(() => client.close(), 200);
