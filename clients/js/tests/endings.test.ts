import { describe, expect, it } from "vitest";
import { ending, mayComeBack } from "../src/endings.js";

// The server's own table, docs/stomp.md.
const TABLE: readonly [number, boolean][] = [
  [1000, false], [1002, false], [1006, true], [1007, false], [1009, false], [1011, true], [1012, true], [1013, true],
  [4000, true], [4001, true], [4002, true], [4003, true], [4004, true], [4005, true], [4500, false], [4501, false], [4502, false],
];

describe("ending", () => {
  it.each(TABLE)("reads the close code %i as the server's table means it", (code, reconnect) => {
    expect(mayComeBack(code)).toBe(reconnect);
  });

  it("believes the ERROR frame more than the close code", () => {
    const says = (reconnect: string) => ending(1002, "", { headers: { reconnect }, body: "" }).reconnect;
    expect([says("true"), says("false")]).toEqual([true, false]);
    expect(ending(1012, "", { headers: { reconnect: "false" }, body: "" }).reconnect).toBe(false);
  });

  it("names the reason that the server gives", () => {
    const words = { headers: { "disconnect-reason": "login-refused", message: "no token" }, body: "" };
    expect(ending(4501, "x", words)).toMatchObject({ code: "login-refused", detail: "no token", closeCode: 4501 });
    expect(ending(1012, "service-restart")).toMatchObject({ code: "service-restart", reconnect: true });
    expect(ending(1006, "")).toMatchObject({ code: "connection-lost", reconnect: true });
  });
});
