import { describe, expect, it } from "vitest";
import { Track } from "../src/position.js";

function subscribed(position?: string): Track {
  const track = new Track();
  track.begin();
  track.confirmed(position, false);
  return track;
}

describe("Track", () => {
  it("recovers from where the stream stood when nothing has come yet", () => {
    expect(subscribed("e1-7").from).toBe("e1-7");
  });

  it("recovers from the last message", () => {
    const track = subscribed("e1-7");
    track.accept("e1-8");
    track.accept("e1-12");
    expect(track.from).toBe("e1-12");
  });

  it("takes ids for positions only where the RECEIPT had one", () => {
    const track = subscribed();
    expect([track.accept("e1-8"), track.accept("e1-8"), track.accept("e1-7")]).toEqual([true, true, true]);
    expect(track.from).toBeUndefined();
  });

  it("takes no other text for a position", () => {
    for (const text of ["", "7", "E-7", "e-7x", "e:7", "-7"]) expect(subscribed(text).from).toBeUndefined();
  });

  it("drops what came before, at any length of the offset", () => {
    const track = subscribed("e1-0");
    expect(["e1-9", "e1-10", "e1-9", "e1-10", "e1-90071992547409930", "e1-90071992547409929"].map((id) => track.accept(id)))
      .toEqual([true, true, false, false, true, false]);
  });

  it("takes everything of another epoch", () => {
    const track = subscribed("e1-50");
    track.accept("e1-51");
    expect([track.accept("e2-1"), track.accept("e2-1")]).toEqual([true, false]);
    expect(track.from).toBe("e2-1");
  });

  it("is not moved by the position of a recovery, as what was missed may follow it", () => {
    const track = subscribed("e1-1");
    track.accept("e1-2");
    track.begin();
    track.confirmed("e1-5", true);
    expect([3, 4, 5].map((offset) => track.accept(`e1-${offset}`))).toEqual([true, true, true]);
  });

  it("starts anew where nothing was recovered", () => {
    const track = subscribed("e1-1");
    track.accept("e1-900");
    track.begin();
    track.confirmed("e1-5", false);
    expect(track.from).toBe("e1-5");
    expect(track.accept("e1-6")).toBe(true);
  });

  it("keeps what came before a RECEIPT that came late", () => {
    const track = new Track();
    track.begin();
    track.accept("e1-8");
    track.confirmed("e1-7", false);
    expect([track.accept("e1-8"), track.from]).toEqual([false, "e1-8"]);
  });
});
