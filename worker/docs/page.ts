import { sha256 } from "@noble/hashes/sha2.js";
import type { FixedText } from "../routes/text.ts";
import { html, Html } from "./html.ts";
import { STYLE } from "./style.ts";

/** As one piece, since the policy names its text to the last space. */
const STYLE_ELEMENT = new Html(`<style>${STYLE}</style>`);

/** The page's own style, by its digest, and nothing else: no script, no picture, no form, no frame. */
const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${btoa(String.fromCharCode(...sha256(new TextEncoder().encode(STYLE))))}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/**
 * A page that is whole in itself: it loads nothing and runs nothing, so it reads the same without a network.
 * @param title for the browser; the page's own heading is part of `body`
 */
export function page(title: string, body: Html): FixedText {
  const { text } = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title}</title>
        ${STYLE_ELEMENT}
      </head>
      <body>
        ${body}
      </body>
    </html> `;
  return { text, headers: { "content-type": "text/html; charset=utf-8", "content-security-policy": POLICY } };
}
