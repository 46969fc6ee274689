import { randomUUID } from 'node:crypto';
import { RxStomp } from '@stomp/rx-stomp';
import { firstValueFrom } from 'rxjs';
import { run, versionOf } from '../node.mjs';
import { Socket } from '../socket.mjs';

const [url] = process.argv.slice(2);

const connect = async ({ heartBeat }) => {
  let socket;
  const stomp = new RxStomp();
  stomp.configure({
    webSocketFactory: () => (socket = new Socket(url, ['v12.stomp', 'v11.stomp', 'v10.stomp'])),
    connectHeaders: { login: 'guest', passcode: 'guest' },
    heartbeatIncoming: heartBeat,
    heartbeatOutgoing: heartBeat,
    reconnectDelay: 0,
  });
  const lost = Promise.race([
    firstValueFrom(stomp.stompErrors$).then((frame) => frame.headers.message),
    firstValueFrom(stomp.webSocketErrors$).then(() => 'WebSocket error'),
  ]);
  const connected = firstValueFrom(stomp.connected$);
  stomp.activate();
  await Promise.race([connected, lost.then((why) => Promise.reject(new Error(why)))]);
  const publish = (destination, body, headers) =>
    stomp.publish({ destination, headers, ...(typeof body === 'string' ? { body } : { binaryBody: body }) });
  return {
    lost,
    beats: () => socket.beats,
    send: publish,
    subscribe: (destination, onMessage, headers) =>
      stomp.watch({ destination, subHeaders: headers }).subscribe((message) =>
        onMessage({
          headers: message.headers,
          kind: socket.kind,
          get text() {
            return message.body;
          },
          bytes: message.binaryBody,
          ack: (transaction) => message.ack(transaction ? { transaction } : {}),
          nack: () => message.nack(),
        }),
      ),
    receipt: (id) => stomp.asyncReceipt(id),
    begin: () => {
      const transaction = stomp.stompClient.begin(randomUUID());
      return {
        id: transaction.id,
        send: (destination, body) => publish(destination, body, { transaction: transaction.id }),
        commit: () => transaction.commit(),
        abort: () => transaction.abort(),
      };
    },
    close: () => stomp.deactivate(),
  };
};

await run({ client: '@stomp/rx-stomp', version: versionOf('@stomp/rx-stomp'), transport: 'websocket', connect });
