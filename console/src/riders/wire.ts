/** What the riders' topics and the REST interface carry, checked before anything else of the page touches it. */

import { isLonLat, type LonLat } from "./geo";

export const WORK_STATUSES = ["INIT", "WORKING", "PAUSED", "DONE"] as const;
export type WorkStatus = (typeof WORK_STATUSES)[number];

export interface Report {
  readonly riderId: number;
  readonly workStatus: WorkStatus;
  readonly position: LonLat;
  /** When the position was taken, Unix milliseconds; `undefined` where the rider's client did not say. */
  readonly at: number | undefined;
}

type Json = Record<string, unknown>;

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null;
}

function status(value: unknown): WorkStatus {
  return WORK_STATUSES.find((known) => known === value) ?? "WORKING";
}

function time(value: unknown): number | undefined {
  const parsed = typeof value === "string" ? Date.parse(value) : typeof value === "number" ? value : NaN;
  return Number.isFinite(parsed) ? parsed : undefined;
}

function report(item: Json, x: unknown, y: unknown, at: unknown): Report | undefined {
  if (!Number.isInteger(item["riderId"]) || !isLonLat(x, y)) return undefined;
  return {
    riderId: item["riderId"] as number,
    workStatus: status(item["workStatus"]),
    position: [x as number, y as number],
    at: time(at),
  };
}

function list(body: unknown): Json[] {
  const riders = isObject(body) ? body["riders"] : undefined;
  return Array.isArray(riders) ? riders.filter(isObject) : [];
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Body of `/topic/rider/{riderId}`: one report, or `undefined` when it is none. */
export function readRider(text: string): Report | undefined {
  const body = parse(text);
  if (!isObject(body) || !isObject(body["data"])) return undefined;
  return report(body, body["data"]["x"], body["data"]["y"], body["at"]);
}

/** Body of `/topic/riders`: the reports that can be read. */
export function readBatch(text: string): Report[] {
  return list(parse(text)).flatMap((item) => report(item, item["x"], item["y"], item["at"]) ?? []);
}

/** Answer of `GET /api/v1/riders`. */
export function readNearby(body: unknown): Report[] {
  return list(body).flatMap((item) => report(item, item["lon"], item["lat"], item["updatedAt"]) ?? []);
}
