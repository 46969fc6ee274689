// The adapter for clients with the interface of the first STOMP client for browsers: callbacks, and bodies that are strings.

import { randomUUID } from 'node:crypto';
import { Unsupported } from './checks.mjs';

/** Makes `connect` from `make`, which gives `{client, socket}`, and `send(client, destination, body, headers)`. */
export const classic =
  ({ make, send }) =>
  ({ heartBeat }) =>
    new Promise((resolve, reject) => {
      const { client, socket } = make({ outgoing: heartBeat, incoming: heartBeat });
      let lose;
      const lost = new Promise((gone) => {
        lose = gone;
      });
      const closed = new Promise((gone) => socket.once('close', gone));
      const receipts = new Map();
      client.onreceipt = (frame) => receipts.get(frame.headers['receipt-id'])();
      const publish = (destination, body, headers) => {
        if (typeof body !== 'string') throw new Unsupported('bodies are strings');
        send(client, destination, body, headers);
      };
      const session = {
        lost,
        beats: () => socket.beats,
        send: publish,
        subscribe: (destination, onMessage, headers) =>
          client.subscribe(
            destination,
            (frame) =>
              onMessage({
                headers: frame.headers,
                text: frame.body,
                ack: (transaction) => frame.ack(transaction ? { transaction } : {}),
                nack: () => frame.nack(),
              }),
            { ...headers },
          ),
        receipt: (id) => new Promise((came) => receipts.set(id, came)),
        begin: () => {
          const transaction = client.begin(`tx-${randomUUID()}`);
          return {
            id: transaction.id,
            send: (destination, body) => publish(destination, body, { transaction: transaction.id }),
            commit: () => transaction.commit(),
            abort: () => transaction.abort(),
          };
        },
        close: () => {
          client.disconnect(() => {});
          return closed;
        },
      };
      client.connect(
        { login: 'guest', passcode: 'guest' },
        () => resolve(session),
        (error) => {
          const why = error.headers?.message ?? error.reason ?? String(error);
          reject(new Error(why));
          lose(why);
        },
      );
    });
