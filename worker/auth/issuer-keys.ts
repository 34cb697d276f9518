import * as z from "zod";
import type { JSONWebKeySet } from "jose";
import { Problem } from "../../shared/problem.ts";

/** Keys are believed for so long; then they are fetched anew, so that one that was withdrawn stops to count. */
const LIFETIME_MS = 10 * 60_000;

/** For a key that is not among them, they are fetched at most so often: strangers must not drive our requests. */
const COOLDOWN_MS = 60_000;

/** After an attempt that failed. */
const RETRY_MS = 5_000;

const TIMEOUT_MS = 5_000;
const MOST_BYTES = 256 * 1024;

const keySet = z.looseObject({
  keys: z.array(z.looseObject({ kty: z.string(), kid: z.string().optional() })).max(100),
});

interface FetchedKeys {
  readonly jwks: JSONWebKeySet;
  readonly fetchedAt: number;
}

/** What looking for keys needs from the outside; tests bring their own. */
export interface KeySources {
  fetch(address: string, init: RequestInit): Promise<Response>;
  /** Shared by the isolates of a location. */
  readonly cache: Pick<Cache, "match" | "put"> | undefined;
}

/**
 * Public keys of issuers: kept in the isolate and in the location's cache, fetched again when they are old or when a
 * token names one that is not there. No promise is shared: a Workers request may not wait for another's I/O.
 */
export class IssuerKeys {
  readonly #sources: KeySources;
  readonly #known = new Map<string, FetchedKeys>();
  /** Of the last attempt, well or ill. */
  readonly #asked = new Map<string, number>();
  readonly #failed = new Map<string, number>();

  constructor(sources: KeySources) {
    this.#sources = sources;
  }

  /**
   * The keys at an address, which hold the one named where there is such a one.
   * @param kid of the token's header
   * @throws Problem `issuer-unreachable`: fails closed, also with keys at hand that are too old
   */
  async find(address: string, kid: string, now: Date): Promise<JSONWebKeySet> {
    const at = now.getTime();
    const known = this.#fresh(address, at) ?? (await this.#cached(address, at));
    if (known !== undefined && hasKey(known.jwks, kid)) return known.jwks;
    if (known !== undefined) {
      const lately = Math.max(known.fetchedAt, this.#asked.get(address) ?? 0);
      if (at - lately < COOLDOWN_MS) return known.jwks;
    }
    if (at - (this.#failed.get(address) ?? -Infinity) < RETRY_MS) throw unreachable();
    return (await this.#fetch(address, at)).jwks;
  }

  #fresh(address: string, at: number): FetchedKeys | undefined {
    const known = this.#known.get(address);
    return known !== undefined && at - known.fetchedAt < LIFETIME_MS ? known : undefined;
  }

  async #cached(address: string, at: number): Promise<FetchedKeys | undefined> {
    try {
      const kept = await this.#sources.cache?.match(cacheKey(address));
      if (kept === undefined) return undefined;
      const fetchedAt = Number(kept.headers.get("x-fetched-at"));
      const jwks = keySet.parse(await kept.json()) as JSONWebKeySet;
      if (!(at - fetchedAt < LIFETIME_MS)) return undefined;
      const found = { jwks, fetchedAt };
      this.#known.set(address, found);
      return found;
    } catch {
      // The cache is a convenience; the issuer has the say.
      return undefined;
    }
  }

  async #fetch(address: string, at: number): Promise<FetchedKeys> {
    this.#asked.set(address, at);
    try {
      const response = await this.#sources.fetch(address, {
        headers: { accept: "application/json" },
        redirect: "manual",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const text = response.status === 200 ? await textOf(response) : undefined;
      if (text === undefined) {
        await response.body?.cancel();
        throw new Error(`the answer is ${response.status}`);
      }
      const found = { jwks: keySet.parse(JSON.parse(text)) as JSONWebKeySet, fetchedAt: at };
      this.#known.set(address, found);
      this.#failed.delete(address);
      await this.#keep(address, text, at);
      return found;
    } catch (error) {
      this.#failed.set(address, at);
      throw unreachable(error);
    }
  }

  async #keep(address: string, text: string, at: number): Promise<void> {
    try {
      const headers = {
        "content-type": "application/json",
        "cache-control": "max-age=600",
        "x-fetched-at": String(at),
      };
      await this.#sources.cache?.put(cacheKey(address), new Response(text, { headers }));
    } catch {
      // As above.
    }
  }
}

function unreachable(cause?: unknown): Problem {
  return new Problem(
    "issuer-unreachable",
    "The keys of the token's issuer could not be fetched, so the token proves nothing for now; try again shortly.",
    {},
    { cause },
  );
}

function hasKey({ keys }: JSONWebKeySet, kid: string): boolean {
  return keys.some((key) => key.kid === kid);
}

/** Not the issuer's own address: nothing else in this zone may ever answer for it. */
function cacheKey(address: string): string {
  return `https://issuer-keys.edgefuse.invalid/?of=${encodeURIComponent(address)}`;
}

/** @throws Error where there is too much of it */
async function textOf(response: Response): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  let bytes = 0;
  for await (const chunk of (response.body ?? new ReadableStream()) as ReadableStream<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw new Error("the answer is too long");
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
