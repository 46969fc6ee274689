// The adapter for @stomp/stompjs, in Node.js and in browsers, over whatever socket it is given.

/** Makes `connect` from the class `Client` and `make`, which opens a socket; `beats` and `kind` tell of it. */
export const modern =
  ({ Client, make, beats = (socket) => socket.beats, kind = (socket) => socket.kind }) =>
  ({ heartBeat }) =>
    new Promise((resolve, reject) => {
      let socket;
      let lose;
      let end;
      const lost = new Promise((gone) => {
        lose = gone;
      });
      const ended = new Promise((gone) => {
        end = gone;
      });
      const client = new Client({
        webSocketFactory: () => (socket = make()),
        connectHeaders: { login: 'guest', passcode: 'guest' },
        heartbeatIncoming: heartBeat,
        heartbeatOutgoing: heartBeat,
        reconnectDelay: 0,
        onConnect: () => resolve(session),
        onStompError: (frame) => {
          reject(new Error(frame.headers.message));
          lose(frame.headers.message);
        },
        onWebSocketClose: ({ code, reason }) => {
          reject(new Error(`closed with ${code} ${reason}`));
          lose(`closed with ${code} ${reason}`);
          end([code, reason]);
        },
      });
      const publish = (destination, body, headers) =>
        client.publish({ destination, headers, ...(typeof body === 'string' ? { body } : { binaryBody: body }) });
      const session = {
        lost,
        ended,
        beats: () => beats(socket),
        send: publish,
        subscribe: (destination, onMessage, headers) =>
          client.subscribe(
            destination,
            (message) =>
              onMessage({
                headers: message.headers,
                kind: kind(socket),
                get text() {
                  return message.body;
                },
                bytes: message.binaryBody,
                ack: (transaction) => message.ack(transaction ? { transaction } : {}),
                nack: () => message.nack(),
              }),
            headers,
          ),
        receipt: (id) => new Promise((came) => client.watchForReceipt(id, came)),
        begin: () => {
          const transaction = client.begin(crypto.randomUUID());
          return {
            id: transaction.id,
            send: (destination, body) => publish(destination, body, { transaction: transaction.id }),
            commit: () => transaction.commit(),
            abort: () => transaction.abort(),
          };
        },
        close: () => client.deactivate(),
      };
      client.activate();
    });
