/** What the tests with a real node share: clients with a real WebSocket, and a wire that can be cut. */

import { createServer, type Server, type Socket } from "node:net";
import { connect as dial, type AddressInfo } from "node:net";
import { inject } from "vitest";
import { WebSocket } from "ws";
import { type ClientOptions, StompedeClient } from "../../src/index.js";

/** A token of the node's own. */
export async function token(name: string, ttlS = 60): Promise<string> {
  const answer = await fetch(`${inject("node")}/token/${name}?ttl_s=${ttlS}`);
  return (await answer.json()) as string;
}

/** A client that is not open yet. @param port of a wire; by default the node's own. */
export function client(options: Partial<ClientOptions> = {}, port = new URL(inject("node")).port): StompedeClient {
  return new StompedeClient({
    url: `ws://127.0.0.1:${port}/stomp`,
    webSocketFactory: (url, protocols) => new WebSocket(url, protocols) as never,
    reconnect: { initialMs: 10, maxMs: 50 },
    ...options,
  });
}

/** A TCP proxy before the node, whose connections can be cut at any byte. */
export class Wire {
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  /** How many bytes from the node a new connection lives for. */
  life: () => number = () => Infinity;
  cuts = 0;

  constructor() {
    this.#server = createServer((near) => this.#carry(near));
  }

  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return String((this.#server.address() as AddressInfo).port);
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Cuts all connections, without a word to either side. */
  cut(): void {
    for (const pair of this.#pairs) this.#break(pair);
  }

  #carry(near: Socket): void {
    const { hostname, port } = new URL(inject("node"));
    const pair = [near, dial(Number(port), hostname)] as const;
    const [, far] = pair;
    this.#pairs.add(pair);
    let left = this.life();
    near.on("data", (data) => far.write(data));
    far.on("data", (data) => {
      near.write(data.subarray(0, left));
      left -= data.length;
      // What was written so far still arrives; then there is an end, and no close frame.
      if (left <= 0) near.end(() => this.#break(pair));
    });
    for (const socket of pair) socket.on("error", () => this.#break(pair)).on("close", () => this.#break(pair));
  }

  #break(pair: readonly [Socket, Socket]): void {
    if (!this.#pairs.delete(pair)) return;
    this.cuts++;
    for (const socket of pair) socket.destroy();
  }
}
