/** The MapLibre map under the riders. */

import { AttributionControl, Map as MapLibre, NavigationControl, ScaleControl, setWorkerUrl } from "maplibre-gl";
import "maplibre-gl/dist/maplibre-gl.css";
// The worker is a file of its own, so that the page's Content-Security-Policy needs no blob: for it.
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";
import type { ConsoleConfig } from "../shell/config";
import { currentTheme, onTheme } from "../shell/theme";
import { mapStyle } from "./style";

const NEAREST_ZOOM = 20;
const FARTHEST_ZOOM = 9;
/** The city is higher than wide, most screens are not: a little nearer than all of it fills the first picture better. */
const FILL_ZOOM = 0.5;

export const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

/** Makes the map, looking at the built-in city; throws where the browser has no WebGL. */
export function createBaseMap(container: HTMLElement, config: ConsoleConfig): MapLibre {
  setWorkerUrl(workerUrl);
  const map = new MapLibre({
    container,
    style: mapStyle(config, currentTheme()),
    bounds: [...config.city.bounds],
    minZoom: FARTHEST_ZOOM,
    maxZoom: NEAREST_ZOOM,
    attributionControl: false,
    dragRotate: true,
    maxPitch: 60,
    // Clicks choose riders; a double click zooms as people expect.
    clickTolerance: 5,
  });
  map.addControl(new AttributionControl({ compact: false }), "bottom-right");
  map.addControl(new NavigationControl({ visualizePitch: true }), "top-right");
  map.addControl(new ScaleControl({ maxWidth: 90 }), "bottom-left");
  map.getCanvas().setAttribute(
    "aria-label",
    `Map of ${config.city.name}. Arrow keys move it, plus and minus zoom. The list of riders holds the same riders.`,
  );
  map.setZoom(map.getZoom() + FILL_ZOOM);
  onTheme((theme) => map.setStyle(mapStyle(config, theme)));
  return map;
}

/** Shows the whole built-in city. */
export function showCity(map: MapLibre, config: ConsoleConfig): void {
  map.fitBounds([...config.city.bounds], { padding: 12, animate: !reducedMotion.matches });
}
