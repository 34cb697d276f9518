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
    header.tensors.map((tensor) => [
      tensor.name,
      { shape: tensor.shape, values: decodeValues(tensor, bytes(tensor).slice().buffer) },
    ]),
  );
}

function decodeValues({ name, dtype, shape }: TensorInfo, buffer: ArrayBuffer): Float32Array<ArrayBuffer> {
  const values = new Float32Array(elementCount(shape));
  const view = new DataView(buffer);
  const fill = (read: (index: number) => number) => {
    for (let i = 0; i < values.length; i++) values[i] = read(i);
    return values;
  };
  switch (dtype) {
    case "F32":
      return fill((i) => view.getFloat32(4 * i, true));
    case "F64":
      return fill((i) => view.getFloat64(8 * i, true));
    case "BF16": {
      // A bfloat16 is the upper half of a float32.
      const bits = new Uint32Array(values.buffer);
      for (let i = 0; i < bits.length; i++) bits[i] = view.getUint16(2 * i, true) << 16;
      return values;
    }
    case "F16":
      return fill((i) => float16(view.getUint16(2 * i, true)));
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
