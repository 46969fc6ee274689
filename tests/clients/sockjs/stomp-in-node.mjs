// node stomp-in-node.mjs URL TRANSPORT is a probe.

import { Client } from '@stomp/stompjs';
import SockJS from 'sockjs-client';
import { run, versionOf } from '../npm/node.mjs';
import { Socket } from '../npm/socket.mjs';
import { overSockJs } from './stomp.mjs';

const [url, transport] = process.argv.slice(2);

await run({
  client: 'sockjs-client in Node.js',
  version: versionOf('sockjs-client', import.meta.url),
  transport,
  ...overSockJs({ Client, SockJS, WebSocket: Socket, url, transport }),
});
