/** The tabs as the ARIA Authoring Practices describe them: arrows, Home and End move, the address remembers. */

import { byId } from "./dom";

export type TabName = "map" | "stomp";
const NAMES: readonly TabName[] = ["map", "stomp"];

function fromAddress(): TabName {
  return NAMES.find((name) => location.hash === `#${name}`) ?? "map";
}

/** Starts the tabs; `opened` is called with the first one too. */
export function startTabs(opened: (name: TabName) => void): void {
  const tabs = NAMES.map((name) => byId(`tab-${name}`));
  let current: TabName | undefined;

  const show = (name: TabName): void => {
    if (name === current) return;
    current = name;
    for (const other of NAMES) {
      const selected = other === name;
      const tab = byId(`tab-${other}`);
      tab.setAttribute("aria-selected", String(selected));
      tab.tabIndex = selected ? 0 : -1;
      byId(`page-${other}`).hidden = !selected;
    }
    opened(name);
  };
  const choose = (name: TabName): void => {
    history.replaceState(null, "", `#${name}`);
    show(name);
  };

  tabs.forEach((tab, index) => {
    tab.addEventListener("click", () => choose(NAMES[index] ?? "map"));
    tab.addEventListener("keydown", (event) => {
      const last = tabs.length - 1;
      const goal = {
        ArrowRight: index === last ? 0 : index + 1,
        ArrowLeft: index === 0 ? last : index - 1,
        Home: 0,
        End: last,
      }[event.key];
      if (goal === undefined) return;
      event.preventDefault();
      tabs[goal]?.focus();
      choose(NAMES[goal] ?? "map");
    });
  });
  addEventListener("hashchange", () => show(fromAddress()));
  show(fromAddress());
}
