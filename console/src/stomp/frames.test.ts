import { describe, expect, it } from "vitest";
import { header, parseFrame, splitMessage } from "./frames";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("splitMessage", () => {
  it("finds one frame in a message", () => {
    expect(splitMessage("SEND\ndestination:/a\n\nhello\0")).toEqual({
      frames: ["SEND\ndestination:/a\n\nhello"],
      heartBeats: 0,
    });
  });

  it("counts heart-beats, alone and between frames", () => {
    expect(splitMessage("\n")).toEqual({ frames: [], heartBeats: 1 });
    expect(splitMessage("\n\r\n").heartBeats).toBe(2);
    const { frames, heartBeats } = splitMessage("RECEIPT\nreceipt-id:1\n\n\0\n\n\nRECEIPT\nreceipt-id:2\n\n\0\n");
    expect(frames).toHaveLength(2);
    expect(heartBeats).toBe(2);
  });

  it("trusts content-length over a NUL in the body, counted in bytes", () => {
    const body = "ä\0b";
    const { frames } = splitMessage(bytes(`MESSAGE\ncontent-length:${bytes(body).length}\n\n${body}\0MESSAGE\n\nnext\0`));
    expect(frames).toEqual([`MESSAGE\ncontent-length:4\n\n${body}`, "MESSAGE\n\nnext"]);
  });

  it("goes by the NUL where content-length is wrong", () => {
    expect(splitMessage("MESSAGE\ncontent-length:99\n\nshort\0").frames).toEqual(["MESSAGE\ncontent-length:99\n\nshort"]);
  });

  it("shows a frame that is not whole as far as it came", () => {
    expect(splitMessage("SEND\ndestination:/a").frames).toEqual(["SEND\ndestination:/a"]);
  });

  it("reads the same out of text and out of bytes", () => {
    const text = "MESSAGE\r\nsubscription:1\r\n\r\nå\0\n";
    expect(splitMessage(bytes(text))).toEqual(splitMessage(text));
  });
});

describe("parseFrame", () => {
  it("takes command, headers and body apart", () => {
    const frame = parseFrame("MESSAGE\ndestination:/topic/a\\cb\nx:1\nx:2\n\none\n\ntwo");
    expect(frame.command).toBe("MESSAGE");
    expect(header(frame, "destination")).toBe("/topic/a:b");
    expect(header(frame, "x")).toBe("1");
    expect(header(frame, "y")).toBeUndefined();
    expect(frame.body).toBe("one\n\ntwo");
  });
});
