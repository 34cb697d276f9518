import { Problem } from "../problem.ts";
import { decodeSafetensors, encodeSafetensors, elementCount } from "../safetensors/index.ts";

/**
 * Labelled samples for validation: a safetensors file with `x` [n, …] and `y` [n], or `y` [n, length] where every position
 * of a sequence has a label.
 *
 * `x` is F32 as it is, or U8 with `scale` and `offset` in the metadata: real value = x * scale + offset. Bytes keep a
 * shard of images at a quarter of the size.
 */
export interface Shard {
  readonly count: number;
  /** Shape of one sample, such as [28, 28, 1]. */
  readonly inputShape: readonly number[];
  readonly x: Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;
  readonly scale: number;
  readonly offset: number;
  /** Class of each sample, from 0; of sequences, of each position, sample by sample. */
  readonly y: Int32Array<ArrayBuffer>;
}

/** 1, or the length of the sequences that have a label at every position. */
export function labelsPerSample({ y, count }: Pick<Shard, "y" | "count">): number {
  return y.length / count;
}

const invalid = (detail: string) => new Problem("invalid-shard", detail);

/**
 * Parses and checks a shard.
 * @throws Problem `invalid-shard`, `malformed-safetensors`, `truncated-file`
 */
export function decodeShard(file: Uint8Array<ArrayBuffer>): Shard {
  const { header, bytes } = decodeSafetensors(file);
  const x = header.tensors.find((tensor) => tensor.name === "x");
  const y = header.tensors.find((tensor) => tensor.name === "y");
  if (x === undefined || y === undefined) throw invalid("A shard has the tensors x and y.");
  if (y.dtype !== "I32" || y.shape.length < 1 || y.shape.length > 2 || (y.shape[1] ?? 2) < 2) {
    throw invalid(`y holds I32 classes, [samples] or [samples, length]; this is ${y.dtype} [${y.shape}].`);
  }
  const count = y.shape[0] ?? 0;
  if (count === 0) throw invalid("The shard has no samples.");
  if (x.shape.length < 2 || x.shape[0] !== count || elementCount(x.shape) === 0) {
    throw invalid(`x has shape [${x.shape}]; it needs ${count} samples, one for each entry of y.`);
  }
  const labels = new Int32Array(bytes(y).slice().buffer);
  const negative = labels.findIndex((label) => label < 0);
  if (negative !== -1) throw invalid(`Label ${negative} is ${labels[negative]}; classes count from 0.`);

  const common = { count, inputShape: x.shape.slice(1), y: labels };
  switch (x.dtype) {
    case "F32": {
      const values = new Float32Array(bytes(x).slice().buffer);
      const index = values.findIndex((value) => !Number.isFinite(value));
      if (index !== -1) throw invalid(`x holds ${values[index]} at element ${index}.`);
      return { ...common, x: values, scale: 1, offset: 0 };
    }
    case "U8":
      return {
        ...common,
        x: bytes(x).slice(),
        scale: finiteNumber(header.metadata, "scale"),
        offset: finiteNumber(header.metadata, "offset"),
      };
    default:
      throw invalid(`x is ${x.dtype}; a shard holds F32, or U8 with scale and offset.`);
  }
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
export function encodeShard({ count, inputShape, x, y, scale, offset }: Shard): Uint8Array<ArrayBuffer> {
  const labels = y.length === count ? [] : [labelsPerSample({ y, count })];
  const isBytes = x instanceof Uint8Array;
  const data = isBytes ? x : new Uint8Array(x.buffer, x.byteOffset, x.byteLength);
  return encodeSafetensors(
    new Map([
      ["x", { dtype: isBytes ? "U8" : "F32", shape: [count, ...inputShape], data }],
      ["y", { dtype: "I32", shape: [count, ...labels], data: new Uint8Array(y.buffer, y.byteOffset, y.byteLength) }],
    ]),
    isBytes ? { scale: String(scale), offset: String(offset) } : {},
  );
}
