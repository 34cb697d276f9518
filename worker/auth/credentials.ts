import { Problem } from "../../shared/problem.ts";
import type { AppContext } from "../environment.ts";
import { adminSecret } from "./admin-secret.ts";
import { looksLikeJwt, principalOfJwt } from "./oidc.ts";
import { ADMIN, type Principal } from "./principal.ts";
import { chargeRefusal, checkRefusals } from "./rate-limit.ts";
import { sameSecret } from "./secrets.ts";
import { looksLikeToken, principalOfToken } from "./tokens.ts";

/**
 * Whom the Authorization header (RFC 6750) of a request proves. Fails closed: without an admin secret nobody is anybody,
 * whatever they present.
 * @throws Problem `forbidden` without an admin secret; `unauthorized` where nothing was presented; `invalid-token`;
 *   `issuer-unreachable`; `rate-limited` after many that were not valid
 */
export async function identify(c: AppContext, now: Date): Promise<Principal> {
  const secret = adminSecret(c.env);
  if (secret === undefined) {
    throw new Problem(
      "forbidden",
      "This deployment has no admin secret (EDGEFUSE_ADMIN_TOKEN), so it accepts no token.",
    );
  }
  const presented = /^Bearer +([^\s]+) *$/i.exec(c.req.header("authorization") ?? "")?.[1];
  if (presented === undefined) {
    throw new Problem("unauthorized", "Send the header `Authorization: Bearer <token>`.");
  }
  // First, since an administrator may choose a secret that looks like anything.
  if (await sameSecret(presented, secret)) return ADMIN;
  checkRefusals(c, now);
  try {
    return await principalOf(c, presented, now);
  } catch (error) {
    if (error instanceof Problem && error.code === "invalid-token") chargeRefusal(c, now);
    throw error;
  }
}

async function principalOf(c: AppContext, presented: string, now: Date): Promise<Principal> {
  if (looksLikeToken(presented)) {
    return principalOfToken(c.env.CATALOG, presented, now, (work) => c.executionCtx.waitUntil(work));
  }
  if (looksLikeJwt(presented)) return principalOfJwt(c.env, presented, now);
  throw new Problem("invalid-token", "The token is not one that this deployment accepts.");
}
