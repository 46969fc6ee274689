import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";

const text = (path: string): Promise<string> => readFile(new URL(path, import.meta.url), "utf8");

it("the README shows the documentation's example, which is checked with the sources", async () => {
  expect(await text("../README.md")).toContain(`\`\`\`ts\n${await text("../../../docs/examples/client.mts")}\`\`\``);
});
