import { gunzipSync } from "node:zlib";
import { Failure } from "../failure.ts";

/** An IDX file of unsigned bytes, the format of MNIST. http://yann.lecun.com/exdb/mnist/ */
export interface IdxFile {
  readonly shape: readonly number[];
  /** Row-major, as many as the product of the shape. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** Element type "unsigned byte" in the third byte of an IDX magic number. */
const UNSIGNED_BYTE = 0x08;
/** A file that claims more is taken for corrupt; full MNIST is 47 MB. */
const LARGEST = 2 ** 31 - 1;

/**
 * Parses an IDX file, packed with gzip or not (told apart by the first bytes, not by the name).
 * @param name for messages
 * @param rank dimensions it must have: 3 for images, 1 for labels
 * @throws Failure `bad-input`
 */
export function parseIdx(file: Uint8Array<ArrayBuffer>, name: string, rank: number): IdxFile {
  const bytes = file[0] === 0x1f && file[1] === 0x8b ? unpack(file, name) : file;
  const headerLength = 4 + 4 * rank;
  if (bytes.length < headerLength) {
    throw bad(name, `it ends after ${bytes.length} bytes, inside the header`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint32(0);
  const wanted = UNSIGNED_BYTE * 256 + rank;
  if (magic !== wanted) {
    throw bad(
      name,
      `its magic number is 0x${hex(magic)}, that of ${rank === 1 ? "labels" : "images"} is 0x${hex(wanted)}`,
    );
  }
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const count = shape.reduce((product, dimension) => product * dimension, 1);
  if (count === 0 || count > LARGEST) throw bad(name, `its header announces the shape [${shape}]`);
  const data = bytes.subarray(headerLength);
  if (data.length < count) throw bad(name, `it is cut short: ${data.length} of ${count} data bytes`);
  if (data.length > count) throw bad(name, `it has ${data.length - count} bytes more than its header announces`);
  return { shape, data };
}

function unpack(file: Uint8Array<ArrayBuffer>, name: string): Uint8Array<ArrayBuffer> {
  try {
    // The limit keeps a small file from unpacking into all of the memory.
    return new Uint8Array(gunzipSync(file, { maxOutputLength: LARGEST }));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw bad(name, `gzip cannot unpack it (${reason})`, error);
  }
}

function bad(name: string, what: string, cause?: unknown): Failure {
  return new Failure("bad-input", `${name} is not a usable IDX file: ${what}. Get the file again.`, { cause });
}

const hex = (word: number) => word.toString(16).padStart(8, "0");
