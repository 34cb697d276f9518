import { Problem } from "../problem.ts";
import { type Dtype, elementCount, type SafetensorsHeader, type TensorInfo } from "../safetensors/index.ts";
import type { Weight } from "./weights.ts";

/**
 * Decodes a checkpoint's weights to float32, for evaluation. F16 and BF16 widen exactly; F64 rounds to nearest.
 * @param bytes the bytes of one tensor; may be an unaligned view
 * @throws Problem `unsupported-dtype` for tensors that are not floating point
 */
export function decodeWeights(
  header: SafetensorsHeader,
  bytes: (tensor: TensorInfo) => Uint8Array<ArrayBuffer>,
): Map<string, Weight> {
  return new Map(
    header.tensors.map((tensor) => [tensor.name, { shape: tensor.shape, values: decodeFloats(tensor, bytes(tensor)) }]),
  );
}

/**
 * Decodes one tensor to float32. Whole numbers and truth values, which graphs have as constants, come as the nearest
 * float32.
 * @throws Problem `unsupported-dtype` for what is neither
 */
export function decodeTensor(tensor: TensorInfo, bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  switch (tensor.dtype) {
    case "I32":
      return Float32Array.from(new Int32Array(bytes.slice().buffer));
    case "BOOL":
    case "U8":
      return Float32Array.from(bytes);
    default:
      return decodeFloats(tensor, bytes);
  }
}

function decodeFloats({ name, dtype, shape }: TensorInfo, bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  // Copied: a view may not begin where numbers can. Every platform that runs this has little-endian numbers.
  const { buffer } = bytes.slice();
  switch (dtype) {
    case "F32":
      return new Float32Array(buffer);
    case "F64":
      return Float32Array.from(new Float64Array(buffer));
    case "BF16": {
      // A bfloat16 is the upper half of a float32.
      const bits = Uint32Array.from(new Uint16Array(buffer), (half) => half << 16);
      return new Float32Array(bits.buffer);
    }
    case "F16": {
      const halves = new Uint16Array(buffer);
      const values = new Float32Array(elementCount(shape));
      for (let i = 0; i < values.length; i++) values[i] = float16(halves[i] ?? 0);
      return values;
    }
    default:
      return unsupported(name, dtype);
  }
}

function unsupported(name: string, dtype: Dtype): never {
  throw new Problem("unsupported-dtype", `Tensor ${JSON.stringify(name)} is ${dtype}, which cannot be evaluated.`, {
    tensor: name,
    dtype,
  });
}

/** IEEE 754 binary16. */
function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}
