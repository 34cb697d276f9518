/**
 * Colours of the pictures, for light and for dark. Text on its ground has a contrast of at least 4.5 (WCAG 2.2, 1.4.3), a
 * line on its ground of at least 3 (1.4.11); test/shared/evaluation/pictures/contrast.test.ts computes both. No meaning
 * hangs on a hue alone: lines differ in their dashes, steps of a ramp in lightness, badges in their sign and their words.
 */

/** Colours of one scheme. */
export interface Scheme {
  readonly paper: string;
  readonly ink: string;
  readonly faint: string;
  readonly grid: string;
  /** The curve and the interval around it. */
  readonly curve: string;
  /** The barrier's mark. */
  readonly barrier: string;
  /** From least to most: what is nothing looks like paper, what is much like ink. */
  readonly ramp: readonly string[];
}

export const LIGHT: Scheme = {
  paper: "#ffffff",
  ink: "#1b1f24",
  faint: "#57606a",
  grid: "#d8dee4",
  curve: "#0067a5",
  barrier: "#b3421c",
  ramp: ["#fff8ec", "#fde9c9", "#fad39a", "#f3b86b", "#e3964a", "#cb7433", "#a95524", "#7f3a1a", "#542411"],
};

export const DARK: Scheme = {
  paper: "#15181c",
  ink: "#e8eaed",
  faint: "#a3acb6",
  grid: "#343a41",
  curve: "#6cb9f0",
  barrier: "#f2a07b",
  ramp: ["#241e1a", "#3a2a1f", "#563922", "#784a26", "#9c5f2c", "#c07a3b", "#dd9a58", "#f0bd86", "#fbe2c2"],
};

/** Steps of a ramp. */
export const RAMP_STEPS = LIGHT.ramp.length;

/** What a badge says at a glance, besides its words. */
export const BADGE_COLOURS = {
  label: "#3d444d",
  good: "#1a7f37",
  fair: "#8a5a00",
  poor: "#b42318",
  neutral: "#0a60a8",
} as const;

/** Text on a badge. */
export const BADGE_INK = "#ffffff";

/**
 * Contrast of two colours, 1 to 21.
 * @param first as `#rrggbb`, like the second
 * @see https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
 */
export function contrast(first: string, second: string): number {
  const [lighter = 0, darker = 0] = [luminance(first), luminance(second)].toSorted((a, b) => b - a);
  return (lighter + 0.05) / (darker + 0.05);
}

/** @see https://www.w3.org/TR/WCAG22/#dfn-relative-luminance */
export function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const channel = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** Black or white, whichever is easier to read on a colour: one of them always has a contrast above 4.5. */
export function inkOn(colour: string): "#000000" | "#ffffff" {
  return contrast(colour, "#000000") >= contrast(colour, "#ffffff") ? "#000000" : "#ffffff";
}
