import { describe, expect, it } from "vitest";
import { maskFrame, maskSecret } from "./mask";

const TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjb29rIn0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg";

describe("maskSecret", () => {
  it("shows the beginning of a long secret, to tell two apart, and nothing of a short one", () => {
    expect(maskSecret(TOKEN)).toBe(`eyJhbG… (${TOKEN.length} characters)`);
    expect(maskSecret("hunter2")).toBe("•••");
  });
});

describe("maskFrame", () => {
  it.each(["Authorization", "authorization", "AUTHORIZATION"])("hides the token in %s", (name) => {
    const masked = maskFrame(`SEND\ndestination:/a\n${name}:Bearer ${TOKEN}\n\nbody`);
    expect(masked).not.toContain(TOKEN);
    expect(masked).not.toContain(TOKEN.split(".")[1]);
    expect(masked).toContain(`${name}:Bearer eyJhbG…`);
    expect(masked).toContain("\n\nbody");
  });

  it("hides passcodes whole, and leaves the login", () => {
    expect(maskFrame("CONNECT\nlogin:guest\npasscode:guest1\n\n")).toBe("CONNECT\nlogin:guest\npasscode:•••\n\n");
  });

  it("hides a token anywhere in a body", () => {
    expect(maskFrame(`MESSAGE\n\n{"token":"${TOKEN}"}`)).not.toContain(TOKEN);
  });

  it("leaves everything else as it is on the wire", () => {
    const frame = 'MESSAGE\r\ndestination:/topic/x\r\n\r\n{"authorization":"is a word"}';
    expect(maskFrame(frame)).toBe(frame);
  });
});
