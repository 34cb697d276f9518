import { createMiddleware } from "hono/factory";
import { Problem } from "../../shared/problem.ts";
import { type AppContext, type AppEnvironment, limitsOf } from "../environment.ts";
import type { Principal } from "./principal.ts";
import { TokenBuckets } from "./token-buckets.ts";

const WINDOW_SECONDS = 60;

/** Of this isolate. Exact across isolates only a binding is (RATE_LIMITER), and that only within a location. */
const buckets = new TokenBuckets(WINDOW_SECONDS * 1000);

type Policy = "requests" | "writes" | "refusals";

/**
 * Limits how often each principal comes, and says so in `RateLimit` fields (draft-ietf-httpapi-ratelimit-headers). The
 * administrator is not limited, nor are anonymous reads: those are a CDN's, and what they cost is bounded by the engine's
 * turns and its memory budget.
 * @throws Problem `rate-limited`
 */
export function limitRate({ now }: { now(): Date }) {
  return createMiddleware<AppEnvironment>(async (c, next) => {
    const principal = c.get("principal");
    if (principal.kind === "anonymous" || principal.kind === "admin") return next();
    const { policy, limit, remaining, resetSeconds } = await spend(c, principal, now());
    await next();
    // What shared caches keep is not about one principal.
    if (c.res.headers.get("cache-control")?.startsWith("public") === true) return;
    c.header("ratelimit-policy", `"${policy}";q=${limit};w=${WINDOW_SECONDS}`);
    c.header("ratelimit", `"${policy}";r=${remaining};t=${resetSeconds}`);
  });
}

/**
 * Takes one request from what a principal has left.
 * @returns what is left under the policy that will bite first
 * @throws Problem `rate-limited`
 */
export async function spend(c: AppContext, principal: Principal, now: Date) {
  const { requestsPerMinute, writesPerMinute } = limitsOf(c.env);
  const isWrite = !["GET", "HEAD"].includes(c.req.raw.method);
  const spent = [take(principal.id, "requests", requestsPerMinute, now)];
  if (isWrite) spent.push(take(principal.id, "writes", writesPerMinute, now));
  if (!(await isWithinLocation(c, principal))) throw rateLimited("requests", requestsPerMinute, WINDOW_SECONDS);
  return spent.reduce((scarcest, one) => (one.remaining < scarcest.remaining ? one : scarcest));
}

/**
 * Notes a credential that proved nothing, so that trying them out is slow.
 * @throws Problem `rate-limited` where too many came from this address
 */
export function chargeRefusal(c: AppContext, now: Date): void {
  take(addressOf(c), "refusals", limitsOf(c.env).requestsPerMinute, now);
}

/** @throws Problem `rate-limited` where too many credentials that prove nothing came from this address lately */
export function checkRefusals(c: AppContext, now: Date): void {
  const limit = limitsOf(c.env).requestsPerMinute;
  const { isAllowed, retrySeconds } = buckets.peek(`refusals ${addressOf(c)}`, limit, now.getTime());
  if (!isAllowed) throw rateLimited("refusals", limit, retrySeconds);
}

function take(who: string, policy: Policy, limit: number, now: Date) {
  const { isAllowed, retrySeconds, ...left } = buckets.take(`${policy} ${who}`, limit, now.getTime());
  if (!isAllowed) throw rateLimited(policy, limit, retrySeconds);
  return { policy, limit, ...left };
}

/** The platform's own count, where it is bound; when that fails, nobody is turned away for it. */
async function isWithinLocation(c: AppContext, principal: Principal): Promise<boolean> {
  if (c.env.RATE_LIMITER === undefined) return true;
  try {
    return (await c.env.RATE_LIMITER.limit({ key: principal.id })).success;
  } catch (error) {
    console.error(JSON.stringify({ level: "error", code: "rate-limiter-failed", cause: String(error) }));
    return true;
  }
}

function rateLimited(policy: Policy, limit: number, retryAfter: number): Problem {
  return new Problem("rate-limited", `At most ${limit} ${policy} a minute; come back in ${retryAfter} s.`, {
    policy,
    limit,
    window: WINDOW_SECONDS,
    retryAfter,
  });
}

/** Cloudflare sets the field itself, whatever a client sends. */
function addressOf(c: AppContext): string {
  return c.req.header("cf-connecting-ip") ?? "this machine";
}
