/** Small pictures of riders, one per status: drawn once per theme and screen, stamped many times. */

import type { WorkStatus } from "../riders/wire";

/** Radius of a rider's picture in CSS pixels. */
export const RADIUS = 9;
const SIZE = RADIUS * 2 + 6;

export type Sprites = Readonly<Record<WorkStatus, HTMLCanvasElement>>;

function pencil(ratio: number): CanvasRenderingContext2D {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = Math.ceil(SIZE * ratio);
  const pen = canvas.getContext("2d");
  if (pen === null) throw new Error("this browser has no 2D canvas");
  pen.scale(ratio, ratio);
  pen.translate(SIZE / 2, SIZE / 2);
  pen.lineJoin = "round";
  return pen;
}

/** An arrow that looks north. */
function arrow(pen: CanvasRenderingContext2D): void {
  pen.beginPath();
  pen.moveTo(0, -RADIUS);
  pen.lineTo(RADIUS * 0.78, RADIUS * 0.8);
  pen.lineTo(0, RADIUS * 0.42);
  pen.lineTo(-RADIUS * 0.78, RADIUS * 0.8);
  pen.closePath();
}

function disc(pen: CanvasRenderingContext2D, radius: number): void {
  pen.beginPath();
  pen.arc(0, 0, radius, 0, Math.PI * 2);
}

function filled(pen: CanvasRenderingContext2D, fill: string, edge: string): void {
  pen.lineWidth = 3;
  pen.strokeStyle = edge;
  pen.stroke();
  pen.fillStyle = fill;
  pen.fill();
}

const DRAW: Readonly<Record<WorkStatus, (pen: CanvasRenderingContext2D, fill: string, edge: string) => void>> = {
  WORKING(pen, fill, edge) {
    arrow(pen);
    filled(pen, fill, edge);
  },
  // The shapes differ as well as the colours, for those who do not tell the colours apart.
  INIT(pen, fill, edge) {
    disc(pen, RADIUS * 0.66);
    filled(pen, fill, edge);
    disc(pen, RADIUS * 0.26);
    pen.fillStyle = edge;
    pen.fill();
  },
  PAUSED(pen, fill, edge) {
    disc(pen, RADIUS * 0.72);
    filled(pen, fill, edge);
    pen.fillStyle = edge;
    pen.fillRect(-2.6, -2.8, 1.8, 5.6);
    pen.fillRect(0.8, -2.8, 1.8, 5.6);
  },
  DONE(pen, fill, edge) {
    disc(pen, RADIUS * 0.5);
    filled(pen, edge, edge);
    disc(pen, RADIUS * 0.5);
    pen.lineWidth = 1.8;
    pen.strokeStyle = fill;
    pen.stroke();
  },
};

/** Reads the colours from the page's style, so that there is one place for them. */
export function makeSprites(ratio: number): Sprites {
  const style = getComputedStyle(document.documentElement);
  const edge = style.getPropertyValue("--rider-edge").trim();
  const make = (status: WorkStatus): HTMLCanvasElement => {
    const pen = pencil(ratio);
    DRAW[status](pen, style.getPropertyValue(`--status-${status.toLowerCase()}`).trim(), edge);
    return pen.canvas;
  };
  return { INIT: make("INIT"), WORKING: make("WORKING"), PAUSED: make("PAUSED"), DONE: make("DONE") };
}
