/** Positions on the earth, as far as a map of a city needs them. */

/** Longitude and latitude in degrees (WGS 84), the order of GeoJSON and of the riders' messages. */
export type LonLat = readonly [lon: number, lat: number];

const EARTH_RADIUS_M = 6_371_008.8;
const RADIANS = Math.PI / 180;

/** Metres east and north of `a` at which `b` lies; a flat earth is exact enough within a city. */
function offsetM(a: LonLat, b: LonLat): [east: number, north: number] {
  const east = (b[0] - a[0]) * RADIANS * EARTH_RADIUS_M * Math.cos(((a[1] + b[1]) / 2) * RADIANS);
  const north = (b[1] - a[1]) * RADIANS * EARTH_RADIUS_M;
  return [east, north];
}

/** Distance in metres. */
export function distanceM(a: LonLat, b: LonLat): number {
  return Math.hypot(...offsetM(a, b));
}

/** Compass bearing from `a` to `b` in degrees: 0 is north, 90 is east. */
export function bearing(a: LonLat, b: LonLat): number {
  const [east, north] = offsetM(a, b);
  return (Math.atan2(east, north) / RADIANS + 360) % 360;
}

/** The angle a part `t` of the way from `a` to `b`, the shorter way round, in 0 to 360 degrees. */
export function turn(a: number, b: number, t: number): number {
  const difference = ((b - a + 540) % 360) - 180;
  return (a + difference * t + 360) % 360;
}

/** The point a part `t` of the way from `a` to `b`. */
export function between(a: LonLat, b: LonLat, t: number): LonLat {
  return [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t];
}

export function isLonLat(x: unknown, y: unknown): boolean {
  return (
    typeof x === "number" && typeof y === "number" &&
    Number.isFinite(x) && Number.isFinite(y) && Math.abs(x) <= 180 && Math.abs(y) <= 90
  );
}
