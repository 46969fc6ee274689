import stompit from 'stompit';
import { run, versionOf } from '../node.mjs';

const { hostname, port } = new URL(process.argv[2]);

const whole = (message) =>
  new Promise((resolve, reject) => {
    const parts = [];
    message.on('data', (part) => parts.push(part));
    message.on('error', reject);
    message.on('end', () => resolve(Buffer.concat(parts)));
  });

const connect = ({ heartBeat }) =>
  new Promise((resolve, reject) => {
    const connectHeaders = { login: 'guest', passcode: 'guest', 'heart-beat': `${heartBeat},${heartBeat}` };
    stompit.connect({ host: hostname, port: Number(port), connectHeaders }, (failure, client) => {
      if (failure) return reject(failure);
      const lost = new Promise((gone) => client.on('error', (error) => gone(error.message)));
      const receipts = new Map();
      const publish = (target, destination, body, { receipt, ...headers } = {}) => {
        const bytes = Buffer.from(body);
        const options = receipt && { onReceipt: receipts.get(receipt) };
        const frame = target.send({ destination, 'content-length': bytes.length, ...headers }, options);
        frame.end(bytes);
      };
      resolve({
        lost,
        send: (destination, body, headers) => publish(client, destination, body, headers),
        subscribe: (destination, onMessage, headers) =>
          client.subscribe({ destination, ...headers }, async (error, message) => {
            if (error) return;
            const bytes = await whole(message);
            onMessage({
              headers: message.headers,
              bytes,
              text: bytes.toString(),
              ack: (transaction) => client.ack(message, transaction ? { transaction } : {}),
              nack: () => client.nack(message),
            });
          }),
        receipt: (id) => new Promise((came) => receipts.set(id, came)),
        begin: () => {
          const transaction = client.begin();
          return {
            id: transaction.id,
            send: (destination, body) => publish(transaction, destination, body),
            commit: () => transaction.commit(),
            abort: () => transaction.abort(),
          };
        },
        close: () => new Promise((done) => client.disconnect(done)),
      });
    });
  });

await run({ client: 'stompit', version: versionOf('stompit'), transport: 'tcp', connect });
