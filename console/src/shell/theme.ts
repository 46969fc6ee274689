/** Light and dark: as the system says, or as chosen here; the choice is remembered. */

import { byId } from "./dom";

export type Theme = "light" | "dark";
type Choice = Theme | "system";

const KEY = "stompede.theme";
const NEXT: Readonly<Record<Choice, Choice>> = { system: "light", light: "dark", dark: "system" };
/** Inside an SVG of 24 by 24. */
const ICONS: Readonly<Record<Choice, string>> = {
  system: '<circle cx="12" cy="12" r="8.5"/><path class="solid" d="M12 3.5a8.5 8.5 0 0 0 0 17z"/>',
  light:
    '<circle cx="12" cy="12" r="4"/><path d="M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6 19 19M5 19l1.4-1.4M17.6 6.4 19 5"/>',
  dark: '<path d="M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z"/>',
};
const systemDark = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<(theme: Theme) => void>();

function stored(): Choice {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : "system";
  } catch {
    return "system"; // storage is switched off in this browser: the system's theme will do
  }
}

function remember(choice: Choice): void {
  try {
    if (choice === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, choice);
  } catch {
    return; // not remembered then
  }
}

let choice: Choice = stored();

export function currentTheme(): Theme {
  return choice === "system" ? (systemDark.matches ? "dark" : "light") : choice;
}

/** Calls back whenever the theme changed. */
export function onTheme(listener: (theme: Theme) => void): void {
  listeners.add(listener);
}

function apply(): void {
  document.documentElement.dataset["theme"] = currentTheme();
  for (const listener of listeners) listener(currentTheme());
}

function drawButton(button: HTMLElement): void {
  button.setAttribute("aria-label", `Theme: ${choice}. Switch to ${NEXT[choice]}`);
  button.title = `Theme: ${choice}`;
  button.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true">${ICONS[choice]}</svg>`;
}

export function startTheme(): void {
  const button = byId("theme");
  apply();
  drawButton(button);
  systemDark.addEventListener("change", apply);
  button.addEventListener("click", () => {
    choice = NEXT[choice];
    remember(choice);
    apply();
    drawButton(button);
  });
}
