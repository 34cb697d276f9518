import { encodeSafetensors } from "../../shared/safetensors/index.ts";

/** A checkpoint of F32 tensors in the reference writer's layout. */
export function f32Checkpoint(
  tensors: Readonly<Record<string, readonly number[]>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  return encodeSafetensors(
    new Map(
      Object.entries(tensors).map(([name, values]) => [
        name,
        { dtype: "F32" as const, shape: [values.length], data: new Uint8Array(new Float32Array(values).buffer) },
      ]),
    ),
    metadata,
  );
}

/** A checkpoint of one F32 tensor `w` of so many elements, all different. */
export function largeCheckpoint(elements: number, seed: number): Uint8Array<ArrayBuffer> {
  const values = Float32Array.from({ length: elements }, (_, index) => Math.sin(index * 0.37 + seed));
  return encodeSafetensors(new Map([["w", { dtype: "F32", shape: [elements], data: new Uint8Array(values.buffer) }]]));
}

export const LINEAR_MODEL = JSON.stringify({ architecture: "mlp", input: [2, 2], hidden: [], classes: 2 });

const f32 = (values: readonly number[]) => new Uint8Array(new Float32Array(values).buffer);

/** The smallest network there is: four inputs, two logits. */
export function linearModel(kernel: readonly number[], bias: readonly number[]): Uint8Array<ArrayBuffer> {
  return encodeSafetensors(
    new Map([
      ["output/kernel", { dtype: "F32", shape: [4, 2], data: f32(kernel) }],
      ["output/bias", { dtype: "F32", shape: [2], data: f32(bias) }],
    ]),
    { "edgefuse.model": LINEAR_MODEL },
  );
}
