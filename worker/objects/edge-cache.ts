import type { ByteRange } from "./range.ts";
import type { Representation } from "./serve.ts";

/** What caching needs of a request. */
export interface EdgeCacheUse {
  /** Address of the request: entries belong to the host that they are asked of. */
  readonly url: string;
  /** Keeps the request alive until the work has ended. */
  seeThrough(work: Promise<unknown>): void;
}

/**
 * Bytes that a data centre's cache may keep: public, stored, and named by a key that never comes to mean other bytes. So
 * nothing is ever purged, and nothing that is private is ever there.
 */
export interface CacheableBytes {
  /** Path and query; below no address that a client can ask for. */
  readonly key: string;
  readonly bytes: number;
  readonly contentType: string;
  readonly open: Representation["open"];
}

/** Cloudflare keeps no larger files. */
const LARGEST_ENTRY = 512_000_000;

/** Who reads a range of a file up to this size is likely to read on, so the whole of it is fetched. */
const LARGEST_FILLED_BY_RANGE = 64 * 2 ** 20;

/** Texts are made by code, and code changes. */
const TEXT_SECONDS = 86_400;
const YEAR_SECONDS = 31_536_000;

/** Entries that this isolate is writing: a hundred readers of a new model fetch it for the cache once. */
const filling = new Set<string>();
const MOST_FILLS = 4;

/**
 * Opens ranges from the cache of this data centre. What is missing is read from below at once; the cache is filled by a
 * read of its own, behind the answer. Neither body passes through JavaScript.
 *
 * A cache that does not work is a cache without entries.
 */
export function throughEdgeCache(use: EdgeCacheUse, content: CacheableBytes): Representation["open"] {
  return async (range) => {
    const cached = await openCached(use, content, range);
    if (cached !== undefined) return cached;
    const isWhole = range.begin === 0 && range.end === content.bytes;
    const limit = isWhole ? LARGEST_ENTRY : LARGEST_FILLED_BY_RANGE;
    const body = await content.open(range);
    if (content.bytes > 0 && content.bytes <= limit) use.seeThrough(fill(use, content));
    return body;
  };
}

/** A text that is costly to make, from the cache of this data centre. */
export async function cachedText(use: EdgeCacheUse, key: string, make: () => Promise<string>): Promise<string> {
  const hit = await match(addressOf(use, key));
  if (hit?.status === 200) return hit.text();
  const text = await make();
  const bytes = new TextEncoder().encode(text);
  const headers = cacheHeaders("text/plain; charset=utf-8", bytes.length, TEXT_SECONDS);
  use.seeThrough(put(addressOf(use, key), new Response(bytes, { headers })));
  return text;
}

async function openCached(use: EdgeCacheUse, { key, bytes }: CacheableBytes, { begin, end }: ByteRange) {
  if (begin === end) return undefined;
  // The whole is asked for as a range too: the answer then tells how many bytes there are. An entry may be cut short, and
  // what a cache makes of a range is its own affair, so only the very bytes that are wanted are passed on.
  const hit = await match(addressOf(use, key), { range: `bytes=${begin}-${end - 1}` });
  if (hit === undefined || hit.body === null) return undefined;
  const isRight = hit.status === 206 && hit.headers.get("content-range") === `bytes ${begin}-${end - 1}/${bytes}`;
  if (isRight) return hit.body as ReadableStream<Uint8Array>;
  await hit.body.cancel();
  return undefined;
}

async function fill(use: EdgeCacheUse, { key, bytes, contentType, open }: CacheableBytes): Promise<void> {
  if (filling.has(key) || filling.size >= MOST_FILLS) return;
  filling.add(key);
  try {
    const body = await open({ begin: 0, end: bytes });
    await put(addressOf(use, key), new Response(body, { headers: cacheHeaders(contentType, bytes, YEAR_SECONDS) }));
  } catch (error) {
    report(error);
  } finally {
    filling.delete(key);
  }
}

function cacheHeaders(contentType: string, bytes: number, seconds: number): HeadersInit {
  return {
    "content-type": contentType,
    "content-length": String(bytes),
    "cache-control": `public, max-age=${seconds}, no-transform`,
  };
}

function addressOf({ url }: EdgeCacheUse, key: string): string {
  return new URL(`/.edge${key}`, url).href;
}

async function match(address: string, headers: Record<string, string> = {}): Promise<Response | undefined> {
  try {
    return await caches.default.match(new Request(address, { headers }));
  } catch (error) {
    report(error);
    return undefined;
  }
}

async function put(address: string, response: Response): Promise<void> {
  try {
    await caches.default.put(address, response);
  } catch (error) {
    report(error);
    if (response.body?.locked === false) await response.body.cancel();
    // The local cache keeps what had arrived of a body that broke.
    await caches.default.delete(address).catch(() => false);
  }
}

function report(error: unknown): void {
  console.warn(JSON.stringify({ level: "warn", code: "edge-cache-failed", cause: String(error) }));
}
