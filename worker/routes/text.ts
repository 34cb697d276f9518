import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import type { AppContext } from "../environment.ts";
import { matchesEtag } from "../objects/range.ts";

/** A text that stays the same until the next deployment. */
export interface FixedText {
  readonly text: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Serves a text that every request gets alike: made once an isolate, and sent to those who have another one.
 *
 * Made without waiting for anything, since what one request waits for no other request may.
 */
export function serveText(make: () => FixedText) {
  let made: FixedText | undefined;
  return (c: AppContext): Response => {
    made ??= withEtag(make());
    const { text, headers } = made;
    return matchesEtag(c.req.header("if-none-match"), headers["etag"] ?? "")
      ? new Response(null, { status: 304, headers })
      : new Response(text, { headers });
  };
}

function withEtag({ text, headers }: FixedText): FixedText {
  const digest = bytesToHex(sha256(new TextEncoder().encode(text)));
  return { text, headers: { "cache-control": "public, max-age=300", ...headers, etag: `"${digest.slice(0, 32)}"` } };
}
