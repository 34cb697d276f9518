/** A piece of a job's log that is to be sent: where it belongs, and its bytes. */
export interface LogChunk {
  /** Bytes of the log before it. */
  readonly offset: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface LogLimits {
  /** Most bytes a chunk. */
  readonly chunkBytes: number;
  /** Most bytes that wait; older ones make room for newer, because how a job ended matters more than how it began. */
  readonly waitingBytes: number;
}

const encoder = new TextEncoder();

/**
 * The part of a job's log that the worker has not confirmed yet. A chunk that was taken stays as it is, at its offset,
 * until it is confirmed: sending it again is sending the same.
 */
export class LogBuffer {
  readonly #limits: LogLimits;
  readonly #lines: Uint8Array[] = [];
  #waiting = 0;
  #dropped = 0;
  #offset: number;
  #taken: LogChunk | undefined;

  /** @param offset bytes that the log has already */
  constructor(limits: LogLimits, offset = 0) {
    this.#limits = limits;
    this.#offset = offset;
  }

  /** Bytes that wait to be taken. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Whether the worker has confirmed everything. */
  get isEmpty(): boolean {
    return this.#taken === undefined && this.#waiting === 0 && this.#dropped === 0;
  }

  /** @param line without its end */
  append(line: string): void {
    const bytes = encoder.encode(`${line}\n`);
    // A line longer than a chunk goes in pieces; all others whole, so that what masks secrets sees them whole.
    for (let begin = 0; begin < bytes.length; begin += this.#limits.chunkBytes) {
      const piece = bytes.subarray(begin, begin + this.#limits.chunkBytes);
      this.#lines.push(piece);
      this.#waiting += piece.length;
    }
    while (this.#waiting > this.#limits.waitingBytes && this.#lines.length > 1) {
      const oldest = this.#lines.shift();
      this.#waiting -= oldest?.length ?? 0;
      this.#dropped += oldest?.length ?? 0;
    }
  }

  /** The next chunk, or again the one that was taken and not confirmed; undefined where there is nothing to send. */
  take(): LogChunk | undefined {
    if (this.#taken !== undefined) return this.#taken;
    const { chunkBytes } = this.#limits;
    const parts: Uint8Array[] = [];
    let length = 0;
    const add = (part: Uint8Array) => {
      parts.push(part);
      length += part.length;
    };
    if (this.#dropped > 0) {
      add(encoder.encode(`[${this.#dropped} bytes of the log were left out here: the worker could not be reached]\n`));
      this.#dropped = 0;
    }
    for (;;) {
      const next = this.#lines[0];
      if (next === undefined || length + next.length > chunkBytes) break;
      this.#lines.shift();
      this.#waiting -= next.length;
      add(next);
    }
    if (length === 0) return undefined;
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    this.#taken = { offset: this.#offset, bytes };
    return this.#taken;
  }

  /** The worker has the chunk that was taken. */
  confirm(): void {
    if (this.#taken === undefined) return;
    this.#offset += this.#taken.bytes.length;
    this.#taken = undefined;
  }

  /** The worker's log is longer or shorter than was thought: what was taken goes after what is there. */
  moveTo(offset: number): void {
    this.#offset = offset;
    if (this.#taken !== undefined) this.#taken = { offset, bytes: this.#taken.bytes };
  }
}
