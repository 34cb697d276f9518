import { html, type Html } from "../docs/html.ts";

/** "1.2 MB": three significant digits, in powers of 1000. */
export function byteWords(bytes: number): string {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let [value, unit] = [bytes, 0];
  // What rounds to 1000 of a unit is 1 of the next.
  while (Number(value.toPrecision(3)) >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${unit === 0 ? value : Number(value.toPrecision(3))} ${units[unit]}`;
}

/** "122 570", without a locale. */
export function countWords(value: number): string {
  return String(value).replaceAll(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** "96.1 %" of a fraction; a dash for what is not known. */
export function percentWords(fraction: number | null): string {
  return fraction === null ? "–" : `${(100 * fraction).toFixed(1)} %`;
}

/** "12.3 points" of a fraction. */
export function pointWords(fraction: number | null): string {
  if (fraction === null) return "–";
  const text = (100 * fraction).toFixed(1);
  return `${text === "-0.0" ? "0.0" : text} points`;
}

/** A loss, or a weight: four significant digits at most. */
export function numberWords(value: number | null): string {
  if (value === null) return "–";
  return Number.isFinite(value) ? String(Number(value.toPrecision(4))) : "not finite";
}

/** "2026-11-23 17:03 UTC" of an RFC 3339 date, which machines read from the element. */
export function timeWords(date: string): Html {
  return html`<time datetime="${date}">${date.slice(0, 16).replace("T", " ")} UTC</time>`;
}

/** The first digits of an id, with the whole behind it. */
export function shortId(id: string): Html {
  return html`<code title="${id}">${id.slice(0, 12)}</code>`;
}
