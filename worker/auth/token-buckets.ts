/** A request, but for what rounding takes from a bucket that fills up in many small steps. */
const ONE = 1 - 1e-9;

/** What is left in a bucket. */
export interface BucketLevel {
  readonly isAllowed: boolean;
  /** Whole requests that could follow at once. */
  readonly remaining: number;
  /** Seconds until the bucket is full. */
  readonly resetSeconds: number;
  /** Seconds until the next request is allowed; 0 where it is now. */
  readonly retrySeconds: number;
}

/**
 * Token buckets: each holds as many requests as its limit and fills up evenly within a window, so a burst is fine and a
 * stream is held to the limit.
 */
export class TokenBuckets {
  readonly #windowMs: number;
  readonly #mostBuckets: number;
  /** By last use, oldest first. */
  readonly #buckets = new Map<string, { level: number; at: number }>();

  /** @param mostBuckets beyond this the bucket that was used longest ago is forgotten, which is to say filled */
  constructor(windowMs: number, mostBuckets = 10_000) {
    this.#windowMs = windowMs;
    this.#mostBuckets = mostBuckets;
  }

  /** Takes one request from a bucket. @param at milliseconds */
  take(key: string, limit: number, at: number): BucketLevel {
    const level = this.#levelAt(key, limit, at);
    const isAllowed = level >= ONE;
    const left = isAllowed ? Math.max(0, level - 1) : level;
    this.#buckets.delete(key);
    this.#buckets.set(key, { level: left, at });
    if (this.#buckets.size > this.#mostBuckets) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    return this.#describe(isAllowed, left, limit);
  }

  /** Whether a request would be allowed; takes nothing. */
  peek(key: string, limit: number, at: number): BucketLevel {
    const level = this.#levelAt(key, limit, at);
    return this.#describe(level >= ONE, level, limit);
  }

  #levelAt(key: string, limit: number, at: number): number {
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return limit;
    const filled = (Math.max(0, at - bucket.at) / this.#windowMs) * limit;
    return Math.min(limit, bucket.level + filled);
  }

  #describe(isAllowed: boolean, level: number, limit: number): BucketLevel {
    const secondsFor = (requests: number) => Math.ceil(((requests / limit) * this.#windowMs) / 1000);
    return {
      isAllowed,
      remaining: Math.floor(level),
      resetSeconds: secondsFor(limit - level),
      retrySeconds: isAllowed ? 0 : Math.max(1, secondsFor(1 - level)),
    };
  }
}
