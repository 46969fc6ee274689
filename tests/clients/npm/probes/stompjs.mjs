import Stomp from 'stompjs';
import { classic } from '../classic.mjs';
import { run, versionOf } from '../node.mjs';
import { Socket } from '../socket.mjs';

const [url] = process.argv.slice(2);

const connect = classic({
  make: (heartbeat) => {
    const socket = new Socket(url, ['v10.stomp', 'v11.stomp']);
    const client = Stomp.over(socket);
    client.heartbeat = heartbeat;
    client.debug = null;
    return { socket, client };
  },
  send: (client, destination, body, headers) => client.send(destination, { ...headers }, body),
});

await run({ client: 'stompjs', version: versionOf('stompjs'), transport: 'websocket', connect });
