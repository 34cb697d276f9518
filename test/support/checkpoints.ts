import { createHash } from "node:crypto";
import { type FusionInput, readFusionInput } from "../../shared/fusion/index.ts";
import { checkpointId } from "../../shared/identity.ts";
import { Problem } from "../../shared/problem.ts";
import { fileFromHeader } from "./safetensors-files.ts";

export interface TestTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/**
 * A safetensors file as other writers lay it out: tensors in the order given, header not padded (so data may be unaligned),
 * metadata only where given.
 */
export function writeCheckpoint(
  tensors: readonly TestTensor[],
  metadata?: Record<string, string>,
): Uint8Array<ArrayBuffer> {
  let offset = 0;
  const members = tensors.map(({ name, dtype, shape, data }) => {
    const begin = offset;
    offset += data.length;
    return `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, offset] })}`;
  });
  if (metadata !== undefined) members.push(`"__metadata__":${JSON.stringify(metadata)}`);
  const file = fileFromHeader(`{${members.join(",")}}`, offset);
  let at = file.length - offset;
  for (const { data } of tensors) {
    file.set(data, at);
    at += data.length;
  }
  return file;
}

/** A fusion input over a file in memory; each read is a fresh copy, as from R2, and takes a turn of the event loop. */
export async function inputOf(file: Uint8Array<ArrayBuffer>, reads?: [number, number][]): Promise<FusionInput> {
  const id = checkpointId.parse(createHash("sha256").update(file).digest("hex"));
  const source = {
    async read(begin: number, end: number) {
      reads?.push([begin, end]);
      await Promise.resolve();
      if (end > file.length) throw new Problem("truncated-file", "The file ends sooner.");
      return file.slice(begin, end);
    },
  };
  return readFusionInput(id, source, file.length);
}
