/**
 * The riders, drawn on one canvas above the map.
 *
 * A canvas of its own, rather than a layer of the map: hundreds of riders move in every frame, and so the streets need
 * not be drawn again while the camera stands still. While it moves, the riders are drawn in the map's own frame.
 */

import type { Map as MapLibre } from "maplibre-gl";
import type { LonLat } from "../riders/geo";
import { SILENT_MS, type Rider, type RiderStore } from "../riders/store";
import { onTheme } from "../shell/theme";
import { reducedMotion } from "./base";
import { makeSprites, RADIUS, type Sprites } from "./sprites";

/** Sizes relative to the picture's own, by zoom. */
const SMALL_ZOOM = 12;
const LARGE_ZOOM = 17;
const SILENT_ALPHA = 0.4;

interface Drawn {
  readonly riderId: number;
  readonly x: number;
  readonly y: number;
}

export class RiderOverlay {
  readonly #canvas = document.createElement("canvas");
  readonly #pen: CanvasRenderingContext2D;
  #sprites: Sprites | undefined;
  #drawn: Drawn[] = [];
  #width = 0;
  #height = 0;
  #ratio = 1;
  followed: number | null = null;
  hovered: number | null = null;
  /** Frames drawn so far. */
  frames = 0;

  constructor(private readonly map: MapLibre, private readonly store: RiderStore) {
    const pen = this.#canvas.getContext("2d");
    if (pen === null) throw new Error("this browser has no 2D canvas");
    this.#pen = pen;
    this.#canvas.className = "rider-overlay";
    map.getCanvasContainer().append(this.#canvas);
    map.on("resize", () => this.resize());
    onTheme(() => (this.#sprites = undefined));
    this.resize();
  }

  resize(): void {
    const { clientWidth, clientHeight } = this.map.getContainer();
    this.#width = clientWidth;
    this.#height = clientHeight;
    this.#ratio = Math.min(devicePixelRatio || 1, 2);
    this.#canvas.width = Math.round(clientWidth * this.#ratio);
    this.#canvas.height = Math.round(clientHeight * this.#ratio);
    this.#sprites = undefined;
  }

  /** Where a rider is drawn at `now`. */
  pose(rider: Rider, now: number): { position: LonLat; heading: number } {
    return reducedMotion.matches ? rider.motion.at(Infinity) : rider.motion.at(now);
  }

  /** Draws all riders; returns whether any is still on its way, so that the next frame differs. */
  draw(now: number): boolean {
    const pen = this.#pen;
    const sprites = (this.#sprites ??= makeSprites(this.#ratio));
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    this.frames++;
    this.#drawn = [];
    const scale = this.#scale();
    const bearing = this.map.getBearing();
    let moving = false;
    const last: Rider[] = [];
    for (const rider of this.store.all()) {
      moving ||= !reducedMotion.matches && rider.motion.moving(now);
      if (rider.riderId === this.followed || rider.riderId === this.hovered) last.push(rider);
      else this.#stamp(rider, now, sprites, scale, bearing);
    }
    for (const rider of last) {
      if (rider.riderId === this.followed) this.#trail(rider, now);
      this.#ring(rider, now, scale);
      this.#stamp(rider, now, sprites, scale * 1.15, bearing);
    }
    return moving;
  }

  /** The rider nearest to a point of the map's picture, within `reach` CSS pixels. */
  near(x: number, y: number, reach: number): number | null {
    let best: number | null = null;
    let bestDistance = reach;
    for (const drawn of this.#drawn) {
      const distance = Math.hypot(drawn.x - x, drawn.y - y);
      if (distance <= bestDistance) {
        best = drawn.riderId;
        bestDistance = distance;
      }
    }
    return best;
  }

  #scale(): number {
    const part = (this.map.getZoom() - SMALL_ZOOM) / (LARGE_ZOOM - SMALL_ZOOM);
    return 0.55 + 0.55 * Math.min(Math.max(part, 0), 1);
  }

  #stamp(rider: Rider, now: number, sprites: Sprites, scale: number, bearing: number): void {
    const { position, heading } = this.pose(rider, now);
    const { x, y } = this.map.project(position as [number, number]);
    if (x < -RADIUS || y < -RADIUS || x > this.#width + RADIUS || y > this.#height + RADIUS) return;
    this.#drawn.push({ riderId: rider.riderId, x, y });
    const sprite = sprites[rider.workStatus];
    const turned = rider.workStatus === "WORKING" ? ((heading - bearing) * Math.PI) / 180 : 0;
    const cos = Math.cos(turned) * scale;
    const sin = Math.sin(turned) * scale;
    this.#pen.globalAlpha = now - rider.lastSeen > SILENT_MS ? SILENT_ALPHA : 1;
    this.#pen.setTransform(cos, sin, -sin, cos, x * this.#ratio, y * this.#ratio);
    this.#pen.drawImage(sprite, -sprite.width / 2, -sprite.height / 2);
    this.#pen.globalAlpha = 1;
  }

  #ring(rider: Rider, now: number, scale: number): void {
    const { x, y } = this.map.project(this.pose(rider, now).position as [number, number]);
    const pen = this.#pen;
    const colour = getComputedStyle(this.#canvas).getPropertyValue("--accent");
    pen.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    pen.beginPath();
    pen.arc(x, y, RADIUS * scale * 1.9, 0, Math.PI * 2);
    pen.globalAlpha = 0.18;
    pen.fillStyle = colour;
    pen.fill();
    pen.globalAlpha = 1;
    pen.lineWidth = 2;
    pen.strokeStyle = colour;
    pen.stroke();
  }

  #trail(rider: Rider, now: number): void {
    const points = [...rider.trail(), this.pose(rider, now).position];
    if (points.length < 2) return;
    const pen = this.#pen;
    pen.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    pen.beginPath();
    for (const point of points) {
      const { x, y } = this.map.project(point as [number, number]);
      pen.lineTo(x, y);
    }
    pen.lineWidth = 3;
    pen.lineJoin = pen.lineCap = "round";
    pen.strokeStyle = getComputedStyle(this.#canvas).getPropertyValue("--accent");
    pen.globalAlpha = 0.55;
    pen.stroke();
    pen.globalAlpha = 1;
  }
}
