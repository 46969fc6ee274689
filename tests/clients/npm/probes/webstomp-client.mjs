import webstomp from 'webstomp-client';
import { classic } from '../classic.mjs';
import { run, versionOf } from '../node.mjs';
import { Socket } from '../socket.mjs';

const [url] = process.argv.slice(2);

const connect = classic({
  make: (heartbeat) => {
    const socket = new Socket(url, webstomp.VERSIONS.supportedProtocols());
    return { socket, client: webstomp.over(socket, { heartbeat, debug: false }) };
  },
  send: (client, destination, body, headers) => client.send(destination, body, headers),
});

await run({ client: 'webstomp-client', version: versionOf('webstomp-client'), transport: 'websocket', connect });
