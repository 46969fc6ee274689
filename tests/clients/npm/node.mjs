// A probe in Node.js tells what its client could do: one JSON object on standard output.

import { readFileSync } from 'node:fs';
import { allChecks } from './checks.mjs';

/** The version of a package that is installed in the folder of `module`. */
export const versionOf = (name, module = import.meta.url) =>
  JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, module))).version;

/** Runs every check, prints the object, and ends the process. */
export const run = async ({ client, version, transport, connect, own }) => {
  const checks = await allChecks(connect, own);
  console.log(JSON.stringify({ client, version, transport, checks }));
  process.exit(0);
};
