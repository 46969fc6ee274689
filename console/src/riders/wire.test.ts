import { describe, expect, it } from "vitest";
import { readBatch, readNearby, readRider } from "./wire";

describe("readRider", () => {
  it("reads a report", () => {
    const body = '{"riderId":7,"workStatus":"WORKING","data":{"x":24.94,"y":60.17},"at":"2026-11-21T10:00:00.123Z"}';
    expect(readRider(body)).toEqual({
      riderId: 7,
      workStatus: "WORKING",
      position: [24.94, 60.17],
      at: Date.UTC(2026, 10, 21, 10, 0, 0, 123),
    });
  });

  it("takes a report without a time", () => {
    expect(readRider('{"riderId":7,"workStatus":"INIT","data":{"x":1,"y":2}}')?.at).toBeUndefined();
  });

  it.each(["", "null", "[]", "{", '{"riderId":"7","data":{"x":1,"y":2}}', '{"riderId":7,"data":{"x":1e999,"y":2}}', '{"riderId":7}'])(
    "makes nothing of %j",
    (body) => {
      expect(readRider(body)).toBeUndefined();
    },
  );
});

describe("readBatch", () => {
  it("reads what can be read and leaves out the rest", () => {
    const body = JSON.stringify({
      riders: [{ riderId: 1, workStatus: "PAUSED", x: 24, y: 60 }, { riderId: 2, x: "no" }, null],
    });
    expect(readBatch(body).map((report) => report.riderId)).toEqual([1]);
    expect(readBatch("{}")).toEqual([]);
  });
});

describe("readNearby", () => {
  it("reads the answer of the REST interface", () => {
    const [report] = readNearby({
      riders: [{ riderId: 3, lat: 60.1, lon: 24.9, distanceM: 5, updatedAt: "2026-11-21T10:00:00Z", workStatus: "INIT" }],
    });
    expect(report).toMatchObject({ riderId: 3, position: [24.9, 60.1], workStatus: "INIT" });
    expect(readNearby(null)).toEqual([]);
  });
});
