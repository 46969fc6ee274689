/** The form that makes a SEND. */

import { byId, h } from "../shell/dom";
import type { Outgoing } from "./session";

/** A position report in the middle of the built-in city, as riders send it. */
const EXAMPLE = JSON.stringify({ riderId: 9001, workStatus: "INIT", data: { x: 24.9443, y: 60.1716 } }, null, 2);

export class Sender {
  readonly #form = byId<HTMLFormElement>("send-form");
  readonly #rows = byId("header-rows");

  constructor(send: (outgoing: Outgoing) => void) {
    byId<HTMLTextAreaElement>("body").value = EXAMPLE;
    byId("add-header").addEventListener("click", () => this.#addRow());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(this.#read());
    });
    this.#form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !byId<HTMLButtonElement>("send").disabled) {
        event.preventDefault();
        this.#form.requestSubmit();
      }
    });
  }

  enable(enabled: boolean): void {
    byId<HTMLButtonElement>("send").disabled = !enabled;
  }

  #addRow(): void {
    const name = h("input", { type: "text", class: "name", "aria-label": "Header name", placeholder: "name", spellcheck: "false" });
    const value = h("input", { type: "text", class: "value", "aria-label": "Header value", placeholder: "value", spellcheck: "false" });
    const remove = h("button", { type: "button", class: "quiet", "aria-label": "Remove this header" }, "✕");
    const row = h("li", { class: "row" }, name, value, remove);
    remove.addEventListener("click", () => {
      row.remove();
      byId("add-header").focus();
    });
    this.#rows.append(row);
    name.focus();
  }

  #read(): Outgoing {
    const rows = [...this.#rows.querySelectorAll("li")].map((row): [string, string] => [
      row.querySelector<HTMLInputElement>(".name")?.value.trim() ?? "",
      row.querySelector<HTMLInputElement>(".value")?.value ?? "",
    ]);
    return {
      destination: byId<HTMLInputElement>("send-to").value.trim(),
      contentType: byId<HTMLInputElement>("content-type").value.trim(),
      headers: rows.filter(([name]) => name !== ""),
      body: byId<HTMLTextAreaElement>("body").value,
      withCode: byId<HTMLInputElement>("with-code").checked,
      withReceipt: byId<HTMLInputElement>("with-receipt").checked,
    };
  }
}
