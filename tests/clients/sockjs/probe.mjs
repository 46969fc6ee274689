// STOMP over one transport of SockJS, and the plain echo: node probe.mjs http://127.0.0.1:PORT TRANSPORT. Prints what it found.
import { Client } from "@stomp/stompjs";
import SockJS from "sockjs-client";

const [base, transport] = process.argv.slice(2);
const large = "안녕 ".repeat(30_000);
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

const stomp = () =>
  new Promise((resolve, reject) => {
    const bodies = [];
    const used = [];
    const client = new Client({
      webSocketFactory: () => {
        const socket = open("/stomp");
        socket.addEventListener("open", () => used.push(socket.transport));
        return socket;
      },
      connectHeaders: { login: "guest", passcode: "guest" },
      heartbeatIncoming: 1000,
      heartbeatOutgoing: 1000,
      reconnectDelay: 0,
      onStompError: (frame) => reject(new Error(frame.headers.message)),
      onConnect: () => {
        client.watchForReceipt("live", () => {
          for (let number = 0; number < 200; number += 1) {
            client.publish({ destination: "/topic/probe", body: `${number}` });
          }
          client.publish({ destination: "/topic/probe", body: large });
        });
        const got = ({ body }) => {
          bodies.push(body);
          if (bodies.length === 201) client.deactivate();
        };
        client.subscribe("/topic/probe", got, { receipt: "live" });
      },
      onDisconnect: () =>
        resolve({
          inOrder: bodies.slice(0, 200).every((body, index) => body === `${index}`),
          large: bodies[200] === large,
          used,
        }),
      onWebSocketClose: ({ code, reason }) => reject(new Error(`${code} ${reason}; ${bodies.length} messages`)),
    });
    client.activate();
  });

console.log(JSON.stringify({ echo: await echo(), closed: await closed(), ...(await stomp()) }));
process.exit(0);
