/** The little of a framework that this page needs. */

type Child = Node | string;

/** The element with an id; a missing one is a mistake in index.html and said at once. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`index.html has no element #${id}`);
  return element as T;
}

/** Makes an element: `h("button", { type: "button", class: "quiet" }, "Stop")`. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Sets a text only when it changed: an unchanged one costs no layout. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Shows a text in an element that is hidden while it has none. */
export function setNote(element: HTMLElement, text: string | undefined): void {
  setText(element, text ?? "");
  element.hidden = !text;
}

/** Tells screen readers what the eye sees anyway. */
export function announce(text: string): void {
  setText(byId("announcer"), text);
}
