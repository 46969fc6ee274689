import { randomUUID } from 'node:crypto';
import { Client } from '@stomp/stompjs';
import { run, versionOf } from '../checks.mjs';
import { Socket } from '../socket.mjs';

const [url] = process.argv.slice(2);

const connect = ({ heartBeat }) =>
  new Promise((resolve, reject) => {
    let socket;
    let lose;
    const lost = new Promise((gone) => {
      lose = gone;
    });
    const client = new Client({
      webSocketFactory: () => (socket = new Socket(url, ['v12.stomp', 'v11.stomp', 'v10.stomp'])),
      connectHeaders: { login: 'guest', passcode: 'guest' },
      heartbeatIncoming: heartBeat,
      heartbeatOutgoing: heartBeat,
      reconnectDelay: 0,
      onConnect: () => resolve(session),
      onStompError: (frame) => {
        reject(new Error(frame.headers.message));
        lose(frame.headers.message);
      },
      onWebSocketClose: () => lose(),
    });
    const publish = (destination, body, headers) =>
      client.publish({ destination, headers, ...(typeof body === 'string' ? { body } : { binaryBody: body }) });
    const session = {
      lost,
      beats: () => socket.beats,
      send: publish,
      subscribe: (destination, onMessage, headers) =>
        client.subscribe(
          destination,
          (message) =>
            onMessage({
              headers: message.headers,
              kind: socket.kind,
              get text() {
                return message.body;
              },
              bytes: message.binaryBody,
              ack: () => message.ack(),
              nack: () => message.nack(),
            }),
          headers,
        ),
      receipt: (id) => new Promise((came) => client.watchForReceipt(id, came)),
      begin: () => {
        const transaction = client.begin(randomUUID());
        return {
          send: (destination, body) => publish(destination, body, { transaction: transaction.id }),
          commit: () => transaction.commit(),
          abort: () => transaction.abort(),
        };
      },
      close: () => client.deactivate(),
    };
    client.activate();
  });

await run({ client: '@stomp/stompjs', version: versionOf('@stomp/stompjs'), transport: 'websocket', connect });
