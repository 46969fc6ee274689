// Validates an AsyncAPI document given on standard input: `node validate.mjs < document.json`.
// Prints every diagnostic of the official parser as a line; exits with 1 when one of them is an error.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const LEVELS = ["error", "warning", "information", "hint"];

const { document, diagnostics } = await new Parser().parse(readFileSync(0, "utf8"));
for (const { severity, path, message } of diagnostics) {
  console.log(`${LEVELS[severity]}: ${path.join("/")}: ${message}`);
}
process.exit(document === undefined || diagnostics.some(({ severity }) => severity === 0) ? 1 : 0);
