import { Problem } from "../problem.ts";
import {
  decodeSafetensors,
  type Dtype,
  elementCount,
  encodeSafetensors,
  type TensorInfo,
} from "../safetensors/index.ts";

interface Samples {
  readonly count: number;
  /** Shape of one sample, such as [28, 28, 1]. */
  readonly inputShape: readonly number[];
  readonly x: Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;
  readonly scale: number;
  readonly offset: number;
}

/**
 * Labelled samples: a safetensors file with `x` [n, …] and `y` I32 [n], or `y` [n, length] where every position of a
 * sequence has a label.
 *
 * `x` is F32 as it is, or U8 with `scale` and `offset` in the metadata: real value = x * scale + offset. Bytes keep a
 * shard of images at a quarter of the size.
 */
export interface Shard extends Samples {
  /** Class of each sample, from 0; of sequences, of each position, sample by sample. */
  readonly y: Int32Array<ArrayBuffer>;
}

/** Samples with numbers to be predicted: `y` is F32 [n, …]. */
export interface RegressionShard extends Samples {
  /** Shape of one sample's targets; [1] where `y` is [n]. */
  readonly targetShape: readonly number[];
  readonly targets: Float32Array<ArrayBuffer>;
}

/** Samples of either kind, to evaluate a model on. */
export type ValidationShard = Shard | RegressionShard;

/** 1, or the length of the sequences that have a label at every position. */
export function labelsPerSample({ y, count }: Pick<Shard, "y" | "count">): number {
  return y.length / count;
}

const invalid = (detail: string) => new Problem("invalid-shard", detail);

/**
 * Parses and checks a shard of labelled samples.
 * @throws Problem `invalid-shard`, also for a regression's, `malformed-safetensors`, `truncated-file`
 */
export function decodeShard(file: Uint8Array<ArrayBuffer>): Shard {
  const shard = decodeValidationShard(file);
  if ("targets" in shard) {
    throw invalid(`y holds I32 classes, [samples] or [samples, length]; this is F32, a regression's targets.`);
  }
  return shard;
}

/**
 * Parses and checks a shard of labelled samples, or of a regression.
 * @throws Problem `invalid-shard`, `malformed-safetensors`, `truncated-file`
 */
export function decodeValidationShard(file: Uint8Array<ArrayBuffer>): ValidationShard {
  const { header, bytes } = decodeSafetensors(file);
  const x = header.tensors.find((tensor) => tensor.name === "x");
  const y = header.tensors.find((tensor) => tensor.name === "y");
  if (x === undefined || y === undefined) throw invalid("A shard has the tensors x and y.");
  checkTargets(y);
  const count = y.shape[0] ?? 0;
  if (count === 0) throw invalid("The shard has no samples.");
  if (x.shape.length < 2 || x.shape[0] !== count || elementCount(x.shape) === 0) {
    throw invalid(`x has shape [${x.shape}]; it needs ${count} samples, one for each entry of y.`);
  }
  const inputs = { count, inputShape: x.shape.slice(1), ...decodeInputs(x, bytes(x), header.metadata) };
  if (y.dtype === "F32") {
    const targets = new Float32Array(bytes(y).slice().buffer);
    requireFinite("y", targets);
    return { ...inputs, targetShape: y.shape.length === 1 ? [1] : y.shape.slice(1), targets };
  }
  const labels = new Int32Array(bytes(y).slice().buffer);
  const negative = labels.findIndex((label) => label < 0);
  if (negative !== -1) throw invalid(`Label ${negative} is ${labels[negative]}; classes count from 0.`);
  return { ...inputs, y: labels };
}

function checkTargets({ dtype, shape }: TensorInfo): void {
  if (dtype === "F32") {
    if (shape.length >= 1 && elementCount(shape.slice(1)) > 0) return;
    throw invalid(`y holds F32 targets, [samples] or [samples, …]; this is [${shape}].`);
  }
  if (dtype !== "I32" || shape.length < 1 || shape.length > 2 || (shape[1] ?? 2) < 2) {
    throw invalid(
      `y holds I32 classes, [samples] or [samples, length], or F32 targets, [samples, …]; this is ${dtype} [${shape}].`,
    );
  }
}

function decodeInputs(
  { dtype }: TensorInfo,
  bytes: Uint8Array<ArrayBuffer>,
  metadata: Readonly<Record<string, string>>,
): Pick<Samples, "x" | "scale" | "offset"> {
  switch (dtype) {
    case "F32": {
      const values = new Float32Array(bytes.slice().buffer);
      requireFinite("x", values);
      return { x: values, scale: 1, offset: 0 };
    }
    case "U8":
      return { x: bytes.slice(), scale: finiteNumber(metadata, "scale"), offset: finiteNumber(metadata, "offset") };
    default:
      throw invalid(`x is ${dtype}; a shard holds F32, or U8 with scale and offset.`);
  }
}

function requireFinite(tensor: "x" | "y", values: Float32Array): void {
  const index = values.findIndex((value) => !Number.isFinite(value));
  if (index !== -1) throw invalid(`${tensor} holds ${values[index]} at element ${index}.`);
}

function finiteNumber(metadata: Readonly<Record<string, string>>, key: string): number {
  const text = metadata[key];
  const value = Number(text);
  if (text === undefined || text.trim() === "" || !Number.isFinite(value)) {
    throw invalid(`x is U8, so the metadata needs ${key} as a number; it is ${JSON.stringify(text ?? null)}.`);
  }
  return value;
}

/** Writes a shard. Equal samples give equal bytes. */
export function encodeShard(shard: ValidationShard): Uint8Array<ArrayBuffer> {
  const { count, inputShape, x, scale, offset } = shard;
  const isBytes = x instanceof Uint8Array;
  const y: { dtype: Dtype; shape: number[]; data: Uint8Array } =
    "targets" in shard
      ? { dtype: "F32", shape: [count, ...shard.targetShape], data: bytesOf(shard.targets) }
      : { dtype: "I32", shape: [count, ...labelShape(shard)], data: bytesOf(shard.y) };
  return encodeSafetensors(
    new Map([
      ["x", { dtype: isBytes ? "U8" : "F32", shape: [count, ...inputShape], data: isBytes ? x : bytesOf(x) }],
      ["y", y],
    ]),
    isBytes ? { scale: String(scale), offset: String(offset) } : {},
  );
}

const labelShape = (shard: Shard) => (shard.y.length === shard.count ? [] : [labelsPerSample(shard)]);

function bytesOf(values: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
