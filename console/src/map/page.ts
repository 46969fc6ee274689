/** The Map tab: joins the link, the store, the map and the side panel. */

import { LngLatBounds, type ErrorEvent, type Map as MapLibre, type MapMouseEvent } from "maplibre-gl";
import { RiderStore } from "../riders/store";
import { readNearby, type Report } from "../riders/wire";
import { endpointUrl, type ConsoleConfig } from "../shell/config";
import { expose } from "../shell/diagnostics";
import { announce, byId, setNote } from "../shell/dom";
import { authorization, currentToken, onToken } from "../shell/token";
import { createBaseMap, reducedMotion, showCity } from "./base";
import { FollowCamera } from "./camera";
import { RidersLink, type LinkState } from "./link";
import { RiderList } from "./list";
import { RiderOverlay } from "./overlay";
import { Figures, showFollowed, showState } from "./panel";
import { TILES } from "./style";

const PANEL_EVERY_MS = 500;
/** A page that nobody sees for this long gives its connection back. */
const HIDDEN_PAUSE_MS = 60_000;
const NEARBY_RADIUS_M = 5_000;
const NEARBY_LIMIT = 1_000;
const MOUSE_REACH = 14;
const TOUCH_REACH = 24;

class MapPage {
  readonly #store = new RiderStore();
  readonly #figures = new Figures();
  readonly #list = new RiderList(this.#store, (riderId) => this.#follow(riderId));
  readonly #link: RidersLink;
  readonly #map: MapLibre;
  readonly #overlay: RiderOverlay;
  readonly #camera: FollowCamera;
  #state: LinkState = "connecting";
  #followed: number | null = null;
  #frame: number | undefined;
  #timer: number | undefined;
  #pause: number | undefined;
  #drawnVersion = -1;
  #stale = true;
  #shown = false;

