/** The list of riders: what the map shows, for the keyboard and for screen readers too. */

import type { Rider, RiderStore } from "../riders/store";
import { byId, h, setNote, setText } from "../shell/dom";
import { count, speed } from "../shell/format";

const SHOWN = 100;

interface Row {
  readonly item: HTMLLIElement;
  readonly button: HTMLButtonElement;
  readonly speed: HTMLElement;
}

export class RiderList {
  readonly #search = byId<HTMLInputElement>("rider-search");
  readonly #list = byId("rider-list");
  readonly #more = byId("rider-more");
  readonly #rows = new Map<number, Row>();

  constructor(
    private readonly store: RiderStore,
    private readonly chosen: (riderId: number) => void,
  ) {
    this.#search.addEventListener("input", () => this.update(null));
    this.#search.addEventListener("keydown", (event) => this.#searchKey(event));
    this.#list.addEventListener("keydown", (event) => this.#listKey(event));
    this.#list.addEventListener("click", (event) => {
      const button = (event.target as Element).closest("button");
      if (button) this.chosen(Number(button.dataset["rider"]));
    });
  }

  focusSearch(): void {
    this.#search.focus();
    this.#search.select();
  }

  /** Shows the riders of this moment. Rows stay the same elements, so that the focus stays where it is. */
  update(followed: number | null): void {
    const { riders, total } = this.store.search(this.#search.value, SHOWN);
    const wanted = new Set(riders.map((rider) => rider.riderId));
    for (const [riderId, row] of this.#rows) {
      if (wanted.has(riderId)) continue;
      row.item.remove();
      this.#rows.delete(riderId);
    }
    let before: Element | null = this.#list.firstElementChild;
    for (const rider of riders) {
      const row = this.#row(rider);
      if (row.item === before) before = before.nextElementSibling;
      else this.#list.insertBefore(row.item, before);
      this.#refresh(row, rider, followed);
    }
    setNote(this.#more, this.#remark(total));
  }

  #remark(total: number): string | undefined {
    if (total > SHOWN) return `and ${count(total - SHOWN)} more: type a number to find one`;
    if (total > 0) return undefined;
    return this.#search.value === "" ? "No riders yet." : "No rider has this number.";
  }

  #row(rider: Rider): Row {
    const known = this.#rows.get(rider.riderId);
    if (known) return known;
    const figure = h("span", { class: "rider-speed" });
    const button = h(
      "button",
      { type: "button", "data-rider": String(rider.riderId) },
      h("span", { class: "dot", "aria-hidden": "true" }),
      h("span", { class: "rider-name" }, `Rider ${rider.riderId}`),
      figure,
    );
    const row = { item: h("li", {}, button), button, speed: figure };
    this.#rows.set(rider.riderId, row);
    return row;
  }

  #refresh(row: Row, rider: Rider, followed: number | null): void {
    const status = rider.workStatus;
    if (row.button.dataset["status"] !== status) row.button.dataset["status"] = status;
    setText(row.speed, status === "WORKING" ? speed(rider.speed()) : status.toLowerCase());
    const pressed = String(rider.riderId === followed);
    if (row.button.getAttribute("aria-pressed") !== pressed) row.button.setAttribute("aria-pressed", pressed);
  }

  #buttons(): HTMLButtonElement[] {
    return [...this.#list.querySelectorAll("button")];
  }

  #searchKey(event: KeyboardEvent): void {
    const first = this.#buttons()[0];
    if (first === undefined) return;
    if (event.key === "ArrowDown") {
      event.preventDefault();
      first.focus();
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.chosen(Number(first.dataset["rider"]));
    }
  }

  #listKey(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const buttons = this.#buttons();
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    if (at + step < 0) this.#search.focus();
    else buttons[at + step]?.focus();
  }
}
