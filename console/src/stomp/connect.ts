/** The form that opens a connection, and the facts about the open one. */

import type { IFrame } from "@stomp/stompjs";
import { endpointUrl, type ConsoleConfig } from "../shell/config";
import { byId, setNote, setText } from "../shell/dom";
import { count } from "../shell/format";
import { logIn } from "./login";
import { maskSecret } from "./mask";
import type { ConnectOptions, SessionState } from "./session";

const STATE_WORDS: Readonly<Record<SessionState, string>> = {
  off: "Not connected",
  connecting: "Connecting",
  on: "Connected",
};

export interface Opening {
  readonly options: ConnectOptions;
  readonly token: string | undefined;
}

function field(id: string): string {
  return byId<HTMLInputElement>(id).value.trim();
}

export class ConnectForm {
  readonly #form = byId<HTMLFormElement>("connect-form");
  readonly #loginBy = byId<HTMLSelectElement>("login-by");

  constructor(private readonly config: ConsoleConfig, open: (opening: Opening) => void, close: () => void) {
    byId<HTMLInputElement>("endpoint").value = endpointUrl(config.endpoint);
    this.#loginBy.addEventListener("change", () => this.#showFields());
    byId("disconnect").addEventListener("click", close);
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      setNote(byId("connect-note"), undefined);
      this.#read().then(open, (error: Error) => setNote(byId("connect-note"), error.message));
    });
    this.#showFields();
  }

  /** The login that was typed, to be offered again when the token expires. */
  get login(): string {
    return field("login");
  }

  note(text: string | undefined): void {
    setNote(byId("connect-note"), text);
  }

  show(state: SessionState, connected?: IFrame): void {
    const pill = byId("tester-state");
    pill.dataset["state"] = { off: "off", connecting: "connecting", on: "live" }[state];
    setText(pill, STATE_WORDS[state]);
    const connect = byId<HTMLButtonElement>("connect");
    const disconnect = byId("disconnect");
    const focused = document.activeElement;
    connect.disabled = state === "connecting";
    connect.hidden = state === "on";
    disconnect.hidden = state === "off";
    byId("connect-fields").hidden = state === "on";
    byId("session-facts").hidden = state !== "on";
    // The focus does not fall back to the top of the page when the button under it goes.
    if (state === "on" && this.#form.contains(focused)) disconnect.focus();
    if (state === "off" && focused === disconnect) connect.focus();
    if (connected === undefined) return;
    setText(byId("session-url"), field("endpoint"));
    setText(byId("session-id"), connected.headers["session"] ?? "–");
    setText(byId("session-version"), connected.headers["version"] ?? "1.0");
    setText(byId("session-user"), connected.headers["user-name"] ?? "anonymous");
  }

  showToken(token: string | undefined): void {
    setText(byId("session-token"), token === undefined ? "none" : maskSecret(token));
  }

  showBeats(sent: number, received: number): void {
    setText(byId("session-beats"), `${count(sent)} sent, ${count(received)} received`);
  }

  #showFields(): void {
    for (const element of this.#form.querySelectorAll<HTMLElement>("[data-for]")) {
      element.hidden = !element.dataset["for"]?.split(" ").includes(this.#loginBy.value);
    }
    byId("demo-members").hidden = !(this.config.demo && ["api", "connect"].includes(this.#loginBy.value));
  }

  async #read(): Promise<Opening> {
    const url = endpointUrl(field("endpoint"));
    if (new URL(url).host !== location.host) {
      throw new Error(`This page may only connect to the node that served it (${location.host}).`);
    }
    const password = byId<HTMLInputElement>("password").value;
    const by = this.#loginBy.value;
    return {
      options: {
        url,
        headers: by === "connect" ? { login: this.login, passcode: password } : {},
        heartOutMs: Number(field("heart-out")) || 0,
        heartInMs: Number(field("heart-in")) || 0,
        versions: field("versions").split(","),
      },
      token: await this.#token(by, password),
    };
  }

  async #token(by: string, password: string): Promise<string | undefined> {
    if (by === "api") return (await logIn(this.login, password)).token;
    if (by !== "token") return undefined;
    const token = field("token").replace(/^Bearer\s+/i, "");
    if (token === "") throw new Error("Paste a token first, for example one that `stompede token` made.");
    return token;
  }
}
