import { sha256 } from "@noble/hashes/sha2.js";
import type { FixedText } from "../routes/text.ts";
import { html, Html } from "./html.ts";
import { STYLE } from "./style.ts";

/** A style sheet and the policy that lets a page have it, by its digest: no script, no picture, no form, no frame. */
interface PageStyle {
  /** As one piece, since the policy names its text to the last space. */
  readonly element: Html;
  readonly policy: string;
}

/** `style-src` of a policy: one style sheet and no other. */
export function styleSource(style: string): string {
  return `style-src 'sha256-${btoa(String.fromCharCode(...sha256(new TextEncoder().encode(style))))}'`;
}

function pageStyle(style: string): PageStyle {
  const policy = [
    "default-src 'none'",
    styleSource(style),
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
  return { element: new Html(`<style>${style}</style>`), policy };
}

/** Made once an isolate. */
const styles = new Map<string, PageStyle>();

/**
 * A page that is whole in itself: it loads nothing and runs nothing, so it reads the same without a network.
 * @param title for the browser; the page's own heading is part of `body`
 * @param further rules beside those of all pages; the same text for every page of a kind
 */
export function page(title: string, body: Html, further = ""): FixedText {
  const style = styles.get(further) ?? pageStyle(STYLE + further);
  styles.set(further, style);
  const { text } = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title}</title>
        ${style.element}
      </head>
      <body>
        ${body}
      </body>
    </html> `;
  return { text, headers: { "content-type": "text/html; charset=utf-8", "content-security-policy": style.policy } };
}
