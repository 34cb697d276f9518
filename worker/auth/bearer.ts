import { createMiddleware } from "hono/factory";
import { Problem } from "../../shared/problem.ts";
import type { AppEnvironment } from "../environment.ts";

/**
 * Lets a request pass only with the administrator's bearer token (RFC 6750). Fails closed: a deployment without an
 * admin token lets no one in, whatever they present.
 */
export const requireToken = createMiddleware<AppEnvironment>(async (c, next) => {
  const expected = c.env.EDGEFUSE_ADMIN_TOKEN;
  if (expected === undefined || expected === "") {
    throw new Problem(
      "forbidden",
      "This deployment has no admin secret (EDGEFUSE_ADMIN_TOKEN), so it accepts no token.",
    );
  }
  const presented = /^Bearer +([^\s]+) *$/i.exec(c.req.header("authorization") ?? "")?.[1];
  if (presented === undefined) {
    throw new Problem("unauthorized", "Send the header `Authorization: Bearer <token>`.");
  }
  if (!(await sameToken(presented, expected))) {
    throw new Problem("forbidden", "The token is not one that this deployment accepts.");
  }
  await next();
});

/** Compares digests in constant time, so that neither a token's length nor a common prefix shows in the timing. */
async function sameToken(a: string, b: string): Promise<boolean> {
  const encoder = new TextEncoder();
  const [first, second] = await Promise.all([
    crypto.subtle.digest("SHA-256", encoder.encode(a)),
    crypto.subtle.digest("SHA-256", encoder.encode(b)),
  ]);
  return crypto.subtle.timingSafeEqual(first, second);
}
