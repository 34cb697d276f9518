import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { styleSource } from "../docs/page.ts";
import type { AppContext } from "../environment.ts";
import { matchesEtag } from "../objects/range.ts";

/** A picture may have the style that is in it, and run and load nothing, also where it is opened by itself. */
function policyOf(svg: string): string {
  const style = /<style>([^<]*)<\/style>/.exec(svg)?.[1] ?? "";
  return `default-src 'none'; ${styleSource(style)}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
}

/** The strong entity tag of a text, in quotes. */
export function tagOf(text: string): string {
  return `"${bytesToHex(sha256(new TextEncoder().encode(text))).slice(0, 32)}"`;
}

/** Answers with a text that is made anew for every request, unless whoever asks has it. */
export function answerText(c: AppContext, text: string, fields: Readonly<Record<string, string>>): Response {
  const headers = new Headers({ ...fields, etag: tagOf(text) });
  return matchesEtag(c.req.header("if-none-match"), headers.get("etag") ?? "")
    ? new Response(null, { status: 304, headers })
    : new Response(text, { headers });
}

/** Answers with a picture. */
export function answerSvg(c: AppContext, svg: string, fields: Readonly<Record<string, string>>): Response {
  return answerText(c, svg, {
    "content-type": "image/svg+xml; charset=utf-8",
    "content-security-policy": policyOf(svg),
    ...fields,
  });
}
