/** The STOMP tab: joins the forms, the session and the log. */

import type { ConsoleConfig } from "../shell/config";
import { expose } from "../shell/diagnostics";
import { announce, byId } from "../shell/dom";
import { setToken } from "../shell/token";
import { Answers, RenewForm } from "./answers";
import { ConnectForm, type Opening } from "./connect";
import { FrameLog } from "./log";
import { logIn } from "./login";
import { Sender } from "./sender";
import { TesterSession, type Outgoing, type SessionState } from "./session";
import { Subscriptions } from "./subscriptions";
import type { Direction } from "./tap";

const NORMAL_CLOSE = 1000;

class StompPage {
  readonly #log = new FrameLog();
  readonly #answers = new Answers((outgoing) => this.#send(outgoing), () => this.#renew.show(this.#connect.login));
  readonly #renew = new RenewForm((login, password) => this.#logInAgain(login, password));
  readonly #sender = new Sender((outgoing) => this.#send(outgoing));
  readonly #connect: ConnectForm;
  readonly #subscriptions: Subscriptions;
  readonly #session: TesterSession;
  readonly #beats: Record<Direction, number> = { in: 0, out: 0 };

  constructor(config: ConsoleConfig) {
    this.#session = new TesterSession({
      frame: (direction, text) => this.#log.add(direction, text),
      heartBeats: (direction, beats) => this.#countBeats(direction, beats),
      closed: (code, reason) => this.#closed(code, reason),
      state: (state, connected) => {
        this.#connect.show(state, connected);
        this.#enable(state);
      },
      reply: (message) => this.#answers.reply(message),
      refused: (message) => this.#answers.error(message),
      failed: (frame) => this.#answers.fatal(frame),
      receipt: (id) => this.#answers.receipt(id),
      subscriptions: (all) => this.#subscriptions.show(all),
    });
    this.#connect = new ConnectForm(
      config,
      (opening) => this.#open(opening),
      () => void this.#session.disconnect(),
    );
    this.#subscriptions = new Subscriptions(
      (destination) => this.#session.subscribe(destination),
      (id) => this.#session.unsubscribe(id),
    );
    this.#diagnose();
  }

  shown(): void {
    return;
  }

  hidden(): void {
    return; // the connection stays open while the map is looked at
  }

  #open({ options, token }: Opening): void {
    setToken(token);
    this.#beats.in = this.#beats.out = 0;
    this.#connect.showToken(token);
    this.#connect.showBeats(0, 0);
    this.#session.connect(options);
  }

  #send(outgoing: Outgoing): void {
    if (!this.#session.connected) return;
    const { code, receipt } = this.#session.send(outgoing);
    this.#answers.sent(code, outgoing);
    this.#answers.sent(receipt, outgoing);
  }

  /** A new token for the living connection: it goes with the next frames, nothing is opened again. */
  async #logInAgain(login: string, password: string): Promise<void> {
    const { token } = await logIn(login, password);
    setToken(token);
    this.#connect.showToken(token);
    announce("Logged in again. The connection stayed open.");
  }

  #enable(state: SessionState): void {
    this.#sender.enable(state === "on");
    this.#subscriptions.enable(state === "on");
    if (state === "off") this.#renew.hide();
    if (state !== "connecting") announce(byId("tester-state").textContent ?? "");
  }

  #countBeats(direction: Direction, beats: number): void {
    this.#beats[direction] += beats;
    this.#connect.showBeats(this.#beats.out, this.#beats.in);
  }

  #closed(code: number, reason: string): void {
    if (code === NORMAL_CLOSE) return;
    this.#connect.note(`The connection was closed: ${code}${reason === "" ? "" : ` ${reason}`}`);
  }

  #diagnose(): void {
    expose({
      tester: {
        sessionId: () => byId("session-id").textContent,
        connected: () => this.#session.connected,
        frames: () => this.#log.total,
      },
    });
  }
}

export function start(config: ConsoleConfig): StompPage {
  return new StompPage(config);
}
