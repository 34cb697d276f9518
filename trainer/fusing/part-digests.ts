import { createHash } from "node:crypto";

/** SHA-256 of a stream as a whole, and of each of the equal parts that it can be cut into. */
export class PartDigests {
  readonly #partBytes: number;
  readonly #whole = createHash("sha256");
  readonly #parts: string[] = [];
  #part = createHash("sha256");
  #filled = 0;

  constructor(partBytes: number) {
    this.#partBytes = partBytes;
  }

  update(bytes: Uint8Array): void {
    this.#whole.update(bytes);
    for (let rest = bytes; rest.length > 0;) {
      const taken = rest.subarray(0, this.#partBytes - this.#filled);
      this.#part.update(taken);
      this.#filled += taken.length;
      rest = rest.subarray(taken.length);
      if (this.#filled === this.#partBytes) this.#closePart();
    }
  }

  /** Lower-case hex. */
  finish(): { readonly sha256: string; readonly partSha256: readonly string[] } {
    if (this.#filled > 0) this.#closePart();
    return { sha256: this.#whole.digest("hex"), partSha256: this.#parts };
  }

  #closePart(): void {
    this.#parts.push(this.#part.digest("hex"));
    this.#part = createHash("sha256");
    this.#filled = 0;
  }
}
