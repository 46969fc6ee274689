/** Replies, receipts and errors of this session, matched to the requests they answer. */

import type { IFrame, IMessage } from "@stomp/stompjs";
import { byId, h, setNote } from "../shell/dom";
import { delay } from "../shell/format";
import { maskFrame } from "./mask";
import type { Outgoing } from "./session";

const KEPT = 60;
const REQUESTS_KEPT = 200;
export const TOKEN_EXPIRED = "token-expired";

interface Request {
  readonly outgoing: Outgoing;
  readonly sentAt: number;
}

interface ErrorBody {
  readonly code?: string;
  readonly detail?: string;
  readonly destination?: string;
  readonly clientRequestCode?: string | null;
  readonly errorId?: string;
}

function readError(text: string): ErrorBody {
  try {
    return JSON.parse(text) as ErrorBody;
  } catch {
    return { detail: text };
  }
}

/** One name and its value, or nothing when there is no value. */
function fact(name: string, value: string | null | undefined): Node[] {
  return value ? [h("div", {}, h("dt", {}, name), h("dd", {}, value))] : [];
}

export class Answers {
  readonly #list = byId("answers");
  readonly #requests = new Map<string, Request>();

  /** @param again sends a refused request once more. @param expired is told of an expired token. */
  constructor(
    private readonly again: (outgoing: Outgoing) => void,
    private readonly expired: () => void,
  ) {
    byId("clear-answers").addEventListener("click", () => this.clear());
  }

  clear(): void {
    this.#list.replaceChildren();
    this.#showEmpty();
  }

  /** Remembers what was sent under a client-request-code or a receipt id, to match what comes back. */
  sent(key: string | undefined, outgoing: Outgoing): void {
    if (key === undefined) return;
    this.#requests.set(key, { outgoing, sentAt: performance.now() });
    const oldest = this.#requests.keys().next().value;
    if (this.#requests.size > REQUESTS_KEPT && oldest !== undefined) this.#requests.delete(oldest);
  }

  reply(message: IMessage): void {
    const code = message.headers["client-request-code"];
    this.#add("reply", "Reply", this.#facts(code, []), maskFrame(`\n\n${message.body}`).trim());
  }

  receipt(id: string): void {
    this.#add("receipt", "Receipt", [...fact("receipt-id", id), ...fact("after", this.#since(id))]);
  }

  error(message: IMessage): void {
    const body = readError(message.body);
    const code = body.clientRequestCode ?? message.headers["client-request-code"];
    const facts = this.#facts(code, [...fact("destination", body.destination), ...fact("error id", body.errorId)]);
    const item = this.#add("error", body.code ?? "error", facts, body.detail);
    const request = code === undefined ? undefined : this.#requests.get(code);
    if (request) item.append(this.#againButton(request.outgoing));
    if (body.code === TOKEN_EXPIRED) this.expired();
  }

  /** An ERROR frame: the connection ends with it. */
  fatal(frame: IFrame): void {
    const title = `ERROR: ${frame.headers["message"] ?? "the node closed the connection"}`;
    this.#add("error", title, fact("receipt-id", frame.headers["receipt-id"]), maskFrame(`\n\n${frame.body}`).trim());
  }

  #facts(code: string | undefined, more: Node[]): Node[] {
    return [...fact("client-request-code", code), ...more, ...fact("after", this.#since(code))];
  }

  #since(key: string | undefined): string | undefined {
    const request = key === undefined ? undefined : this.#requests.get(key);
    return request && delay(performance.now() - request.sentAt);
  }

  #againButton(outgoing: Outgoing): HTMLElement {
    const button = h("button", { type: "button", class: "quiet again" }, "Send again");
    button.addEventListener("click", () => this.again(outgoing));
    return button;
  }

  #add(kind: "reply" | "receipt" | "error", title: string, facts: Node[], text?: string): HTMLElement {
    const item = h("li", { class: `answer ${kind}`, "data-kind": kind }, h("h3", {}, title));
    if (text) item.append(kind === "reply" ? h("pre", {}, text) : h("p", {}, text));
    if (facts.length > 0) item.append(h("dl", { class: "inline-facts" }, ...facts));
    this.#list.prepend(item);
    while (this.#list.childElementCount > KEPT) this.#list.lastElementChild?.remove();
    this.#showEmpty();
    return item;
  }

  #showEmpty(): void {
    byId("no-answers").hidden = this.#list.childElementCount > 0;
  }
}

/** The form that gets a new token for the living connection. */
export class RenewForm {
  readonly #form = byId<HTMLFormElement>("renew-form");

  constructor(renew: (login: string, password: string) => Promise<void>) {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const login = byId<HTMLInputElement>("renew-login").value;
      const password = byId<HTMLInputElement>("renew-password");
      renew(login, password.value).then(
        () => {
          password.value = "";
          this.hide();
        },
        (error: Error) => setNote(byId("renew-note"), error.message),
      );
    });
  }

  show(login: string): void {
    if (!this.#form.hidden) return;
    this.#form.hidden = false;
    setNote(byId("renew-note"), undefined);
    const field = byId<HTMLInputElement>("renew-login");
    if (field.value === "") field.value = login;
  }

  hide(): void {
    this.#form.hidden = true;
  }
}
