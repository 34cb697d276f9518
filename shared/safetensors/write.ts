import { Problem } from "../problem.ts";
import { byteLength, type Dtype, DTYPES } from "./dtypes.ts";
import type { SafetensorsHeader, TensorInfo } from "./header.ts";

/** What a tensor is, before it has a place in a file. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

export interface SafetensorsLayout extends SafetensorsHeader {
  /** The first `dataOffset` bytes of the file: length, JSON, padding. */
  readonly headerBytes: Uint8Array<ArrayBuffer>;
}

/**
 * Lays a file out as the reference writer does: tensors by dtype (widest alignment first), then by name; the header
 * padded with spaces so that the data section starts at a multiple of 8. Metadata keys are sorted, so equal content
 * gives equal bytes.
 * @throws Problem `malformed-safetensors` for a tensor that cannot be written
 */
export function layoutSafetensors(
  specs: readonly TensorSpec[],
  metadata: Readonly<Record<string, string>> = {},
): SafetensorsLayout {
  const ordered = specs.toSorted(
    (a, b) => DTYPES[b.dtype].rank - DTYPES[a.dtype].rank || compareCodePoints(a.name, b.name),
  );
  const tensors: TensorInfo[] = [];
  let offset = 0;
  for (const { name, dtype, shape } of ordered) {
    const bytes = byteLength(dtype, shape);
    if (bytes === undefined) {
      throw new Problem("malformed-safetensors", `Tensor ${JSON.stringify(name)} does not fill whole bytes.`, {
        tensor: name,
      });
    }
    tensors.push({ name, dtype, shape, begin: offset, end: offset + bytes });
    offset += bytes;
  }
  if (specs.some(({ name }) => name === "__metadata__")) {
    throw new Problem("malformed-safetensors", "A tensor cannot be called __metadata__.", { tensor: "__metadata__" });
  }
  if (new Set(specs.map((spec) => spec.name)).size !== specs.length) {
    throw new Problem("malformed-safetensors", "Two tensors have the same name.");
  }
  const headerBytes = encodeHeader(tensors, metadata);
  return { dataOffset: headerBytes.length, fileLength: headerBytes.length + offset, metadata, tensors, headerBytes };
}

/**
 * A file whose tensors lie where they are said to lie: in the order given, tiling the data section from 0. For files put
 * together from others, whose order is not ours to choose.
 */
export function layoutInOrder(
  tensors: readonly TensorInfo[],
  metadata: Readonly<Record<string, string>> = {},
): SafetensorsLayout {
  const headerBytes = encodeHeader(tensors, metadata);
  const fileLength = headerBytes.length + (tensors.at(-1)?.end ?? 0);
  return { dataOffset: headerBytes.length, fileLength, metadata, tensors, headerBytes };
}

function encodeHeader(
  tensors: readonly TensorInfo[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  // Built by hand rather than as an object: a tensor may be called "__proto__" or "1", which objects reorder or lose.
  const members: string[] = [];
  const keys = Object.keys(metadata).sort(compareCodePoints);
  if (keys.length > 0) {
    const pairs = keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`);
    members.push(`"__metadata__":{${pairs.join(",")}}`);
  }
  for (const { name, dtype, shape, begin, end } of tensors) {
    members.push(`${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[${shape}],"data_offsets":[${begin},${end}]}`);
  }
  const json = new TextEncoder().encode(`{${members.join(",")}}`);
  const padded = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + padded).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, 8);
  return bytes;
}

function compareCodePoints(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A whole file from tensors held in memory. For models and shards that fit there; fusions are streamed instead. */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, { dtype: Dtype; shape: readonly number[]; data: Uint8Array }>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const specs = Array.from(tensors, ([name, { dtype, shape }]) => ({ name, dtype, shape }));
  const layout = layoutSafetensors(specs, metadata);
  const file = new Uint8Array(layout.fileLength);
  file.set(layout.headerBytes);
  for (const { name, begin, end } of layout.tensors) {
    const data = tensors.get(name)?.data;
    if (data?.length !== end - begin) {
      throw new Problem(
        "malformed-safetensors",
        `Tensor ${JSON.stringify(name)} needs ${end - begin} bytes, not ${data?.length}.`,
        {
          tensor: name,
        },
      );
    }
    file.set(data, layout.dataOffset + begin);
  }
  return file;
}
