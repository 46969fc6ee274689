/** The server's end of WebSockets, in memory: what the client sends can be read, and is answered by hand or by rules. */

import type { IStompSocket } from "@stomp/stompjs";
import { type ClientOptions, StompedeClient, type StompedeError } from "../src/index.js";

const ERRORS = "/session/queue/request-error";

export interface Frame {
  readonly command: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

const UNESCAPED: Record<string, string> = { "\\n": "\n", "\\c": ":", "\\\\": "\\", "\\r": "\r" };

function parse(text: string): Frame {
  const [head = "", body = ""] = text.replace(/\0$/, "").split(/\n\n([^]*)/);
  const [command = "", ...lines] = head.split("\n");
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const [, name = "", value = ""] = /^([^:]*):(.*)$/.exec(line) ?? [];
    headers[name] ??= value.replace(/\\[nrc\\]/g, (mark) => UNESCAPED[mark] ?? mark);
  }
  return { command, headers, body };
}

/** One connection, seen from the server. */
export class Peer implements IStompSocket {
  binaryType: "arraybuffer" = "arraybuffer";
  onclose: ((event?: unknown) => unknown) | null | undefined = null;
  onerror: ((event: unknown) => unknown) | null | undefined = null;
  onmessage: ((event: { data: string | ArrayBuffer }) => unknown) | null | undefined = null;
  onopen: ((event?: unknown) => unknown) | null | undefined = null;
  readyState = 0;
  bufferedAmount = 0;
  readonly frames: Frame[] = [];
  readonly #living = new Map<string, string>();

  constructor(
    readonly url: string,
    private readonly server: FakeServer,
  ) {
    queueMicrotask(() => queueMicrotask(() => this.#open()));
  }

  #open(): void {
    if (this.server.down) return this.cut();
    this.readyState = 1;
    this.onopen?.();
  }

  send(data: string | ArrayBuffer | ArrayBufferView): void {
    if (data === "\n") return;
    const frame = parse(typeof data === "string" ? data : new TextDecoder().decode(data as ArrayBuffer));
    this.frames.push(frame);
    queueMicrotask(() => this.readyState === 1 && this.server.serve(this, frame));
  }

  close(code = 1000, reason = ""): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    queueMicrotask(() => this.onclose?.({ code, reason }));
  }

  /** The connection breaks without a close frame. */
  cut(): void {
    this.close(1006);
  }

  says(command: string, headers: Record<string, string>, body = ""): void {
    if (this.readyState !== 1) return;
    const lines = Object.entries(headers).map(([name, value]) => `${name}:${value.replaceAll(":", "\\c")}\n`);
    this.onmessage?.({ data: `${command}\n${lines.join("")}\n${body}\0` });
  }

  /** A message for a subscription to a destination. */
  message(destination: string, id: string, body = '"hello"', headers: Record<string, string> = {}): void {
    const subscription = this.subscription(destination) ?? "";
    this.says("MESSAGE", { subscription, destination, "message-id": id, ...headers }, body);
  }

  softError(body: Record<string, string>, headers: Record<string, string> = {}): void {
    this.message(ERRORS, "e-1", JSON.stringify(body), headers);
  }

  sent(command: string): Frame[] {
    return this.frames.filter((frame) => frame.command === command);
  }

  /** Id of the living subscription to a destination. */
  subscription(destination: string): string | undefined {
    return [...this.#living].findLast(([, one]) => one === destination)?.[0];
  }

  /** Takes note of a SUBSCRIBE or UNSUBSCRIBE. */
  note({ command, headers: { id = "", destination = "" } }: Frame): void {
    if (command === "UNSUBSCRIBE") this.#living.delete(id);
    else this.#living.set(id, destination);
  }

  /** Headers of the SUBSCRIBEs to a destination. */
  subscribes(destination: string): Record<string, string>[] {
    return this.sent("SUBSCRIBE").map((frame) => frame.headers).filter((headers) => headers["destination"] === destination);
  }
}

/** What is done with a frame; `true` where nothing more is to be done. */
export type Rule = (peer: Peer, frame: Frame) => boolean | void;

export class FakeServer {
  readonly peers: Peer[] = [];
  /** What its clients were told that no call waited for. */
  readonly errors: StompedeError[] = [];
  /** Connections break before they are open. */
  down = false;
  /** Asked before a frame is answered with CONNECTED or its RECEIPT. */
  rule: Rule = () => undefined;
  /** Further headers of the RECEIPT of a SUBSCRIBE. */
  subscribed: (frame: Frame) => Record<string, string> = () => ({});

  readonly factory = (url: string): Peer => {
    const peer = new Peer(url, this);
    this.peers.push(peer);
    return peer;
  };

  get peer(): Peer {
    const last = this.peers.at(-1);
    if (last === undefined) throw new Error("nobody has connected");
    return last;
  }

  serve(peer: Peer, frame: Frame): void {
    const { receipt, destination } = frame.headers;
    const noted = frame.command === "SUBSCRIBE" && destination !== ERRORS;
    if (noted) peer.note(frame);
    if (this.rule(peer, frame) === true) return;
    if (!noted && frame.command.endsWith("SUBSCRIBE")) peer.note(frame); // a refusal must reach the one that was there before
    if (frame.command === "CONNECT") peer.says("CONNECTED", { version: "1.2", session: `s${this.peers.length}` });
    else if (receipt !== undefined) {
      peer.says("RECEIPT", { "receipt-id": receipt, ...(frame.command === "SUBSCRIBE" && this.subscribed(frame)) });
    }
  }

  client(options: Partial<ClientOptions> = {}): StompedeClient {
    return new StompedeClient({
      url: "ws://server/stomp",
      webSocketFactory: this.factory,
      onError: (error) => this.errors.push(error),
      heartbeatMs: { send: 0, receive: 0 },
      reconnect: { initialMs: 0, maxMs: 0 },
      ...options,
    });
  }
}
