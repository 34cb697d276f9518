import { escapeXml } from "../chart-style.ts";
import { DARK, inkOn, LIGHT, type Scheme } from "./palette.ts";

/** Width of a picture in its own units; at 400 px its text is still 12 px high. */
export const WIDTH = 480;

/** A picture before it is a file or a part of a page: its words, and its shapes as SVG. */
export interface Picture {
  /** Plain text, as the description; escaped when written. */
  readonly title: string;
  /** What the picture shows, in words, for whoever does not see it. */
  readonly description: string;
  readonly height: number;
  /** Lines of SVG, styled by the classes of {@link PICTURE_STYLE} alone. */
  readonly shapes: readonly string[];
}

/**
 * The style of every picture, which follows the reader's light or dark scheme. A page that holds pictures has it once.
 */
export const PICTURE_STYLE = [
  ".picture text{font-family:system-ui,sans-serif;font-size:15px;stroke:none}.picture .heading{font-size:17px;font-weight:600}",
  ".picture .grid,.picture .frame{fill:none;stroke-width:1}.picture .curve{fill:none;stroke-width:2.5;stroke-linejoin:round}",
  ".picture .band{stroke:none;fill-opacity:.2}.picture .straight{fill:none;stroke-width:1.5;stroke-dasharray:5 4}",
  ".picture .gap{fill:none;stroke-width:3}.picture .halo{stroke-width:4px;stroke-linejoin:round;paint-order:stroke}",
  ".picture .step{stroke-width:.7}.picture .marker{stroke-width:2}",
  schemeRules(LIGHT),
  `@media (prefers-color-scheme:dark){${schemeRules(DARK)}}`,
].join("");

function schemeRules({ paper, ink, faint, grid, curve, barrier, ramp }: Scheme): string {
  return [
    `.picture .paper{fill:${paper}}.picture text{fill:${ink}}.picture .faint{fill:${faint}}`,
    `.picture .grid{stroke:${grid}}.picture .frame{stroke:${faint}}.picture text.halo{stroke:${paper}}`,
    `.picture .curve{stroke:${curve}}.picture .band,.picture .dot{fill:${curve}}.picture .straight{stroke:${faint}}`,
    `.picture .gap{stroke:${barrier}}.picture text.mark{fill:${barrier}}`,
    `.picture .marker{fill:${paper};stroke:${ink}}`,
    ...ramp.map(
      (colour, step) =>
        `.picture .h${step}{fill:${colour};stroke:${colour}}.picture text.t${step}{fill:${inkOn(colour)};stroke:none}`,
    ),
  ].join("");
}

/** Where a browser shows the file by itself, what is round it follows the scheme too. */
const FILE_STYLE = `:root{color-scheme:light dark}${PICTURE_STYLE}`;

/** A picture as a file of its own. Equal pictures give equal bytes. */
export function svgFile(picture: Picture): string {
  return `${svgElement(picture, "", [`<style>${FILE_STYLE}</style>`])}\n`;
}

/**
 * A picture as part of an HTML page whose style holds {@link PICTURE_STYLE}.
 * @param id begins the ids within, which a page has once each
 */
export function inlineSvg(picture: Picture, id: string): string {
  return svgElement(picture, `${id}-`, []);
}

function svgElement({ title, description, height, shapes }: Picture, prefix: string, style: readonly string[]): string {
  const [titleId, descriptionId] = [`${prefix}title`, `${prefix}description`];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="picture" viewBox="0 0 ${WIDTH} ${height}" role="img" ` +
      `aria-labelledby="${titleId} ${descriptionId}">`,
    `<title id="${titleId}">${escapeXml(title)}</title>`,
    `<desc id="${descriptionId}">${escapeXml(description)}</desc>`,
    ...style,
    `<rect class="paper" width="${WIDTH}" height="${height}" rx="8"/>`,
    ...shapes,
    "</svg>",
  ].join("\n");
}
