/** What the node says about itself: `GET /api/v1/console`. */

export interface City {
  readonly name: string;
  /** West, south, east, north in degrees. */
  readonly bounds: readonly [number, number, number, number];
  readonly attribution: string;
}

export interface ConsoleConfig {
  /** Path of the WebSocket endpoint. */
  readonly endpoint: string;
  readonly demo: boolean;
  /** URL template of online raster tiles, or null for the built-in map alone. */
  readonly tiles: string | null;
  readonly tilesAttribution: string;
  readonly city: City;
}

export async function loadConfig(): Promise<ConsoleConfig> {
  const response = await fetch("/api/v1/console", { headers: { accept: "application/json" } });
  if (!response.ok) throw new Error(`/api/v1/console answered ${response.status}`);
  return (await response.json()) as ConsoleConfig;
}

/** The endpoint as a WebSocket URL on the host that served this page. */
export function endpointUrl(path: string): string {
  const url = new URL(path, location.href);
  url.protocol = url.protocol === "https:" || url.protocol === "wss:" ? "wss:" : "ws:";
  return url.href;
}
