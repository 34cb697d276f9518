import * as z from "zod";
import { Problem } from "../problem.ts";
import { elementCount, SAFETENSORS_LIMITS } from "../safetensors/index.ts";

/** Limits against hostile files. */
export const TFJS_LIMITS = { jsonBytes: 25_000_000, files: 10_000, tensors: SAFETENSORS_LIMITS.tensors } as const;

/** A name that cannot leave the folder of `model.json`. TF.js itself writes `./model.weights.bin` in some places. */
const FILE_NAME = /^(?:\.\/)?[A-Za-z0-9_][A-Za-z0-9._-]{0,242}$/;

const dimension = z.int().min(0).max(SAFETENSORS_LIMITS.dimension);
const weightEntry = z.object({
  name: z.string(),
  shape: z.array(dimension).max(SAFETENSORS_LIMITS.rank),
  dtype: z.string(),
  quantization: z.object({ dtype: z.string(), scale: z.number().optional(), min: z.number().optional() }).optional(),
});
const modelJson = z.object({
  modelTopology: z.unknown().optional(),
  weightsManifest: z.array(z.object({ paths: z.array(z.string()), weights: z.array(weightEntry) })),
});

/** How one weight's numbers lie in the weight files, and what they mean. */
export type WeightEncoding =
  /** As they are, under a dtype of safetensors. */
  | { readonly kind: "plain"; readonly dtype: "F32" | "F16" | "I32" | "BOOL" }
  /** Small integers q that stand for q * scale + min, rounded to `dtype`. */
  | {
      readonly kind: "affine";
      readonly dtype: "F32" | "I32";
      readonly bytes: 1 | 2;
      readonly scale: number;
      readonly min: number;
    };

export interface TfjsWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly elements: number;
  readonly encoding: WeightEncoding;
  /** Bytes in the weight files. */
  readonly length: number;
}

/** Weights that lie back to back, without alignment, in files that are to be read one behind the other. */
export interface TfjsGroup {
  readonly files: readonly string[];
  readonly weights: readonly TfjsWeight[];
}

export interface TfjsModel {
  readonly topology: unknown;
  readonly groups: readonly TfjsGroup[];
}

const malformed = (detail: string, members: Record<string, unknown> = {}) =>
  new Problem("malformed-tfjs-model", detail, members);

/**
 * Parses the `model.json` of a TF.js model: layers or graph.
 * @param bytes the file, UTF-8
 * @throws Problem `malformed-tfjs-model`; `unsupported-dtype` for string and complex weights
 * @see https://github.com/tensorflow/tfjs/blob/master/tfjs-core/src/io/types.ts
 */
export function parseModelJson(bytes: Uint8Array): TfjsModel {
  if (bytes.length > TFJS_LIMITS.jsonBytes) {
    throw malformed(`model.json has ${bytes.length} bytes; at most ${TFJS_LIMITS.jsonBytes} are accepted.`);
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw malformed("model.json is not JSON in UTF-8.");
  }
  const parsed = modelJson.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw malformed(`model.json at /${issue?.path.join("/") ?? ""}: ${issue?.message ?? "is not valid"}.`, {
      pointer: `/${issue?.path.join("/") ?? ""}`,
    });
  }
  const { modelTopology, weightsManifest } = parsed.data;
  const groups = weightsManifest.map(({ paths, weights }): TfjsGroup => {
    const unsafe = paths.find((path) => !FILE_NAME.test(path) || path.includes(".."));
    if (unsafe !== undefined) throw malformed(`${JSON.stringify(unsafe)} is no safe file name.`, { path: unsafe });
    return { files: paths.map((path) => path.replace(/^\.\//, "")), weights: weights.map(readWeight) };
  });
  checkCounts(groups);
  return { topology: modelTopology, groups };
}

function checkCounts(groups: readonly TfjsGroup[]): void {
  const files = groups.flatMap((group) => group.files);
  if (files.length > TFJS_LIMITS.files) {
    throw malformed(`The model has ${files.length} weight files; at most ${TFJS_LIMITS.files} are accepted.`);
  }
  if (new Set(files).size !== files.length) throw malformed("A weight file is named twice.");
  const names = groups.flatMap(({ weights }) => weights.map(({ name }) => name));
  if (names.length > TFJS_LIMITS.tensors) {
    throw malformed(`The model has ${names.length} weights; at most ${TFJS_LIMITS.tensors} are accepted.`);
  }
  const seen = new Set<string>();
  for (const name of names) {
    if (name === "__metadata__") throw malformed("A weight cannot be called __metadata__.", { tensor: name });
    if (seen.has(name)) throw malformed(`Two weights are called ${JSON.stringify(name)}.`, { tensor: name });
    seen.add(name);
  }
}

function readWeight({ name, shape, dtype, quantization }: z.infer<typeof weightEntry>): TfjsWeight {
  const encoding = encodingOf(name, dtype, quantization);
  const elements = elementCount(shape);
  const length = elements * storedBytes(encoding);
  if (!Number.isSafeInteger(length)) {
    throw malformed(`Weight ${JSON.stringify(name)} is too large to count.`, { tensor: name });
  }
  return { name, shape, elements, encoding, length };
}

/** Bytes an element in the weight files. */
export function storedBytes(encoding: WeightEncoding): 1 | 2 | 4 {
  if (encoding.kind === "affine") return encoding.bytes;
  switch (encoding.dtype) {
    case "BOOL":
      return 1;
    case "F16":
      return 2;
    case "F32":
    case "I32":
      return 4;
  }
}

function encodingOf(
  tensor: string,
  dtype: string,
  quantization: z.infer<typeof weightEntry>["quantization"],
): WeightEncoding {
  const label = `Weight ${JSON.stringify(tensor)}`;
  if (dtype === "string" || dtype === "complex64") {
    throw new Problem("unsupported-dtype", `${label} is ${dtype}, which cannot be fused.`, { tensor, dtype });
  }
  const wide = dtype === "float32" ? "F32" : dtype === "int32" ? "I32" : undefined;
  if (quantization === undefined) {
    if (wide === undefined && dtype !== "bool") throw malformed(`${label} has the unknown dtype ${dtype}.`, { tensor });
    return { kind: "plain", dtype: wide ?? "BOOL" };
  }
  const { dtype: stored, scale, min } = quantization;
  // TF.js widens float16 to float32 on loading, which loses nothing; so the numbers stay as they are.
  if (stored === "float16" && dtype === "float32") return { kind: "plain", dtype: "F16" };
  if ((stored !== "uint8" && stored !== "uint16") || wide === undefined) {
    throw malformed(`${label} is ${dtype}, quantised to ${stored}, which TF.js does not do.`, { tensor });
  }
  if (scale === undefined || min === undefined) throw malformed(`${label} has no scale or no min.`, { tensor });
  return { kind: "affine", dtype: wide, bytes: stored === "uint8" ? 1 : 2, scale, min };
}
