/**
 * The look of the built-in city: its streets as lines, in both themes.
 *
 * The style has no `glyphs` URL on purpose: MapLibre then draws the street names with the fonts of the device, and
 * nothing has to be fetched for them.
 */

import type { ExpressionSpecification, LayerSpecification, StyleSpecification } from "maplibre-gl";
import type { ConsoleConfig } from "../shell/config";
import type { Theme } from "../shell/theme";

interface Palette {
  readonly ground: string;
  readonly major: string;
  readonly minor: string;
  readonly service: string;
  readonly walk: string;
  readonly casing: string;
  readonly name: string;
  readonly halo: string;
}

const PALETTES: Readonly<Record<Theme, Palette>> = {
  light: {
    ground: "#e6e3db",
    major: "#ffffff",
    minor: "#fbfaf7",
    service: "#f3f1eb",
    walk: "#bdb6a6",
    casing: "#c6c0b2",
    name: "#5d5a52",
    halo: "#ffffff",
  },
  dark: {
    ground: "#14181d",
    major: "#46515d",
    minor: "#37414b",
    service: "#2b333c",
    walk: "#3a444e",
    casing: "#0d1013",
    name: "#a5b0ba",
    halo: "#14181d",
  },
};

interface StreetClass {
  readonly id: string;
  readonly highways: readonly string[];
  /** Width in pixels at zoom 13, 16 and 19. */
  readonly width: readonly [number, number, number];
  readonly colour: keyof Palette;
  readonly cased: boolean;
}

/** From the least to the most important: later ones are drawn over earlier ones. */
const CLASSES: readonly StreetClass[] = [
  { id: "service", highways: ["service"], width: [0.7, 2.6, 11], colour: "service", cased: true },
  { id: "square", highways: ["pedestrian", "corridor"], width: [1, 4, 18], colour: "service", cased: true },
  { id: "street", highways: ["residential", "unclassified", "living_street"], width: [1.5, 6, 26], colour: "minor", cased: true },
  { id: "tertiary", highways: ["tertiary", "tertiary_link"], width: [2, 7.5, 30], colour: "major", cased: true },
  { id: "secondary", highways: ["secondary", "secondary_link"], width: [2.6, 9, 34], colour: "major", cased: true },
  { id: "primary", highways: ["primary", "primary_link", "trunk", "motorway"], width: [3, 10.5, 38], colour: "major", cased: true },
];
const WALKS = ["footway", "path", "trail", "steps", "cycleway", "elevator"];
const SOURCE = "streets";
/** Name of the source of online tiles. */
export const TILES = "tiles";

function widths([far, middle, near]: StreetClass["width"], extra: number): ExpressionSpecification {
  return ["interpolate", ["exponential", 1.6], ["zoom"], 13, far + extra / 2, 16, middle + extra, 19, near + extra * 1.5];
}

function among(highways: readonly string[]): ExpressionSpecification {
  return ["in", ["get", "highway"], ["literal", [...highways]]];
}

function street(kind: StreetClass, palette: Palette, casing: boolean): LayerSpecification {
  return {
    id: `${kind.id}${casing ? "-casing" : ""}`,
    type: "line",
    source: SOURCE,
    filter: among(kind.highways),
    layout: { "line-cap": "round", "line-join": "round" },
    paint: {
      "line-color": casing ? palette.casing : palette[kind.colour],
      "line-width": widths(kind.width, casing ? 1.6 : 0),
    },
  };
}

function walks(palette: Palette): LayerSpecification {
  return {
    id: "walks",
    type: "line",
    source: SOURCE,
    minzoom: 14,
    filter: among(WALKS),
    paint: {
      "line-color": palette.walk,
      "line-width": ["interpolate", ["exponential", 1.5], ["zoom"], 14, 0.4, 16, 0.8, 19, 2.5],
      "line-dasharray": [3, 2],
      "line-opacity": ["interpolate", ["linear"], ["zoom"], 14, 0.35, 16, 0.8],
    },
  };
}

function names(palette: Palette): LayerSpecification {
  return {
    id: "names",
    type: "symbol",
    source: SOURCE,
    minzoom: 14.5,
    filter: ["all", ["has", "name"], ["!", among(WALKS)]],
    layout: {
      "symbol-placement": "line",
      "symbol-spacing": 320,
      "text-field": ["get", "name"],
      "text-font": ["system-ui, sans-serif"],
      "text-size": ["interpolate", ["linear"], ["zoom"], 14.5, 10.5, 17, 12.5, 19, 15],
      "text-letter-spacing": 0.02,
      "text-max-angle": 30,
      "text-padding": 6,
    },
    paint: { "text-color": palette.name, "text-halo-color": palette.halo, "text-halo-width": 1.6 },
  };
}

function background(config: ConsoleConfig, theme: Theme): LayerSpecification[] {
  const ground: LayerSpecification = {
    id: "ground",
    type: "background",
    paint: { "background-color": PALETTES[theme].ground },
  };
  if (config.tiles === null) return [ground];
  const dark = theme === "dark";
  return [
    ground,
    {
      id: TILES,
      type: "raster",
      source: TILES,
      paint: { "raster-brightness-max": dark ? 0.45 : 1, "raster-saturation": dark ? -0.6 : -0.2 },
    },
  ];
}

export function mapStyle(config: ConsoleConfig, theme: Theme): StyleSpecification {
  const palette = PALETTES[theme];
  const cased = CLASSES.filter((kind) => kind.cased);
  return {
    version: 8,
    sources: {
      [SOURCE]: {
        type: "geojson",
        data: new URL("/map/helsinki.geojson", location.href).href,
        attribution: config.city.attribution,
        tolerance: 0.2,
        maxzoom: 16,
      },
      ...(config.tiles === null
        ? {}
        : { [TILES]: { type: "raster", tiles: [config.tiles], tileSize: 256, attribution: config.tilesAttribution } }),
    },
    layers: [
      ...background(config, theme),
      walks(palette),
      ...cased.map((kind) => street(kind, palette, true)),
      ...CLASSES.map((kind) => street(kind, palette, false)),
      names(palette),
    ],
  };
}
