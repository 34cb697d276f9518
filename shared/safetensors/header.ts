import { Problem } from "../problem.ts";
import { byteLength, type Dtype, isDtype } from "./dtypes.ts";
import { type JsonObject, type JsonValue, parseStrictJson } from "./strict-json.ts";

/** One tensor: where its bytes lie, relative to the start of the data section. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** Offset of the data section in the file: 8 bytes of length, then the JSON. */
  readonly dataOffset: number;
  /** Length of the whole file in bytes. */
  readonly fileLength: number;
  /** `__metadata__`: string to string. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Tensors in the order of their bytes. They tile the data section without gap or overlap. */
  readonly tensors: readonly TensorInfo[];
}

/**
 * Limits against hostile files. The reference reader takes headers of up to 100 MB; we follow Hugging Face's own
 * JavaScript reader, which must hold them in a browser, and stop at 25 MB.
 * @see https://github.com/huggingface/huggingface.js/blob/main/packages/hub/src/lib/parse-safetensors-metadata.ts
 */
export const SAFETENSORS_LIMITS = {
  headerBytes: 25_000_000,
  tensors: 100_000,
  rank: 32,
  dimension: 2 ** 32,
} as const;

const malformed = (detail: string, members: Record<string, unknown> = {}) =>
  new Problem("malformed-safetensors", detail, members);

/**
 * Length of the JSON header, from the first 8 bytes of a file.
 * @throws Problem `truncated-file`, `malformed-safetensors`
 */
export function readHeaderLength(prefix: Uint8Array, fileLength?: number): number {
  if (prefix.length < 8) {
    throw new Problem(
      "truncated-file",
      `A safetensors file starts with 8 bytes of length; there are ${prefix.length}.`,
    );
  }
  const length = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(SAFETENSORS_LIMITS.headerBytes)) {
    throw malformed(`The header claims ${length} bytes; at most ${SAFETENSORS_LIMITS.headerBytes} are accepted.`);
  }
  if (length < 2n) throw malformed("The header is empty; it must at least be {}.");
  if (fileLength !== undefined && 8 + Number(length) > fileLength) {
    throw new Problem("truncated-file", `The header claims ${length} bytes, the file has ${fileLength} in all.`);
  }
  return Number(length);
}

/**
 * Parses and checks a header against every rule of the format: UTF-8 JSON object, no duplicate keys, known dtypes,
 * byte counts that match the shapes, offsets that tile the data section exactly.
 * @param json the header's bytes, without the 8 bytes of length before it
 * @param fileLength length of the whole file, which the last tensor must reach; leave out while it is not known, and
 *   compare with the `fileLength` returned
 * @throws Problem `malformed-safetensors`, `truncated-file`
 */
export function parseHeader(json: Uint8Array, fileLength?: number): SafetensorsHeader {
  if (json[0] !== 0x7b) throw malformed("The header does not begin with {.");
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(json);
  } catch {
    throw malformed("The header is not UTF-8.");
  }
  const root = parseStrictJson(text);
  if (!(root instanceof Map)) throw malformed("The header is not a JSON object.");

  const metadata = parseMetadata(root.get("__metadata__"));
  if (root.size > SAFETENSORS_LIMITS.tensors) {
    throw malformed(`The file has ${root.size} tensors; at most ${SAFETENSORS_LIMITS.tensors} are accepted.`);
  }
  const tensors: TensorInfo[] = [];
  for (const [name, entry] of root) {
    if (name !== "__metadata__") tensors.push(parseTensor(name, entry));
  }
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);

  let expected = 0;
  for (const tensor of tensors) {
    if (tensor.begin !== expected) {
      const what = tensor.begin < expected ? "overlaps the tensor before it" : "leaves a gap before it";
      throw malformed(`Tensor ${JSON.stringify(tensor.name)} ${what}: it begins at ${tensor.begin}, not ${expected}.`, {
        tensor: tensor.name,
      });
    }
    expected = tensor.end;
  }
  const dataOffset = 8 + json.length;
  const header = { dataOffset, fileLength: dataOffset + expected, metadata, tensors };
  if (fileLength !== undefined) checkFileLength(header, fileLength);
  return header;
}

/** @throws Problem where the file is shorter or longer than its header says */
export function checkFileLength(header: SafetensorsHeader, fileLength: number): void {
  if (fileLength < header.fileLength) {
    throw new Problem(
      "truncated-file",
      `The header describes ${header.fileLength} bytes, the file has ${fileLength}.`,
      {
        expectedBytes: header.fileLength,
        actualBytes: fileLength,
      },
    );
  }
  if (fileLength > header.fileLength) {
    throw malformed(`The file has ${fileLength - header.fileLength} bytes that belong to no tensor.`, {
      expectedBytes: header.fileLength,
      actualBytes: fileLength,
    });
  }
}

function parseMetadata(value: JsonValue | undefined): Record<string, string> {
  if (value === undefined) return {};
  if (!(value instanceof Map)) throw malformed("__metadata__ is not an object.");
  const pairs: [string, string][] = [];
  for (const [key, text] of value) {
    if (typeof text !== "string") throw malformed(`__metadata__ holds ${JSON.stringify(key)}, which is not a string.`);
    pairs.push([key, text]);
  }
  return Object.fromEntries(pairs);
}

function parseTensor(name: string, entry: JsonValue): TensorInfo {
  const where = { tensor: name };
  const label = `Tensor ${JSON.stringify(name)}`;
  if (!(entry instanceof Map)) throw malformed(`${label} is not described by an object.`, where);
  for (const key of entry.keys()) {
    if (key !== "dtype" && key !== "shape" && key !== "data_offsets") {
      throw malformed(`${label} has an unknown member ${JSON.stringify(key)}.`, where);
    }
  }
  const dtype = entry.get("dtype");
  if (typeof dtype !== "string" || !isDtype(dtype)) {
    throw malformed(`${label} has the unknown dtype ${JSON.stringify(dtype ?? null)}.`, where);
  }
  const shape = integers(entry, "shape", label, where);
  if (shape.length > SAFETENSORS_LIMITS.rank) throw malformed(`${label} has rank ${shape.length}.`, where);
  if (shape.some((dimension) => dimension > SAFETENSORS_LIMITS.dimension)) {
    throw malformed(`${label} has a dimension above ${SAFETENSORS_LIMITS.dimension}.`, where);
  }
  const offsets = integers(entry, "data_offsets", label, where);
  const [begin, end] = offsets;
  if (offsets.length !== 2 || begin === undefined || end === undefined || begin > end) {
    throw malformed(`${label} has data_offsets that are not [begin, end].`, where);
  }
  const bytes = byteLength(dtype, shape);
  if (bytes === undefined) throw malformed(`${label} does not fill whole bytes, or is too large to count.`, where);
  if (bytes !== end - begin) {
    throw malformed(`${label} needs ${bytes} bytes for ${dtype} [${shape}], its offsets span ${end - begin}.`, where);
  }
  return { name, dtype, shape, begin, end };
}

function integers(entry: JsonObject, key: string, label: string, where: Record<string, unknown>): number[] {
  const value = entry.get(key);
  if (!Array.isArray(value)) throw malformed(`${label} has no ${key} array.`, where);
  return value.map((item) => {
    if (typeof item !== "number" || !Number.isSafeInteger(item) || item < 0 || Object.is(item, -0)) {
      throw malformed(`${label} has a ${key} entry that is not a whole number from 0.`, where);
    }
    return item;
  });
}
