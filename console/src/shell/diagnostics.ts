/**
 * `window.__stompede`: a read-only look inside, for tests and for the developer console.
 *
 * Not an API: it may change with any version.
 */

import type { LonLat } from "../riders/geo";

export interface RiderView {
  readonly riderId: number;
  readonly workStatus: string;
  /** As drawn at this moment. */
  readonly x: number;
  readonly y: number;
  /** On the screen, in CSS pixels from the map's top left corner. */
  readonly screen: readonly [number, number];
}

export interface MapDiagnostics {
  riders(): RiderView[];
  camera(): { center: LonLat; zoom: number; loaded: boolean };
  /** Street features in the picture. */
  streets(): number;
  following(): number | null;
  counters(): { riders: number; positionsPerSecond: number; messagesPerSecond: number; framesDrawn: number };
  connection(): string;
}

export interface TesterDiagnostics {
  sessionId(): string | null;
  connected(): boolean;
  frames(): number;
}

export interface Diagnostics extends Partial<MapDiagnostics> {
  tester?: TesterDiagnostics;
}

declare global {
  interface Window {
    __stompede: Diagnostics;
  }
}

window.__stompede = {};

export function expose(part: Diagnostics): void {
  Object.assign(window.__stompede, part);
}
