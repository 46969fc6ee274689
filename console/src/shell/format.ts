/** Figures and times as people read them. */

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumFractionDigits: 1, minimumFractionDigits: 1 });

export function count(value: number): string {
  return whole.format(value);
}

/** A rate: one decimal while it is small. */
export function rate(value: number): string {
  return value > 0 && value < 9.95 ? fine.format(value) : whole.format(value);
}

export function speed(metresPerSecond: number | undefined): string {
  return metresPerSecond === undefined ? "–" : `${fine.format(metresPerSecond * 3.6)} km/h`;
}

export function delay(ms: number | undefined): string {
  if (ms === undefined) return "–";
  return ms < 950 ? `${whole.format(Math.max(ms, 0))} ms` : `${fine.format(ms / 1000)} s`;
}

export function ago(ms: number): string {
  if (ms < 1500) return "just now";
  const seconds = Math.round(ms / 1000);
  return seconds < 90 ? `${seconds} s ago` : `${Math.round(seconds / 60)} min ago`;
}

export function size(bytes: number): string {
  return bytes < 1024 ? `${bytes} B` : `${fine.format(bytes / 1024)} KB`;
}

/** Local time of day with milliseconds. */
export function clock(time: Date): string {
  const pad = (value: number, width = 2): string => String(value).padStart(width, "0");
  return `${pad(time.getHours())}:${pad(time.getMinutes())}:${pad(time.getSeconds())}.${pad(time.getMilliseconds(), 3)}`;
}
