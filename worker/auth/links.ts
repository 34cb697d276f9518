import { base64url } from "jose";
import type { ModelId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import type { Environment } from "../environment.ts";
import { adminSecret } from "./admin-secret.ts";
import type { Principal } from "./principal.ts";
import { expandScopes } from "./scopes.ts";
import { sameText } from "./secrets.ts";

/** Names of the query's members. TF.js copies a model's query to every file it loads, so both stay short. */
export const LINK_EXPIRES = "expires";
export const LINK_SIGNATURE = "signature";

const INFO = "edgefuse: signed links, version 1";
const encoder = new TextEncoder();

/** The last key, by what it was derived from: a deployment has one. */
let derived: { secret: string; key: CryptoKey } | undefined;

/**
 * HMAC key of this deployment's links, by HKDF (RFC 5869) from EDGEFUSE_LINK_SECRET or else from the admin token.
 * @returns undefined where there is no admin token: such a deployment opens nothing that is not public
 */
async function linkKey(environment: Environment): Promise<CryptoKey | undefined> {
  const admin = adminSecret(environment);
  if (admin === undefined) return undefined;
  const own = environment.EDGEFUSE_LINK_SECRET;
  const secret = own === undefined || own === "" ? admin : own;
  if (derived?.secret === secret) return derived.key;
  const source = await crypto.subtle.importKey("raw", encoder.encode(secret), "HKDF", false, ["deriveKey"]);
  const key = await crypto.subtle.deriveKey(
    { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info: encoder.encode(INFO) },
    source,
    { name: "HMAC", hash: "SHA-256", length: 256 },
    false,
    ["sign"],
  );
  derived = { secret, key };
  return key;
}

/**
 * Signs a link to a model.
 * @param expires Unix time in seconds
 * @returns the query that opens every file below `/models/<id>/`
 */
export async function signLink(environment: Environment, id: ModelId, expires: number): Promise<URLSearchParams> {
  const key = await linkKey(environment);
  if (key === undefined) throw new Problem("forbidden", "This deployment has no secret to sign links with.");
  return new URLSearchParams([
    [LINK_EXPIRES, String(expires)],
    [LINK_SIGNATURE, await signatureOf(key, id, String(expires))],
  ]);
}

/** HMAC-SHA256 over the folder of one model and the link's end. Not the file, nor the method: they share a link. */
async function signatureOf(key: CryptoKey, id: ModelId, expires: string): Promise<string> {
  const text = encoder.encode(`/models/${id}/\n${expires}`);
  return base64url.encode(new Uint8Array(await crypto.subtle.sign("HMAC", key, text)));
}

/**
 * What the link in a query opens.
 * @param id of the model that is asked for; a link to another one does not open it
 * @returns undefined where the query carries no link
 * @throws Problem `invalid-link`: tampered with, for another model, expired, given twice
 */
export async function principalOfLink(
  environment: Environment,
  query: URLSearchParams,
  id: ModelId,
  now: Date,
): Promise<Principal | undefined> {
  const [expires, signature] = [query.getAll(LINK_EXPIRES), query.getAll(LINK_SIGNATURE)];
  if (signature.length === 0) return undefined;
  const [until, presented] = [expires[0] ?? "", signature[0] ?? ""];
  const isWellFormed =
    expires.length === 1 && signature.length === 1 && /^[1-9]\d{0,11}$/.test(until) && /^[\w-]{43}$/.test(presented);
  const key = isWellFormed ? await linkKey(environment) : undefined;
  // Compared as text: base64url has several spellings of the same bytes, and only ours is a signature.
  const isSigned = key !== undefined && sameText(await signatureOf(key, id, until), presented);
  if (!isSigned) throw new Problem("invalid-link", "The link's signature is not valid for this model.");
  if (Number(until) * 1000 <= now.getTime()) {
    throw new Problem("invalid-link", "The link has expired; ask for another.");
  }
  return { kind: "link", id: `link:${id}`, scopes: expandScopes([]), expiresAt: new Date(Number(until) * 1000) };
}
