import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import { Problem } from "../../shared/problem.ts";

/** SHA-256 over bytes as they pass, in constant memory, by the runtime's native stream. */
export class PassingDigest {
  readonly #stream = new crypto.DigestStream("SHA-256");
  readonly #writer = this.#stream.getWriter();

  async write(chunk: Uint8Array): Promise<void> {
    await this.#writer.write(chunk);
  }

  /** @returns lower-case hex */
  async finish(): Promise<string> {
    await this.#writer.close();
    return hexOf(await this.#stream.digest);
  }

  /** Gives up; the digest is of no use any more. */
  abandon(): void {
    this.#stream.digest.catch(() => undefined);
    this.#writer.abort().catch(() => undefined);
  }
}

export async function sha256Hex(bytes: Uint8Array): Promise<string> {
  return hexOf(await crypto.subtle.digest("SHA-256", bytes));
}

function hexOf(digest: ArrayBuffer): string {
  return bytesToHex(new Uint8Array(digest));
}

/** A digest as an RFC 9530 field value: `sha-256=:…:`. */
export function digestField(sha256: string): string {
  return `sha-256=:${btoa(String.fromCharCode(...hexToBytes(sha256)))}:`;
}

/**
 * The SHA-256 that a request announces in `Repr-Digest` or `Content-Digest`; other algorithms are passed over, as
 * RFC 9530 asks.
 * @throws Problem `malformed-request` where sha-256 is there but is not 32 bytes of base64
 */
export function announcedSha256(headers: Headers): string | undefined {
  for (const name of ["repr-digest", "content-digest"]) {
    const member = headers
      .get(name)
      ?.split(",")
      .map((part) => part.trim())
      .find((part) => /^sha-256=/i.test(part));
    if (member === undefined) continue;
    const base64 = /^sha-256=:([A-Za-z0-9+/=]+):$/i.exec(member)?.[1];
    const bytes = base64 === undefined ? undefined : decodeBase64(base64);
    if (bytes?.length !== 32) {
      throw new Problem(
        "malformed-request",
        `${name} does not hold a SHA-256 as RFC 9530 writes it (sha-256=:base64:).`,
      );
    }
    return bytesToHex(bytes);
  }
  return undefined;
}

function decodeBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}
