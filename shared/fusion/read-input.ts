import type { CheckpointId } from "../identity.ts";
import { Problem } from "../problem.ts";
import { parseHeader, readHeaderLength } from "../safetensors/index.ts";
import type { ByteSource, FusionInput } from "./source.ts";

/** Bytes that hold the header of most models, so that one read is enough for them. */
const FIRST_READ_BYTES = 64 * 1024;

/**
 * Reads and checks the header of a safetensors file: one small read, two where the header is large.
 * @param size length of the file in bytes
 * @throws Problem `truncated-file`, `malformed-safetensors`
 */
export async function readFusionInput(id: CheckpointId, source: ByteSource, size: number): Promise<FusionInput> {
  const first = await readExactly(source, 0, Math.min(size, FIRST_READ_BYTES));
  const end = 8 + readHeaderLength(first, size);
  const json = end <= first.length ? first.subarray(8, end) : await readExactly(source, 8, end);
  return { id, source, header: parseHeader(json, size) };
}

/** @throws Problem `truncated-file` where a source returns another number of bytes than asked for */
export async function readExactly(source: ByteSource, begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await source.read(begin, end);
  if (bytes.length !== end - begin) {
    throw new Problem("truncated-file", `Bytes ${begin} to ${end} were asked for; ${bytes.length} came.`, {
      expectedBytes: end - begin,
      actualBytes: bytes.length,
    });
  }
  return bytes;
}
