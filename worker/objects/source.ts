import type { ByteSource } from "../../shared/fusion/source.ts";
import { Problem } from "../../shared/problem.ts";
import { parseHeader, readHeaderLength, type SafetensorsHeader } from "../../shared/safetensors/index.ts";

/**
 * An object in the bucket, read by ranges. Each read is one request, finished before it returns.
 *
 * All reads see one version of the object: the one named, or the one that the first read met. S3 clients can overwrite
 * any object, and a fusion of two versions would be nonsense.
 */
export class ObjectSource implements ByteSource {
  readonly #bucket: R2Bucket;
  readonly #key: string;
  #etag: string | undefined;

  constructor(bucket: R2Bucket, key: string, etag?: string) {
    this.#bucket = bucket;
    this.#key = key;
    this.#etag = etag;
  }

  /** Which version is read; undefined before the first read. */
  get etag(): string | undefined {
    return this.#etag;
  }

  /** @throws Problem `object-not-found`, `input-changed`, `truncated-file` */
  async read(begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    if (begin === end) return new Uint8Array(0);
    const object = await this.#bucket.get(this.#key, {
      range: { offset: begin, length: end - begin },
      ...(this.#etag === undefined ? {} : { onlyIf: { etagMatches: this.#etag } }),
    });
    if (object === null) throw new Problem("object-not-found", `The bucket has lost ${this.#key}.`, { key: this.#key });
    if (!("body" in object)) {
      throw new Problem(
        "input-changed",
        `${this.#key} was replaced after the fusion was planned. Restore it, or ask for the fusion anew.`,
        { key: this.#key },
      );
    }
    this.#etag ??= object.etag;
    const bytes = new Uint8Array(await object.arrayBuffer());
    if (bytes.length !== end - begin) {
      throw new Problem("truncated-file", `${this.#key} ends before byte ${end}.`, { key: this.#key });
    }
    return bytes;
  }
}

/** Bytes that most headers fit into, so that one read is enough for them. */
const FIRST_READ = 64 * 1024;

/** Reads the header of a stored safetensors file of known length. */
export async function readStoredHeader(source: ByteSource, fileLength: number): Promise<SafetensorsHeader> {
  const first = await source.read(0, Math.min(FIRST_READ, fileLength));
  const end = 8 + readHeaderLength(first, fileLength);
  const json = end <= first.length ? first.subarray(8, end) : await source.read(8, end);
  return parseHeader(json, fileLength);
}
