import { Problem } from "../../shared/problem.ts";
import type { AppContext } from "../environment.ts";
import { digestField } from "./digest.ts";
import { type ByteRange, matchesEtag, parseRange } from "./range.ts";

/** Something immutable that is served: how long it is, what it is, and how to get at its bytes. */
export interface Representation {
  readonly bytes: number;
  /** Of the whole; undefined while nobody has seen the whole. Then there must be an {@link etag}. */
  readonly sha256: string | undefined;
  /** A strong entity tag without its quotes, where it is not the digest: the same before and after the digest is known. */
  readonly etag?: string;
  readonly contentType: string;
  /** Whether shared caches may keep it. */
  readonly isPublic: boolean;
  open(range: ByteRange): Promise<ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer>>;
}

/** How an address relates to what it answers with. */
export interface Serving {
  /** `immutable` where the address names the bytes; `brief` where it is a name that moves. */
  readonly freshness: "immutable" | "brief";
  /** Further fields of every answer, also of 304. */
  readonly headers?: Readonly<Record<string, string>>;
}

const FOREVER = "max-age=31536000, immutable";

/** A name that has moved is noticed within a minute; a cache that cannot ask may use it for ten more. */
const BRIEF = "max-age=60, stale-while-revalidate=600";

/** `Cache-Control` of an answer. Weights must arrive bit for bit, so nothing on the way may transform them. */
export function cacheControl(isPublic: boolean, freshness: Serving["freshness"]): string {
  if (freshness === "immutable") return `${isPublic ? "public" : "private"}, ${FOREVER}, no-transform`;
  return isPublic ? `public, ${BRIEF}, no-transform` : "private, no-cache, no-transform";
}

/**
 * On what request fields an answer depends. What is private depends on who asks; the encoding is named for whoever
 * compresses all the same.
 */
export function varyField(isPublic: boolean): string {
  return isPublic ? "Accept-Encoding" : "Authorization, Accept-Encoding";
}

/** The strong entity tag of a representation, in quotes. */
export function entityTag({ etag, sha256 }: Pick<Representation, "etag" | "sha256">): string {
  return `"${etag ?? `sha256-${sha256}`}"`;
}

/** A section of an object in the bucket; its body passes through untouched, so the runtime pumps it without JavaScript. */
export function openObject(bucket: R2Bucket, key: string, offset = 0): Representation["open"] {
  return async ({ begin, end }) => {
    // R2 refuses a range of no bytes.
    if (begin === end) return new Uint8Array(0);
    const object = await bucket.get(key, { range: { offset: offset + begin, length: end - begin } });
    if (object === null) throw new Problem("object-not-found", `The bucket has lost ${key}.`, { key });
    return object.body;
  };
}

/**
 * Answers GET and HEAD for an immutable representation: strong ETag, `If-Match`, `If-None-Match`, `If-Range`, one
 * `Range`, `Repr-Digest` (RFC 9530: of the whole, also on 206; SHA-256 whatever `Want-Repr-Digest` prefers).
 * @throws Problem `range-not-satisfiable`, `precondition-failed`
 */
export async function serveRepresentation(
  c: AppContext,
  representation: Representation,
  { freshness, headers: further }: Serving = { freshness: "immutable" },
): Promise<Response> {
  const { bytes, sha256, contentType, isPublic } = representation;
  const etag = entityTag(representation);
  const headers = new Headers({
    etag,
    "accept-ranges": "bytes",
    "cache-control": cacheControl(isPublic, freshness),
    vary: varyField(isPublic),
    ...(sha256 === undefined ? {} : { "repr-digest": digestField(sha256) }),
    ...further,
  });
  const ifMatch = c.req.header("if-match");
  if (ifMatch !== undefined && !matchesEtag(ifMatch, etag, "strong")) {
    throw new Problem("precondition-failed", "The file is not the one that If-Match names.", { etag });
  }
  if (matchesEtag(c.req.header("if-none-match"), etag)) return new Response(null, { status: 304, headers });

  headers.set("content-type", contentType);
  headers.set("x-content-type-options", "nosniff");
  const ifRange = c.req.header("if-range");
  const isHead = c.req.raw.method === "HEAD";
  // RFC 9110 defines Range for GET alone; a stale If-Range asks for the whole.
  const range =
    isHead || (ifRange !== undefined && ifRange.trim() !== etag) ? undefined : parseRange(c.req.header("range"), bytes);
  if (range === "unsatisfiable") {
    throw new Problem("range-not-satisfiable", `The file has ${bytes} bytes.`, { bytes });
  }
  const { begin, end } = range ?? { begin: 0, end: bytes };
  headers.set("content-length", String(end - begin));
  if (range !== undefined) headers.set("content-range", `bytes ${begin}-${end - 1}/${bytes}`);
  const body = isHead ? null : await representation.open({ begin, end });
  return new Response(body, { status: range === undefined ? 200 : 206, headers });
}
