import { base64url } from "jose";
import {
  type CreatedToken,
  type CreateTokenRequest,
  createTokenRequest,
  TOKEN_PATTERN,
  type TokenId,
} from "../../shared/api/tokens.ts";
import { Problem } from "../../shared/problem.ts";
import { findTokenByDigest, insertToken, touchToken } from "../catalog/tokens.ts";
import type { Principal } from "./principal.ts";
import { expandScopes } from "./scopes.ts";
import { digestOfSecret, sameText } from "./secrets.ts";

const TOKEN_BYTES = 32;

/** `lastUsedAt` is no more exact than this. */
const USE_GRAIN_MS = 5 * 60_000;

/** What making a token needs from the outside. */
export interface TokenSources {
  now(): Date;
  uniqueName(): string;
  randomBytes(length: number): Uint8Array<ArrayBuffer>;
}

/** Makes a token and keeps its digest. The answer is the only place where the token itself ever is. */
export async function createToken(
  catalog: D1Database,
  request: CreateTokenRequest,
  createdBy: string,
  { now, uniqueName, randomBytes }: TokenSources,
): Promise<CreatedToken> {
  const { name, scopes, expiresIn } = createTokenRequest.parse(request);
  const at = now();
  const token = `ef_${base64url.encode(randomBytes(TOKEN_BYTES))}`;
  const description = {
    id: uniqueName() as TokenId,
    name,
    scopes: [...new Set(scopes)],
    createdAt: at.toISOString(),
    createdBy,
    expiresAt: expiresIn === null ? null : new Date(at.getTime() + expiresIn * 1000).toISOString(),
    lastUsedAt: null,
    revokedAt: null,
  };
  await insertToken(catalog, { ...description, sha256: await digestOfSecret(token) });
  return { ...description, token };
}

/** Whether a credential has the form of a token of ours. */
export function looksLikeToken(credential: string): boolean {
  return TOKEN_PATTERN.test(credential);
}

/**
 * Whom a token stands for.
 * @param seeThrough keeps the request alive for the note of its use
 * @throws Problem `invalid-token`: unknown, expired, revoked
 */
export async function principalOfToken(
  catalog: D1Database,
  token: string,
  now: Date,
  seeThrough: (work: Promise<unknown>) => void,
): Promise<Principal> {
  const sha256 = await digestOfSecret(token);
  const known = await findTokenByDigest(catalog, sha256);
  if (known === undefined || !sameText(known.sha256, sha256)) {
    throw new Problem("invalid-token", "The token is not one that this deployment accepts.");
  }
  if (known.revokedAt !== null) throw new Problem("invalid-token", "The token was revoked.");
  if (known.expiresAt !== null && Date.parse(known.expiresAt) <= now.getTime()) {
    throw new Problem("invalid-token", "The token has expired.");
  }
  const before = new Date(now.getTime() - USE_GRAIN_MS).toISOString();
  if (known.lastUsedAt === null || known.lastUsedAt < before) {
    // For people to look at; a request does not fail for it.
    seeThrough(touchToken(catalog, known.id, now.toISOString(), before).catch(() => undefined));
  }
  return {
    kind: "token",
    id: `token:${known.id}`,
    scopes: expandScopes(known.scopes),
    ...(known.expiresAt === null ? {} : { expiresAt: new Date(known.expiresAt) }),
  };
}
