import { PassingDigest } from "./digest.ts";

/** SHA-256 of each of the equal parts of a stream, as it passes. */
export class SectionDigests {
  readonly #sectionBytes: number;
  readonly #finished: string[] = [];
  #current: PassingDigest | undefined;
  #room: number;

  constructor(sectionBytes: number) {
    this.#sectionBytes = sectionBytes;
    this.#room = sectionBytes;
  }

  async write(chunk: Uint8Array): Promise<void> {
    for (let rest = chunk; rest.length > 0;) {
      this.#current ??= new PassingDigest();
      const taken = rest.subarray(0, this.#room);
      await this.#current.write(taken);
      this.#room -= taken.length;
      rest = rest.subarray(taken.length);
      if (this.#room === 0) await this.#close();
    }
  }

  /** @returns one digest a part, in order */
  async finish(): Promise<readonly string[]> {
    await this.#close();
    return this.#finished;
  }

  abandon(): void {
    this.#current?.abandon();
  }

  async #close(): Promise<void> {
    if (this.#current !== undefined) this.#finished.push(await this.#current.finish());
    this.#current = undefined;
    this.#room = this.#sectionBytes;
  }
}
