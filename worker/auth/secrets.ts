import { sha256Hex } from "../objects/digest.ts";

const encoder = new TextEncoder();

/**
 * Compares two secrets by their digests, in constant time, so that neither a length nor a common prefix shows in the
 * timing.
 */
export async function sameSecret(a: string, b: string): Promise<boolean> {
  return sameText(await digestOfSecret(a), await digestOfSecret(b));
}

/** Compares texts of equal length, such as digests, in constant time. */
export function sameText(a: string, b: string): boolean {
  const [first, second] = [encoder.encode(a), encoder.encode(b)];
  return first.length === second.length && crypto.subtle.timingSafeEqual(first, second);
}

/** SHA-256 of a secret in lower-case hex: the form in which tokens are kept. */
export function digestOfSecret(secret: string): Promise<string> {
  return sha256Hex(encoder.encode(secret));
}
