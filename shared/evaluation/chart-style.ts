/**
 * What all charts share: colours, style sheets for light and dark, numbers and text as SVG wants them. Equal input gives
 * equal bytes: no clock, no locale, no random ids.
 */

/** Colours that differ for every common kind of colour blindness (Okabe and Ito), darkened for white, lightened for black. */
const COLOURS = [
  { light: "#b3421c", dark: "#f2a07b" },
  { light: "#0067a5", dark: "#6cb9f0" },
  { light: "#00735a", dark: "#4fd0ab" },
  { light: "#8a4f9e", dark: "#d6a3e6" },
  { light: "#7a6400", dark: "#e0c64a" },
  { light: "#4a4a4a", dark: "#bdbdbd" },
] as const;

/** The style sheet of a chart whose `count` series carry the classes `s0`, `s1`, … */
export function chartStyle(count: number, rules: readonly string[]): string {
  const used = Array.from({ length: count }, (_, index) => COLOURS[index % COLOURS.length] ?? COLOURS[0]);
  return [
    "text{font-family:system-ui,sans-serif;font-size:15px}.heading{font-size:17px;font-weight:600}",
    scheme(
      "#ffffff",
      "#1b1f24",
      "#57606a",
      "#d8dee4",
      used.map(({ light }) => light),
    ),
    `@media (prefers-color-scheme:dark){${scheme(
      "#15181c",
      "#e8eaed",
      "#a3acb6",
      "#343a41",
      used.map(({ dark }) => dark),
    )}}`,
    ...rules,
  ].join("");
}

/** Style rules of one colour scheme. */
function scheme(paper: string, ink: string, faint: string, grid: string, colours: readonly string[]): string {
  return (
    `.paper{fill:${paper}}text{fill:${ink}}.tick,.axis{fill:${faint}}.grid{stroke:${grid}}` +
    colours.map((colour, index) => `.s${index}{stroke:${colour};fill:${colour}}`).join("")
  );
}

/** Two decimals without trailing zeros: enough for a screen, stable as text. */
export function svgNumber(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** Escapes text for XML content and attributes, and drops control characters, which XML 1.0 cannot hold. */
export function escapeXml(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\uFFFE\uFFFF]/gu, "")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}
