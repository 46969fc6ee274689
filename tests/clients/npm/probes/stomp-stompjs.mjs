import { Client } from '@stomp/stompjs';
import { modern } from '../modern.mjs';
import { run, versionOf } from '../node.mjs';
import { Socket } from '../socket.mjs';

const [url] = process.argv.slice(2);

const connect = modern({ Client, make: () => new Socket(url, ['v12.stomp', 'v11.stomp', 'v10.stomp']) });

await run({ client: '@stomp/stompjs', version: versionOf('@stomp/stompjs'), transport: 'websocket', connect });
