import type { AppContext } from "../environment.ts";

/** No answer is worth holding a connection for longer; who wants to wait more asks again. */
const MOST_WAIT_SECONDS = 60;

/** What a client prefers, as far as it is heeded here. */
export interface Preferences {
  /** Wants the work done in the background. */
  readonly isAsync: boolean;
  /** Seconds that it will wait for the result. */
  readonly waitSeconds: number | undefined;
}

/**
 * Reads `Prefer: respond-async, wait=10`. As RFC 7240 asks, what is not known or makes no sense is passed over, and of
 * several the first counts.
 * @see https://www.rfc-editor.org/rfc/rfc7240
 */
export function preferencesOf(field: string | undefined): Preferences {
  const named = new Map<string, string>();
  for (const preference of (field ?? "").split(",")) {
    const [, name, value] = /^\s*([\w-]+)\s*(?:=\s*"?([^\s";]*)"?\s*)?(?:;.*)?$/.exec(preference) ?? [];
    if (name !== undefined && !named.has(name.toLowerCase())) named.set(name.toLowerCase(), value ?? "");
  }
  const wait = named.get("wait");
  return {
    isAsync: named.has("respond-async"),
    waitSeconds: wait !== undefined && /^\d{1,9}$/.test(wait) ? Math.min(Number(wait), MOST_WAIT_SECONDS) : undefined,
  };
}

/** Says which preferences were heeded. */
export function acknowledge(c: AppContext, { isAsync, waitSeconds }: Preferences): void {
  const applied = [
    ...(isAsync ? ["respond-async"] : []),
    ...(waitSeconds === undefined ? [] : [`wait=${waitSeconds}`]),
  ];
  if (applied.length > 0) c.header("preference-applied", applied.join(", "));
}

/** Between two looks; a look costs requests to the catalog, of which an invocation has so many. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 500;

/**
 * Looks until something has ended, or the time is over.
 * @param look at the thing as it is now
 * @returns what was seen last
 */
export async function waitFor<Seen>(
  look: () => Promise<Seen>,
  { hasEnded, seconds, now }: { hasEnded: (seen: Seen) => boolean; seconds: number; now: () => Date },
): Promise<Seen> {
  const until = now().getTime() + seconds * 1000;
  let seen = await look();
  for (let pause = FIRST_PAUSE_MS; !hasEnded(seen); pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    const left = until - now().getTime();
    if (left <= 0) break;
    const duration = Math.min(pause, left);
    await new Promise((resolve) => setTimeout(resolve, duration));
    seen = await look();
  }
  return seen;
}
