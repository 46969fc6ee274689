import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ERRORS, TesterSession, type SessionListener, type Subscription } from "./session";

/** The node's end of a WebSocket: what the page sends it can be read, and it answers by hand. */
class NodeEnd extends EventTarget {
  static last: NodeEnd;
  static readonly OPEN = 1;
  readonly protocol = "v12.stomp";
  readyState = 0;
  binaryType = "blob";
  readonly sent: string[] = [];
  onopen?: () => void;
  onmessage?: (event: { data: string }) => void;

  constructor(readonly url: string) {
    super();
    NodeEnd.last = this;
  }

  open(): void {
    this.readyState = NodeEnd.OPEN;
    this.onopen?.();
  }

  send(data: string): void {
    this.sent.push(data);
  }

  says(frame: string): void {
    this.onmessage?.({ data: `${frame}\0` });
  }

  /** Header of the SUBSCRIBE to a destination. */
  code(destination: string): string | undefined {
    const frame = this.sent.find((one) => one.includes(`destination:${destination}\n`)) ?? "";
    return /^client-request-code:(.*)$/m.exec(frame)?.[1];
  }

  refuses(code: string | undefined): void {
    const matched = code === undefined ? "" : `client-request-code:${code}\n`;
    this.says(`MESSAGE\nsubscription:errors\nmessage-id:1\ndestination:${ERRORS}\n${matched}\n{"code":"forbidden"}`);
  }
}

describe("TesterSession", () => {
  let shown: readonly Subscription[] = [];
  const refused = vi.fn();
  const listener: SessionListener = {
    state: () => undefined,
    reply: () => undefined,
    refused,
    failed: () => undefined,
    receipt: () => undefined,
    subscriptions: (all) => (shown = all),
    frame: () => undefined,
    heartBeats: () => undefined,
    closed: () => undefined,
  };
  const destinations = (): string[] => shown.filter((one) => !one.own).map((one) => one.destination);
  let session: TesterSession;

  beforeEach(async () => {
    refused.mockClear();
    vi.stubGlobal("WebSocket", NodeEnd);
    session = new TesterSession(listener);
    session.connect({ url: "ws://node/stomp", headers: {}, heartOutMs: 0, heartInMs: 0, versions: ["1.2"] });
    await vi.waitFor(() => NodeEnd.last.open());
    NodeEnd.last.says("CONNECTED\nversion:1.2\nsession:1\n\n");
    session.subscribe("/topic/secret");
    session.subscribe("/topic/open");
  });

  afterEach(() => vi.unstubAllGlobals());

  it("lists no subscription that the node refused", () => {
    expect(destinations()).toEqual(["/topic/secret", "/topic/open"]);
    NodeEnd.last.refuses(NodeEnd.last.code("/topic/secret"));
    expect(destinations()).toEqual(["/topic/open"]);
    expect(refused).toHaveBeenCalledOnce();
  });

  it("keeps every subscription when something else was refused", () => {
    session.send({ destination: "/app/x", contentType: "", headers: [], body: "", withCode: true, withReceipt: false });
    NodeEnd.last.refuses(NodeEnd.last.code("/app/x"));
    NodeEnd.last.refuses(undefined);
    expect(destinations()).toEqual(["/topic/secret", "/topic/open"]);
    expect(refused).toHaveBeenCalledTimes(2);
  });
});
