import { Problem } from "../problem.ts";
import type { SafetensorsHeader, TensorInfo } from "./header.ts";
import { type JsonValue, parseStrictJson } from "./strict-json.ts";
import { layoutInOrder, type SafetensorsLayout } from "./write.ts";

/** Name of the index that Hugging Face writes beside the shards of a checkpoint. */
export const INDEX_FILE = "model.safetensors.index.json";

/** Limits against hostile files, as Hugging Face's own JavaScript reader has them. */
export const INDEX_LIMITS = { bytes: 25_000_000, shards: 10_000, tensors: 100_000 } as const;

/** A name that cannot leave its folder, hide, or mean something to a shell or an URL. */
const SHARD_NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,242}\.safetensors$/;

/** `model.safetensors.index.json`: which file holds which tensor. */
export interface ShardIndex {
  /** Bytes of all tensors together, where the index says so. */
  readonly totalSize: number | undefined;
  /** File of each tensor. */
  readonly fileOf: ReadonlyMap<string, string>;
  /** Every file once, sorted by name. */
  readonly files: readonly string[];
}

const malformed = (detail: string, members: Record<string, unknown> = {}) =>
  new Problem("malformed-index", detail, members);

/**
 * Parses the index of a sharded checkpoint.
 * @param bytes the file, UTF-8
 * @throws Problem `malformed-index`
 * @see https://github.com/huggingface/huggingface.js/blob/main/packages/hub/src/lib/parse-safetensors-index.ts
 */
export function parseShardIndex(bytes: Uint8Array): ShardIndex {
  if (bytes.length > INDEX_LIMITS.bytes) {
    throw malformed(`The index has ${bytes.length} bytes; at most ${INDEX_LIMITS.bytes} are accepted.`);
  }
  const root = parseJsonFile(bytes);
  if (!(root instanceof Map)) throw malformed("The index is not a JSON object.");
  const map = root.get("weight_map");
  if (!(map instanceof Map)) throw malformed("The index has no weight_map object.");
  if (map.size === 0) throw malformed("The index names no tensor.");
  if (map.size > INDEX_LIMITS.tensors) {
    throw malformed(`The index names ${map.size} tensors; at most ${INDEX_LIMITS.tensors} are accepted.`);
  }
  const fileOf = new Map<string, string>();
  for (const [tensor, file] of map) {
    if (typeof file !== "string" || !SHARD_NAME.test(file) || file.includes("..")) {
      throw malformed(`Tensor ${JSON.stringify(tensor)} is said to be in ${JSON.stringify(file)}, no safe file name.`, {
        tensor,
      });
    }
    fileOf.set(tensor, file);
  }
  const files = [...new Set(fileOf.values())].sort();
  if (files.length > INDEX_LIMITS.shards) {
    throw malformed(`The index names ${files.length} shards; at most ${INDEX_LIMITS.shards} are accepted.`);
  }
  return { totalSize: totalSizeOf(root.get("metadata")), fileOf, files };
}

function parseJsonFile(bytes: Uint8Array): JsonValue {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw malformed("The index is not UTF-8.");
  }
  try {
    return parseStrictJson(text);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    throw malformed(error.message.replace("The header", "The index"), error.members);
  }
}

function totalSizeOf(metadata: JsonValue | undefined): number | undefined {
  if (metadata === undefined) return undefined;
  if (!(metadata instanceof Map)) throw malformed("The index's metadata is not an object.");
  const size = metadata.get("total_size");
  if (size === undefined) return undefined;
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw malformed("The index's total_size is not a whole number from 0.");
  }
  return size;
}

/**
 * Lays the shards out as one file: their data sections one behind the other, in the order of the file names, each
 * unchanged. So any range of the one file is at most one range of each shard.
 * @param headers of every file that the index names
 * @throws Problem `malformed-index` where a tensor of the index is not in its shard, a shard holds another, or the sizes
 *   do not add up to `total_size`
 */
export function layoutShards(index: ShardIndex, headers: ReadonlyMap<string, SafetensorsHeader>): SafetensorsLayout {
  const tensors: TensorInfo[] = [];
  const metadata = new Map<string, string | undefined>();
  let at = 0;
  for (const file of index.files) {
    const header = headers.get(file);
    if (header === undefined) throw malformed(`The shard ${file} is missing.`, { shard: file });
    for (const tensor of header.tensors) {
      if (index.fileOf.get(tensor.name) !== file) {
        throw malformed(
          `The shard ${file} holds ${JSON.stringify(tensor.name)}, which the index does not place there.`,
          {
            shard: file,
            tensor: tensor.name,
          },
        );
      }
      tensors.push({ ...tensor, begin: at + tensor.begin, end: at + tensor.end });
    }
    at += header.fileLength - header.dataOffset;
    for (const [key, value] of Object.entries(header.metadata)) {
      // What shards contradict each other in is not known of the whole.
      metadata.set(key, metadata.has(key) && metadata.get(key) !== value ? undefined : value);
    }
  }
  if (tensors.length !== index.fileOf.size) {
    const found = new Set(tensors.map(({ name }) => name));
    const missing = [...index.fileOf.keys()].filter((name) => !found.has(name));
    throw malformed(`The index places ${JSON.stringify(missing[0])} in a shard that does not hold it.`, {
      tensors: missing.slice(0, 20),
      total: missing.length,
    });
  }
  if (index.totalSize !== undefined && index.totalSize !== at) {
    throw malformed(`The index says that all tensors have ${index.totalSize} bytes; they have ${at}.`, {
      expectedBytes: index.totalSize,
      actualBytes: at,
    });
  }
  const agreed = [...metadata].flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const]));
  return layoutInOrder(tensors, Object.fromEntries(agreed));
}

/** The index that goes with shards, as Hugging Face writes it: keys sorted, two spaces of indentation. */
export function encodeShardIndex(
  shards: readonly { readonly file: string; readonly tensors: readonly TensorInfo[] }[],
): string {
  const places = shards.flatMap(({ file, tensors }) => tensors.map(({ name }) => [name, file] as const));
  const size = shards.flatMap(({ tensors }) => tensors).reduce((sum, { begin, end }) => sum + end - begin, 0);
  // By hand, because a tensor may be called "1" or "__proto__", which objects reorder or lose.
  const lines = places
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, file]) => `    ${JSON.stringify(name)}: ${JSON.stringify(file)}`);
  return `{\n  "metadata": {\n    "total_size": ${size}\n  },\n  "weight_map": {\n${lines.join(",\n")}\n  }\n}\n`;
}
