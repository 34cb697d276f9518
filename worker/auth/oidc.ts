import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from "jose";
import { Problem } from "../../shared/problem.ts";
import type { Environment } from "../environment.ts";
import { IssuerKeys } from "./issuer-keys.ts";
import { mismatchOf, type OidcRule, oidcRulesOf } from "./oidc-rules.ts";
import type { Principal } from "./principal.ts";
import { expandScopes } from "./scopes.ts";

/** Signatures with a public key and nothing else: `none` and HS256 (with that key as its secret) never come so far. */
const ALGORITHMS = ["RS256", "ES256"];
const SKEW_SECONDS = 60;

/** No issuer's clock or lifetime explains more. */
const MOST_AGE_SECONDS = 86_400;
const MOST_CHARACTERS = 16_384;

/** Whether a credential has the form of a JSON Web Token (RFC 7519), signed or not. */
export function looksLikeJwt(credential: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]*$/.test(credential);
}

const isolateKeys = new IssuerKeys({
  fetch: (address, init) => fetch(address, init),
  get cache() {
    return typeof caches === "undefined" ? undefined : caches.default;
  },
});

/**
 * Whom an OpenID Connect token, as of a GitHub Actions job, stands for by the rules of this deployment. Its scopes are
 * those of all the rules that let it in.
 * @throws Problem `invalid-token`, `issuer-unreachable`
 */
export async function principalOfJwt(
  environment: Environment,
  token: string,
  now: Date,
  keys = isolateKeys,
): Promise<Principal> {
  const { issuer, kid } = announcedIn(token);
  // The issuer is compared before anything is fetched: a token cannot send us anywhere.
  const rules = oidcRulesOf(environment).filter((rule) => rule.issuer === issuer);
  const [first] = rules;
  if (first === undefined) throw refused("its issuer is not accepted here");
  const claims = await verify(token, first, await keys.find(first.jwksUri, kid, now), now);

  const mismatches = rules.map((rule) => mismatchOf(rule, claims));
  const matching = rules.filter((_, index) => mismatches[index] === undefined);
  if (matching.length === 0) {
    // The rule that it comes closest to is not ours to tell; which claim stopped it is, where all agree.
    const names = [...new Set(mismatches)];
    throw refused(`no rule of this deployment accepts its ${names.join(" or ")}`);
  }
  return {
    kind: "oidc",
    id: `oidc:${String(claims["repository"])}:${String(claims["ref"] ?? claims.sub ?? "")}`.slice(0, 300),
    scopes: expandScopes(matching.flatMap(({ scopes }) => scopes)),
    expiresAt: new Date((claims.exp ?? 0) * 1000),
  };
}

/** What a token says of itself before it is believed. */
function announcedIn(token: string): { issuer: string; kid: string } {
  if (token.length > MOST_CHARACTERS) throw refused("it is too long");
  try {
    const { alg, kid } = decodeProtectedHeader(token);
    if (alg === undefined || !ALGORITHMS.includes(alg)) {
      throw refused(`it is not signed with ${ALGORITHMS.join(" or ")}`);
    }
    const { iss } = decodeJwt(token);
    if (typeof kid !== "string" || typeof iss !== "string") throw refused("it names no key or no issuer");
    return { issuer: iss, kid };
  } catch (error) {
    throw error instanceof Problem ? error : refused("it is not well formed");
  }
}

async function verify(
  token: string,
  { issuer }: OidcRule,
  jwks: Parameters<typeof createLocalJWKSet>[0],
  now: Date,
): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(token, createLocalJWKSet(jwks), {
      algorithms: ALGORITHMS,
      issuer,
      currentDate: now,
      clockTolerance: SKEW_SECONDS,
      maxTokenAge: MOST_AGE_SECONDS,
      requiredClaims: ["iss", "aud", "exp", "iat"],
    });
    return payload;
  } catch (error) {
    if (error instanceof errors.JWTExpired) throw refused("it has expired");
    if (error instanceof errors.JWTClaimValidationFailed) throw refused(`its ${error.claim} is not valid now`);
    throw refused("its signature cannot be verified");
  }
}

function refused(why: string): Problem {
  return new Problem("invalid-token", `The OpenID Connect token is not accepted: ${why}.`);
}
