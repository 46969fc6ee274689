// Plain SockJS over one transport: node echo.mjs http://127.0.0.1:PORT TRANSPORT. Prints what it found.

import SockJS from "sockjs-client";

const [base, transport] = process.argv.slice(2);
const strange = "\u0000\u001f\u2028\u200c\ufeff\ufff0\uffff 😀 é <script>";

const open = (path) => new SockJS(base + path, null, { transports: transport, timeout: 10_000 });

const echo = () =>
  new Promise((resolve, reject) => {
    const socket = open("/echo");
    socket.onopen = () => socket.send(strange);
    socket.onmessage = ({ data }) => {
      socket.close();
      resolve(data === strange);
    };
    socket.onclose = (event) => reject(new Error(`echo: ${event.code} ${event.reason}`));
  });

const closed = () =>
  new Promise((resolve) => {
    open("/close").onclose = ({ code, reason, wasClean }) => resolve([code, reason, wasClean]);
  });

console.log(JSON.stringify({ echo: await echo(), closed: await closed() }));
process.exit(0);
