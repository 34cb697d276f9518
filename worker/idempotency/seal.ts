import { base64url } from "jose";

const INFO = "edgefuse: idempotent answers, version 1";
const NONCE_BYTES = 12;
const encoder = new TextEncoder();

/** The last key, by what it was derived from: a deployment has one. */
let derived: { secret: string; key: CryptoKey } | undefined;

/** AES-256 key of this deployment's kept answers, by HKDF (RFC 5869) from its admin secret. */
async function sealingKey(secret: string): Promise<CryptoKey> {
  if (derived?.secret === secret) return derived.key;
  const source = await crypto.subtle.importKey("raw", encoder.encode(secret), "HKDF", false, ["deriveKey"]);
  const key = await crypto.subtle.deriveKey(
    { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info: encoder.encode(INFO) },
    source,
    { name: "AES-GCM", length: 256 },
    false,
    ["encrypt", "decrypt"],
  );
  derived = { secret, key };
  return key;
}

/**
 * Seals an answer (AES-256-GCM), since answers may hold what is shown only once, such as a token: whoever reads the
 * catalog or a copy of it reads nothing of them.
 * @param id what the answer belongs to; it opens under no other
 * @param nonce 12 random bytes
 */
export async function sealAnswer(
  secret: string,
  id: string,
  text: string,
  nonce: Uint8Array<ArrayBuffer>,
): Promise<string> {
  const parameters = { name: "AES-GCM", iv: nonce, additionalData: encoder.encode(id) };
  const sealed = new Uint8Array(
    await crypto.subtle.encrypt(parameters, await sealingKey(secret), encoder.encode(text)),
  );
  const whole = new Uint8Array(NONCE_BYTES + sealed.length);
  whole.set(nonce);
  whole.set(sealed, NONCE_BYTES);
  return base64url.encode(whole);
}

/** @returns undefined where it was sealed under another secret, or for another id, or was tampered with */
export async function openAnswer(secret: string, id: string, sealed: string): Promise<string | undefined> {
  try {
    const whole = base64url.decode(sealed);
    const parameters = {
      name: "AES-GCM",
      iv: whole.slice(0, NONCE_BYTES),
      additionalData: encoder.encode(id),
    };
    const bytes = await crypto.subtle.decrypt(parameters, await sealingKey(secret), whole.slice(NONCE_BYTES));
    return new TextDecoder().decode(bytes);
  } catch {
    return undefined;
  }
}
