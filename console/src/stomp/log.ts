/** The frame log: the newest frames, each to be opened for its raw text, secrets masked. */

import { byId, h, setText } from "../shell/dom";
import { clock, count, size } from "../shell/format";
import { copyText } from "./clipboard";
import { header, parseFrame } from "./frames";
import { maskFrame } from "./mask";
import type { Direction } from "./tap";

const KEPT = 500;
/** A longer frame is cut in the log; the length is said. */
const SHOWN_CHARACTERS = 16_000;
const ARROWS: Readonly<Record<Direction, string>> = { out: "↑", in: "↓" };

interface Entry {
  readonly text: string;
  readonly item: HTMLLIElement;
}

function summary(text: string): string {
  const frame = parseFrame(text);
  const about =
    header(frame, "destination") ?? header(frame, "receipt-id") ?? header(frame, "message") ??
    header(frame, "session") ?? header(frame, "id") ?? header(frame, "accept-version") ?? "";
  return about;
}

export class FrameLog {
  readonly #list = byId("log");
  readonly #filter = byId<HTMLInputElement>("log-filter");
  readonly #pauseButton = byId("log-pause");
  readonly #entries: Entry[] = [];
  #waiting: Entry[] = [];
  #flush: number | undefined;
  #paused = false;
  #missed = 0;
  total = 0;

  constructor() {
    this.#filter.addEventListener("input", () => this.#applyFilter());
    byId("log-clear").addEventListener("click", () => this.clear());
    byId("log-copy").addEventListener("click", (event) => void this.#copy(event.currentTarget as HTMLElement));
    this.#pauseButton.addEventListener("click", () => this.#togglePause());
    this.#showCount();
  }

  add(direction: Direction, raw: string): void {
    this.total++;
    if (this.#paused) {
      this.#missed++;
      this.#showCount();
      return;
    }
    const text = maskFrame(raw);
    this.#waiting.push({ text, item: this.#render(direction, text, raw.length) });
    if (this.#waiting.length > KEPT) this.#waiting.shift();
    this.#flush ??= requestAnimationFrame(() => this.#append());
  }

  clear(): void {
    for (const { item } of this.#entries.splice(0)) item.remove();
    this.#waiting = [];
    this.#missed = 0;
    this.#showCount();
  }

  #render(direction: Direction, text: string, length: number): HTMLLIElement {
    const command = text.slice(0, text.search(/\r?\n|$/));
    const shown = text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}\n… (cut here)` : text;
    const now = new Date();
    return h(
      "li",
      { class: `entry ${direction}`, "data-command": command },
      h(
        "details",
        {},
        h(
          "summary",
          {},
          h("time", { datetime: now.toISOString() }, clock(now)),
          h("span", { class: "arrow", "aria-label": direction === "out" ? "sent" : "received" }, ARROWS[direction]),
          h("span", { class: "command" }, command),
          h("span", { class: "about" }, summary(text)),
          h("span", { class: "size" }, size(length)),
        ),
        h("pre", {}, shown),
      ),
    );
  }

  #append(): void {
    this.#flush = undefined;
    const list = this.#list;
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    const fresh = this.#waiting;
    this.#waiting = [];
    this.#entries.push(...fresh);
    for (const entry of fresh) entry.item.hidden = !this.#matches(entry);
    list.append(...fresh.map((entry) => entry.item));
    for (const { item } of this.#entries.splice(0, Math.max(this.#entries.length - KEPT, 0))) item.remove();
    if (atEnd) list.scrollTop = list.scrollHeight;
    this.#showCount();
  }

  #matches(entry: Entry): boolean {
    return entry.text.toLowerCase().includes(this.#filter.value.trim().toLowerCase());
  }

  #applyFilter(): void {
    for (const entry of this.#entries) entry.item.hidden = !this.#matches(entry);
    this.#showCount();
  }

  #togglePause(): void {
    this.#paused = !this.#paused;
    if (!this.#paused) this.#missed = 0;
    this.#pauseButton.setAttribute("aria-pressed", String(this.#paused));
    setText(this.#pauseButton, this.#paused ? "Go on" : "Pause");
    this.#showCount();
  }

  async #copy(button: HTMLElement): Promise<void> {
    const shown = this.#entries.filter((entry) => !entry.item.hidden);
    const done = await copyText(shown.map((entry) => entry.text).join("\n\n"));
    setText(button, done ? "Copied" : "Not allowed");
    setTimeout(() => setText(button, "Copy"), 1500);
  }

  #showCount(): void {
    const shown = this.#entries.reduce((sum, entry) => sum + (entry.item.hidden ? 0 : 1), 0);
    const missed = this.#paused ? `, ${count(this.#missed)} passed while paused` : "";
    setText(byId("log-count"), `${count(shown)} shown of ${count(this.total)}${missed}`);
  }
}
