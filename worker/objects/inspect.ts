import { Problem } from "../../shared/problem.ts";
import {
  checkFileLength,
  parseHeader,
  readHeaderLength,
  type SafetensorsHeader,
} from "../../shared/safetensors/index.ts";
import { PassingDigest } from "./digest.ts";

export interface InspectedFile {
  readonly sha256: string;
  readonly bytes: number;
  readonly header: SafetensorsHeader;
}

export interface InspectionRules {
  /** Length of the file where it is known before its end. */
  readonly length?: number | undefined;
  readonly maxBytes: number;
  /** Refuses what is valid safetensors but not wanted, as soon as the header has arrived. */
  validate(header: SafetensorsHeader): void;
}

/**
 * Checks and hashes a safetensors file while it passes. A bad header is refused when its last byte arrives, before the
 * tensors are received. Holds the header, never the data.
 */
export class PassingInspection {
  readonly #rules: InspectionRules;
  readonly #digest = new PassingDigest();
  #bytes = 0;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #headerEnd: number | undefined;
  #header: SafetensorsHeader | undefined;

  constructor(rules: InspectionRules) {
    this.#rules = rules;
  }

  /** @throws Problem `malformed-safetensors`, `truncated-file`, `payload-too-large`, and what `validate` throws */
  async write(chunk: Uint8Array): Promise<void> {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#rules.maxBytes) throw tooLarge(this.#rules.maxBytes);
    if (this.#header === undefined) this.#collectHeader(chunk);
    if (this.#header !== undefined && this.#bytes > this.#header.fileLength) checkFileLength(this.#header, this.#bytes);
    await this.#digest.write(chunk);
  }

  /** @throws Problem `truncated-file`, `malformed-safetensors` where the end comes too early or too late */
  async finish(): Promise<InspectedFile> {
    if (this.#header === undefined) {
      // Says what is missing: even the length, or part of the header.
      readHeaderLength(this.#collected(), this.#bytes);
      throw new Problem("truncated-file", `The file ends within its header, after ${this.#bytes} bytes.`);
    }
    checkFileLength(this.#header, this.#bytes);
    return { sha256: await this.#digest.finish(), bytes: this.#bytes, header: this.#header };
  }

  abandon(): void {
    this.#digest.abandon();
  }

  #collectHeader(chunk: Uint8Array): void {
    // Copied: the stream may reuse a chunk's buffer. Only what can belong to the header is kept.
    this.#pending.push(chunk.slice());
    this.#pendingBytes += chunk.length;
    if (this.#headerEnd === undefined) {
      if (this.#pendingBytes < 8) return;
      this.#headerEnd = 8 + readHeaderLength(this.#collected(), this.#rules.length);
    }
    if (this.#pendingBytes < this.#headerEnd) return;
    const header = parseHeader(this.#collected().subarray(8, this.#headerEnd), this.#rules.length);
    this.#pending = [];
    if (header.fileLength > this.#rules.maxBytes) throw tooLarge(this.#rules.maxBytes);
    this.#rules.validate(header);
    this.#header = header;
  }

  #collected(): Uint8Array {
    const [only] = this.#pending;
    if (this.#pending.length === 1 && only !== undefined) return only;
    const whole = new Uint8Array(this.#pendingBytes);
    let at = 0;
    for (const part of this.#pending) {
      whole.set(part, at);
      at += part.length;
    }
    this.#pending = [whole];
    return whole;
  }
}

export function tooLarge(maxBytes: number): Problem {
  return new Problem("payload-too-large", `This deployment accepts files of up to ${maxBytes} bytes in one request.`, {
    limit: maxBytes,
  });
}
