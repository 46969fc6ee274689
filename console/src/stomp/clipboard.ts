/** Copying, also where the page came over plain HTTP and the clipboard interface is missing. */

import { h } from "../shell/dom";

function copyBySelection(text: string): boolean {
  const area = h("textarea", { class: "visually-hidden", readonly: "", "aria-hidden": "true" });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

/** Whether it was copied. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}
