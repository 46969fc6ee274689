// What every client is asked to do, in Node.js and in browsers.
//
// A client is an adapter: `connect({heartBeat})` gives a session with `send`, `subscribe`, `receipt`, `begin`, `close`
// and `lost`, a promise that resolves when the connection ends by itself. What a client cannot do, its adapter throws
// as `Unsupported` with the reason.

const PATIENCE_MS = Number(globalThis.process?.env.PATIENCE_MS ?? 10_000);
const BEAT_MS = 300;
const MEGABYTE = 1024 * 1024;
export const NOT_UTF8 = Uint8Array.from({ length: 512 }, (_, at) => at & 255);

export class Unsupported extends Error {}

const randomUUID = () => crypto.randomUUID();

const delay = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export const within = (promise, what, lost = new Promise(() => {})) => {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come`)), PATIENCE_MS);
  });
  const gone = lost.then((why) => Promise.reject(new Error(`${what} did not come, the connection ended: ${why ?? ''}`)));
  return Promise.race([promise, late, gone]).finally(() => clearTimeout(timer));
};

export const same = (got, expected, what) => {
  if (JSON.stringify(got) !== JSON.stringify(expected)) {
    throw new Error(`${what}: ${JSON.stringify(got)} instead of ${JSON.stringify(expected)}`);
  }
};

/** What a subscription got, in order, and a way to wait for more. */
class Inbox {
  #messages = [];
  #waiting = [];
  #lost;

  constructor(lost) {
    this.#lost = lost;
  }

  put(message) {
    const next = this.#waiting.shift();
    next ? next(message) : this.#messages.push(message);
  }

  next() {
    const message = this.#messages.shift();
    return message ?? within(new Promise((resolve) => this.#waiting.push(resolve)), 'a message', this.#lost);
  }

  /** The next `count` messages. */
  async take(count) {
    const messages = [];
    while (messages.length < count) messages.push(await this.next());
    return messages;
  }
}

const texts = (messages) => messages.map((message) => message.text);

/** One connection under test, with what the checks have in common. */
class Talk {
  constructor(session) {
    this.session = session;
  }

  async subscribe(destination, headers = {}) {
    const inbox = new Inbox(this.session.lost);
    const subscription = this.session.subscribe(destination, (message) => inbox.put(message), headers);
    await this.flush();
    return { inbox, unsubscribe: () => subscription.unsubscribe() };
  }

  send(destination, body, headers = {}) {
    return this.session.send(destination, body, headers);
  }

  /** All that was sent before has been handled: a SEND of its own, with a receipt. */
  async flush() {
    const id = `r-${randomUUID()}`;
    const came = this.session.receipt(id);
    this.send(`/topic/flush-${id}`, '', { receipt: id });
    await within(came, 'the RECEIPT', this.session.lost);
  }

  async close() {
    await within(Promise.resolve(this.session.close()), 'the end of the connection');
  }
}

const echo = async (talk, body) => {
  const destination = `/topic/${randomUUID()}`;
  const { inbox, unsubscribe } = await talk.subscribe(destination);
  talk.send(destination, body, { 'content-type': typeof body === 'string' ? 'text/plain' : 'application/octet-stream' });
  const message = await inbox.next();
  unsubscribe();
  return message;
};

const echoBytes = async (talk, body) => {
  const message = await echo(talk, body);
  const { bytes } = message;
  if (bytes.length !== body.length || body.some((byte, at) => byte !== bytes[at])) throw new Error('other bytes came back');
  return message;
};

/** Three messages come in one ack mode; after `act` the next consumer gets what is left. */
const leftOver = async (talk, connect, mode, act) => {
  const destination = `/queue/${randomUUID()}`;
  const first = await connect();
  const { inbox } = await first.subscribe(destination, { ack: mode });
  for (const body of ['1', '2', '3']) talk.send(destination, body);
  const messages = await inbox.take(3);
  same(texts(messages), ['1', '2', '3'], 'order');
  await act(messages, first);
  await first.flush();
  await first.close();
  talk.send(destination, 'end');
  const second = await talk.subscribe(destination);
  const left = [];
  for (let message = await second.inbox.next(); message.text !== 'end'; message = await second.inbox.next()) {
    left.push(message.text);
  }
  second.unsubscribe();
  return left;
};

const CHECKS = {
  async subscribe_send(talk) {
    same((await echo(talk, 'Grüße, 안녕')).text, 'Grüße, 안녕', 'body');
  },
  async receipts(talk) {
    await talk.flush();
  },
  async ack_auto(talk, connect) {
    same(await leftOver(talk, connect, 'auto', async () => {}), [], 'what was left');
  },
  async ack_client(talk, connect) {
    same(await leftOver(talk, connect, 'client', async (messages) => messages[1].ack()), ['3'], 'what was left');
  },
  async ack_client_individual(talk, connect) {
    const left = await leftOver(talk, connect, 'client-individual', async (messages) => messages[1].ack());
    same(left, ['1', '3'], 'what was left');
  },
  async nack(talk) {
    const destination = `/queue/${randomUUID()}`;
    const { inbox, unsubscribe } = await talk.subscribe(destination, { ack: 'client-individual' });
    talk.send(destination, 'again');
    (await inbox.next()).nack();
    const message = await inbox.next();
    same([message.text, message.headers.redelivered], ['again', 'true'], 'the second delivery');
    message.ack();
    await talk.flush();
    unsubscribe();
  },
  async commit(talk) {
    const destination = `/topic/${randomUUID()}`;
    const { inbox, unsubscribe } = await talk.subscribe(destination);
    const transaction = talk.session.begin();
    transaction.send(destination, 'inside 1');
    transaction.send(destination, 'inside 2');
    talk.send(destination, 'outside');
    same((await inbox.next()).text, 'outside', 'before COMMIT');
    transaction.commit();
    same(texts(await inbox.take(2)), ['inside 1', 'inside 2'], 'after COMMIT');
    unsubscribe();
  },
  async abort(talk) {
    const destination = `/topic/${randomUUID()}`;
    const { inbox, unsubscribe } = await talk.subscribe(destination);
    const transaction = talk.session.begin();
    transaction.send(destination, 'inside');
    transaction.abort();
    talk.send(destination, 'outside');
    same((await inbox.next()).text, 'outside', 'after ABORT');
    unsubscribe();
  },
  async ack_in_transaction(talk, connect) {
    const left = await leftOver(talk, connect, 'client-individual', async (messages, { session }) => {
      const [kept, forgotten] = [session.begin(), session.begin()];
      messages[0].ack(kept.id);
      messages[1].ack(forgotten.id);
      kept.commit();
      forgotten.abort();
    });
    same(left, ['2', '3'], 'what was left');
  },
  async heart_beats(talk, connect) {
    const beating = await connect({ heartBeat: BEAT_MS });
    const lost = await Promise.race([beating.session.lost.then(() => true), delay(7 * BEAT_MS)]);
    if (lost) throw new Error('the connection was given up');
    await beating.flush();
    if (beating.session.beats && beating.session.beats() < 2) throw new Error('the server sent no heart-beats');
    await beating.close();
  },
  async text_1mb(talk) {
    const body = 'é'.repeat(MEGABYTE / 2);
    if ((await echo(talk, body)).text !== body) throw new Error('another text came back');
  },
  async binary_1mb(talk) {
    await echoBytes(talk, Uint8Array.from({ length: MEGABYTE }, (_, at) => (at * 31 + (at >> 8)) & 255));
  },
  async not_utf8(talk) {
    const message = await echoBytes(talk, NOT_UTF8);
    if (message.kind && message.kind !== 'binary') throw new Error(`came as a ${message.kind} WebSocket message`);
  },
  async order_10000(talk) {
    const destination = `/topic/${randomUUID()}`;
    const { inbox, unsubscribe } = await talk.subscribe(destination);
    for (let turn = 0; turn < 100; turn += 1) {
      const expected = Array.from({ length: 100 }, (_, at) => `number ${turn * 100 + at}`);
      for (const text of expected) talk.send(destination, text);
      same(texts(await inbox.take(100)), expected, 'order');
    }
    unsubscribe();
  },
};

const outcome = async (check) => {
  try {
    await check();
    return 'ok';
  } catch (error) {
    return error instanceof Unsupported ? `unsupported: ${error.message}` : `failed: ${error.message}`;
  }
};

/** Runs every check on a connection of its own; `own` has those that one client does in another way. */
export const allChecks = async (connect, own = {}) => {
  const open = async (options = { heartBeat: 0 }) => new Talk(await within(connect(options), 'CONNECTED'));
  const checks = {
    connect: await outcome(async () => {
      await (await open()).close();
    }),
  };
  for (const [name, check] of Object.entries({ ...CHECKS, ...own })) {
    checks[name] = await outcome(async () => {
      const talk = await open();
      await check(talk, open);
      await talk.close();
    });
  }
  return checks;
};
