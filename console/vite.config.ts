import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

/** `npm run dev` serves the page with reloading; everything that is not the page comes from a running node. */
const NODE_URL = "http://127.0.0.1:8080";

/** Smaller files are not worth a second copy. */
const PACKED_FROM_BYTES = 2048;

const LICENSES = "third-party-licenses.md";

/**
 * Writes `x.js.gz` beside `x.js`: packed once here, rather than by the node for every browser that asks.
 *
 * After the files are written: only then has Vite put the last names into them.
 */
function packed(): Plugin {
  return {
    name: "packed",
    apply: "build",
    async writeBundle({ dir = "" }, bundle) {
      for (const fileName of Object.keys(bundle).filter((name) => name.startsWith("assets/"))) {
        const source = await readFile(join(dir, fileName));
        if (source.length < PACKED_FROM_BYTES) continue;
        await writeFile(join(dir, `${fileName}.gz`), gzipSync(source, { level: 9 }));
      }
    },
  };
}

/**
 * Adds what Swagger UI's licence file does not hold: its notice (Apache 2.0 section 4 d), and the licences of what its
 * makers bundled into it.
 *
 * After the files are written: only then is Vite's own list there.
 */
function swaggerNotices(): Plugin {
  return {
    name: "swagger-notices",
    apply: "build",
    async writeBundle({ dir = "" }) {
      const folder = "node_modules/swagger-ui-dist";
      const texts = await Promise.all(["NOTICE", "swagger-ui-es-bundle.js.LICENSE.txt"].map((name) => readFile(join(folder, name), "utf8")));
      await appendFile(join(dir, LICENSES), `\n## Notices of swagger-ui-dist\n\n${texts.join("\n")}`);
    },
  };
}

/** Nothing is painted before the script has set the chosen theme: no flash of the other one. */
function paintLater(): Plugin {
  return {
    name: "paint-later",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler: (html) => html.replace('<script type="module"', '<script type="module" blocking="render"'),
    },
  };
}

export default defineConfig({
  plugins: [packed(), swaggerNotices(), paintLater()],
  // Relative to nothing: the node serves the page at / and its parts under /assets.
  base: "/",
  publicDir: false,
  build: {
    outDir: "../src/stompede/apps/console/static",
    emptyOutDir: true,
    // What is bundled keeps its licences: BSD and Apache want their texts beside every copy.
    license: { fileName: LICENSES },
    target: "es2023",
    // An inlined asset is a data: URL, which the page's Content-Security-Policy does not allow.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // MapLibre is about 1 MB, Swagger UI 1.7 MB; each is its own chunk, which only its page asks for.
    chunkSizeWarningLimit: 1800,
    reportCompressedSize: false,
    rolldownOptions: {
      input: { index: "index.html", docs: "docs.html" },
      output: {
        codeSplitting: {
          groups: [
            { name: "maplibre", test: /node_modules[\\/](maplibre-gl|@maplibre|@mapbox)/ },
            { name: "stompjs", test: /node_modules[\\/]@stomp/ },
            { name: "swagger-ui", test: /node_modules[\\/]swagger-ui-dist/ },
          ],
        },
      },
    },
  },
  server: {
    proxy: {
      "/api": NODE_URL,
      "/openapi.json": NODE_URL,
      "/map/helsinki.geojson": NODE_URL,
      "/favicon.svg": NODE_URL,
      "/stomp": { target: NODE_URL, ws: true },
      "/ws": { target: NODE_URL, ws: true },
    },
  },
});
