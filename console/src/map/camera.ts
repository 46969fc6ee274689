/** The camera that goes with a followed rider. */

import type { Map as MapLibre } from "maplibre-gl";
import { between, type LonLat } from "../riders/geo";

/** The camera makes good 63 % of what it lags behind in this time. */
const LAG_MS = 220;
/** Street level: following from afar shows no movement. */
const FOLLOW_ZOOM = 16.4;

export class FollowCamera {
  #last: number | undefined;

  constructor(private readonly map: MapLibre) {}

  /** Starts at a rider: near enough to see it move. */
  begin(position: LonLat, animate: boolean): void {
    this.#last = undefined;
    // Zooming with the wheel would pull the rider out of the middle.
    this.map.scrollZoom.enable({ around: "center" });
    this.map.easeTo({
      center: [...position],
      zoom: Math.max(this.map.getZoom(), FOLLOW_ZOOM),
      duration: animate ? 700 : 0,
    });
  }

  end(): void {
    this.map.scrollZoom.enable();
  }

  /** One frame of following. Leaves the camera alone while a gesture or the flight to the rider moves it. */
  step(position: LonLat, now: number, smooth: boolean): void {
    const elapsed = now - (this.#last ?? now);
    this.#last = now;
    if (this.map.isMoving()) return;
    const center = this.map.getCenter();
    const part = smooth ? 1 - Math.exp(-elapsed / LAG_MS) : 1;
    this.map.setCenter([...between([center.lng, center.lat], position, part)]);
  }
}