  constructor(private readonly config: ConsoleConfig) {
    byId("city").textContent = config.city.name;
    this.#map = createBaseMap(byId("map"), config);
    this.#overlay = new RiderOverlay(this.#map, this.#store);
    this.#camera = new FollowCamera(this.#map);
    this.#link = new RidersLink(endpointUrl(config.endpoint), () => this.#headers(), {
      reports: (reports, source) => this.#take(reports, source),
      message: () => this.#figures.messages.add(1, performance.now()),
      state: (state) => this.#changed(state),
      refused: (detail) => setNote(byId("link-note"), `The node says: ${detail}`),
    });
    this.#listen();
    this.#diagnose();
    this.#link.start();
  }

  shown(): void {
    this.#shown = true;
    this.#map.resize();
    this.#stale = true;
    this.#frame ??= requestAnimationFrame((now) => this.#tick(now));
    this.#timer ??= window.setInterval(() => this.#refresh(), PANEL_EVERY_MS);
    this.#refresh();
  }

  hidden(): void {
    this.#shown = false;
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
    window.clearInterval(this.#timer);
    this.#frame = this.#timer = undefined;
  }

  #listen(): void {
    const map = this.#map;
    map.on("render", () => this.#overlay.draw(performance.now()));
    map.on("click", (event) => this.#clicked(event));
    map.on("mousemove", (event) => this.#hover(this.#overlay.near(event.point.x, event.point.y, MOUSE_REACH)));
    map.on("mouseout", () => this.#hover(null));
    map.on("dragstart", () => this.#follow(null));
    map.on("error", (event) => this.#mapError(event));
    byId("unfollow").addEventListener("click", () => this.#follow(null));
    byId("fit").addEventListener("click", () => this.#showAll());
    addEventListener("keydown", (event) => this.#key(event));
    if (!this.config.demo) onToken(() => void this.#link.renew());
    addEventListener("online", () => void this.#link.hurry());
    document.addEventListener("visibilitychange", () => this.#visibility());
  }

  /** Online tiles may fail, as networks do: the streets of the city are there all the same. */
  #mapError(event: ErrorEvent & { sourceId?: string }): void {
    if (event.sourceId !== TILES) setNote(byId("map-message"), `The map could not be drawn: ${event.error.message}`);
  }

  /** In the demo everybody may look; elsewhere with the token of the login on the other tab. */
  #headers(): Record<string, string> {
    return this.config.demo ? {} : authorization();
  }

  #take(reports: Report[], source: "overview" | "followed"): void {
    const now = performance.now();
    const wall = Date.now();
    for (const report of reports) {
      if (!this.#store.apply(report, now, wall)) continue;
      this.#figures.positions.add(1, now);
      this.#figures.arrived(report.at, wall, source);
    }
  }

  #changed(state: LinkState): void {
    if (state === this.#state) return;
    this.#state = state;
    showState(state);
    if (state !== "connecting") announce(`Connection: ${byId("link-state").textContent}`);
    if (state === "live") void this.#loadNearby();
  }

  /** Riders who stand still send seldom: the overview alone would show them late. */
  async #loadNearby(): Promise<void> {
    if (!this.config.demo && currentToken() === undefined) return; // it would be refused, as the topic was
    const [west, south, east, north] = this.config.city.bounds;
    const query = new URLSearchParams({
      lat: String((south + north) / 2),
      lon: String((west + east) / 2),
      radius: String(NEARBY_RADIUS_M),
      limit: String(NEARBY_LIMIT),
    });
    const response = await fetch(`/api/v1/riders?${query}`, { headers: this.#headers() }).catch(() => undefined);
    if (!response?.ok) return; // the topic brings everybody who moves
    const now = performance.now();
    for (const report of readNearby(await response.json())) this.#store.apply(report, now, Date.now());
  }

  #follow(riderId: number | null): void {
    if (riderId === this.#followed) return;
    const rider = riderId === null ? undefined : this.#store.get(riderId);
    this.#followed = this.#overlay.followed = rider?.riderId ?? null;
    this.#figures.followedAnother();
    this.#link.follow(this.#followed);
    if (rider) this.#camera.begin(rider.motion.target, !reducedMotion.matches);
    else this.#camera.end();
    announce(rider ? `Following rider ${rider.riderId}. Escape stops.` : "Following stopped.");
    this.#stale = true;
    this.#refresh();
  }

  #clicked(event: MapMouseEvent): void {
    const touch = event.originalEvent instanceof PointerEvent && event.originalEvent.pointerType === "touch";
    const riderId = this.#overlay.near(event.point.x, event.point.y, touch ? TOUCH_REACH : MOUSE_REACH);
    if (riderId !== null) this.#follow(riderId);
  }

  #hover(riderId: number | null): void {
    if (riderId === this.#overlay.hovered) return;
    this.#overlay.hovered = riderId;
    this.#map.getCanvas().classList.toggle("over-rider", riderId !== null);
    this.#stale = true;
  }

  #key(event: KeyboardEvent): void {
    if (!this.#shown) return;
    const typing = event.target instanceof HTMLInputElement;
    if (event.key === "Escape" && this.#followed !== null) {
      event.preventDefault();
      this.#follow(null);
    } else if (event.key === "/" && !typing) {
      event.preventDefault();
      this.#list.focusSearch();
    }
  }

  #showAll(): void {
    this.#follow(null);
    const bounds = new LngLatBounds();
    for (const rider of this.#store.all()) bounds.extend([...rider.motion.target] as [number, number]);
    if (bounds.isEmpty()) showCity(this.#map, this.config);
    else this.#map.fitBounds(bounds, { padding: 50, maxZoom: 16, animate: !reducedMotion.matches });
  }

  #visibility(): void {
    window.clearTimeout(this.#pause);
    if (document.hidden) this.#pause = window.setTimeout(() => void this.#link.pause(), HIDDEN_PAUSE_MS);
    else if (this.#state === "paused") this.#link.start();
  }

  #tick(now: number): void {
    this.#frame = requestAnimationFrame((next) => this.#tick(next));
    const followed = this.#followed === null ? undefined : this.#store.get(this.#followed);
    if (followed) this.#camera.step(this.#overlay.pose(followed, now).position, now, !reducedMotion.matches);
    if (!this.#stale && this.#drawnVersion === this.#store.version) return;
    this.#drawnVersion = this.#store.version;
    this.#stale = this.#overlay.draw(now);
  }

  #refresh(): void {
    const now = performance.now();
    if (this.#store.sweep(now).includes(this.#followed ?? NaN)) this.#follow(null);
    this.#figures.show(this.#store, now);
    this.#list.update(this.#followed);
    showFollowed(this.#followed === null ? undefined : this.#store.get(this.#followed), this.#figures, now);
  }

  #diagnose(): void {
    expose({
      riders: () => [...this.#store.all()].map((rider) => {
        const [x, y] = this.#overlay.pose(rider, performance.now()).position;
        const screen = this.#map.project([x, y]);
        return { riderId: rider.riderId, workStatus: rider.workStatus, x, y, screen: [screen.x, screen.y] as const };
      }),
      camera: () => {
        const { lng, lat } = this.#map.getCenter();
        return { center: [lng, lat], zoom: this.#map.getZoom(), loaded: this.#map.loaded() };
      },
      streets: () => this.#map.queryRenderedFeatures().length,
      following: () => this.#followed,
      counters: () => {
        const now = performance.now();
        return {
          riders: this.#store.size,
          positionsPerSecond: this.#figures.positions.perSecond(now),
          messagesPerSecond: this.#figures.messages.perSecond(now),
          framesDrawn: this.#overlay.frames,
        };
      },
      connection: () => this.#state,
    });
  }
}

export function start(config: ConsoleConfig): MapPage {
  return new MapPage(config);
}
