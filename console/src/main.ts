/** Starts the page. Each tab's code is loaded when the tab is opened for the first time. */

import "./styles/tokens.css";
import "./styles/shell.css";
import "./styles/forms.css";
import "./styles/map.css";
import "./styles/stomp.css";
import { loadConfig, type ConsoleConfig } from "./shell/config";
import { byId, setNote } from "./shell/dom";
import { startTabs, type TabName } from "./shell/tabs";
import { startTheme } from "./shell/theme";

interface Page {
  shown(): void;
  hidden(): void;
}

const pages: Partial<Record<TabName, Promise<Page>>> = {};
let open: TabName | undefined;

const CODE: Readonly<Record<TabName, () => Promise<{ start(config: ConsoleConfig): Page }>>> = {
  map: () => import("./map/page"),
  stomp: () => import("./stomp/page"),
};

async function load(name: TabName, config: Promise<ConsoleConfig>): Promise<Page> {
  const [settings, code] = await Promise.all([config, CODE[name]()]);
  return code.start(settings);
}

async function show(name: TabName, config: Promise<ConsoleConfig>): Promise<void> {
  const before = open;
  open = name;
  if (before !== undefined) (await pages[before])?.hidden();
  const page = await (pages[name] ??= load(name, config));
  if (open === name) page.shown();
}

function failed(error: unknown): void {
  const text = error instanceof Error ? error.message : String(error);
  setNote(byId("page-error"), `This page could not start: ${text}. Is the node still running? Reload to try again.`);
}

startTheme();
const config = loadConfig();
startTabs((name) => void show(name, config).catch(failed));
