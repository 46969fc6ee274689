/** A node for the tests of a run: `stompede serve` with the application beside this file, on a free port. */

import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));
const COMMAND = fileURLToPath(new URL("../../../../.venv/bin/stompede", import.meta.url));

declare module "vitest" {
  export interface ProvidedContext {
    /** `http://127.0.0.1:PORT` of the node. */
    node: string;
  }
}

/** Fulfilled with its URL when it serves. */
function serving(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`the node ended with ${code}:\n${said}`)));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      const url = /"url": ?"(http:[^"]+)"/.exec(said)?.[1];
      if (url !== undefined) resolve(url);
    });
  });
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("STOMPEDE_"));
  const env = { ...Object.fromEntries(inherited), STOMPEDE_LOG_FORMAT: "json" };
  const command = ["serve", "app:app", "--host", "127.0.0.1", "--port", "0"];
  const child = spawn(COMMAND, command, { cwd: FOLDER, env, stdio: ["ignore", "ignore", "pipe"] });
  project.provide("node", await serving(child));
  return async () => {
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill();
    await gone;
  };
}
