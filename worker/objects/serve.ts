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
 * Answers GET and HEAD for an immutable representation: strong ETag, `If-None-Match`, `If-Range`, one `Range`,
 * `Repr-Digest` (RFC 9530: of the whole, also on 206).
 * @throws Problem `range-not-satisfiable`
 */
export async function serveRepresentation(c: AppContext, representation: Representation): Promise<Response> {
  const { bytes, sha256, contentType, isPublic } = representation;
  const etag = `"${representation.etag ?? `sha256-${sha256}`}"`;
  const headers = new Headers({
    etag,
    "accept-ranges": "bytes",
    "cache-control": `${isPublic ? "public" : "private"}, max-age=31536000, immutable, no-transform`,
    ...(sha256 === undefined ? {} : { "repr-digest": digestField(sha256) }),
  });
  if (matchesEtag(c.req.header("if-none-match"), etag)) return new Response(null, { status: 304, headers });

  headers.set("content-type", contentType);
  headers.set("x-content-type-options", "nosniff");
  const ifRange = c.req.header("if-range");
  const isHead = c.req.raw.method === "HEAD";
  // RFC 9110 defines Range for GET alone; a stale If-Range asks for the whole.
  const range =
    isHead || (ifRange !== undefined && ifRange !== etag) ? undefined : parseRange(c.req.header("range"), bytes);
  if (range === "unsatisfiable") {
    throw new Problem("range-not-satisfiable", `The file has ${bytes} bytes.`, { bytes });
  }
  const { begin, end } = range ?? { begin: 0, end: bytes };
  headers.set("content-length", String(end - begin));
  if (range !== undefined) headers.set("content-range", `bytes ${begin}-${end - 1}/${bytes}`);
  const body = isHead ? null : await representation.open({ begin, end });
  return new Response(body, { status: range === undefined ? 200 : 206, headers });
}
