/** The list of live subscriptions and the form that adds one. */

import { byId, h, setText } from "../shell/dom";
import { count } from "../shell/format";
import type { Subscription } from "./session";

export class Subscriptions {
  readonly #list = byId("subscriptions");
  readonly #counts = new Map<string, HTMLElement>();
  readonly #items = new Map<string, HTMLElement>();

  constructor(
    subscribe: (destination: string) => void,
    private readonly unsubscribe: (id: string) => void,
  ) {
    byId("subscribe-form").addEventListener("submit", (event) => {
      event.preventDefault();
      subscribe(byId<HTMLInputElement>("subscribe-to").value.trim());
    });
  }

  enable(enabled: boolean): void {
    byId<HTMLButtonElement>("subscribe").disabled = !enabled;
  }

  show(all: readonly Subscription[]): void {
    const living = new Set(all.map((subscription) => subscription.id));
    for (const [id, item] of this.#items) {
      if (living.has(id)) continue;
      item.remove();
      this.#items.delete(id);
      this.#counts.delete(id);
    }
    for (const subscription of all) {
      if (!this.#items.has(subscription.id)) this.#add(subscription);
      const figure = this.#counts.get(subscription.id);
      if (figure) setText(figure, count(subscription.received));
    }
    byId("no-subscriptions").hidden = all.length > 0;
  }

  #add({ id, destination, own }: Subscription): void {
    const figure = h("span", { class: "badge", title: "messages received" }, "0");
    const item = h("li", {}, h("code", { class: "about" }, destination), figure, h("span", { class: "note" }, id));
    if (!own) {
      const stop = h("button", { type: "button", class: "quiet", "aria-label": `Unsubscribe ${id} from ${destination}` }, "Unsubscribe");
      stop.addEventListener("click", () => this.unsubscribe(id));
      item.append(stop);
    }
    this.#items.set(id, item);
    this.#counts.set(id, figure);
    this.#list.append(item);
  }
}
