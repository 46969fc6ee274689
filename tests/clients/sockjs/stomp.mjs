// STOMP over one transport of SockJS, in Node.js and in browsers: @stomp/stompjs with sockjs-client as its socket.

import { NOT_UTF8, Unsupported, same, within } from '../npm/checks.mjs';
import { modern } from '../npm/modern.mjs';

const TEXT_ONLY = 'SockJS carries text only';
const TOLD = `${TEXT_ONLY}; a subscriber that is sent such a body is told so and closed with 1003`;

/** Gives `connect` and `own` for `allChecks`. `url` is that of the endpoint's WebSocket. */
export const overSockJs = ({ Client, SockJS, WebSocket, url, transport }) => {
  const make = () => {
    const socket = new SockJS(url.replace('ws', 'http'), null, { transports: transport, timeout: 10_000 });
    socket.beats = 0;
    socket.addEventListener('message', ({ data }) => {
      if (data === '\n') socket.beats += 1;
    });
    return socket;
  };
  const sender = modern({
    Client,
    make: () => new WebSocket(url, ['v12.stomp']),
    beats: () => undefined,
    kind: () => undefined,
  });
  const own = {
    async binary_1mb() {
      throw new Unsupported(TEXT_ONLY);
    },
    /** The bytes come by a client that has WebSocket. */
    async not_utf8(talk) {
      const destination = `/topic/${crypto.randomUUID()}`;
      await talk.subscribe(destination);
      const elsewhere = await sender({ heartBeat: 0 });
      elsewhere.send(destination, NOT_UTF8, { 'content-type': 'application/octet-stream' });
      const why = await within(talk.session.lost, 'the ERROR');
      same(why.includes(TEXT_ONLY), true, why);
      same(await within(talk.session.ended, 'the end'), [1003, 'text-only'], 'the end');
      await elsewhere.close();
      throw new Unsupported(TOLD);
    },
  };
  return { connect: modern({ Client, make }), own };
};
