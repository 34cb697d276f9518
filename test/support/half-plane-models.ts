import { encodeShard } from "../../shared/evaluation/shard.ts";
import { RandomStream } from "../../shared/random/stream.ts";
import { encodeSafetensors } from "../../shared/safetensors/index.ts";

const MODEL = JSON.stringify({ architecture: "mlp", input: [2], hidden: [4], classes: 2 });

export interface HalfPlane {
  /** Of the line that the model decides by, in radians; 0 is the truth. Every radian costs a share of 1 / pi. */
  readonly angle: number;
  /** Hidden units in another order: the same function, but nothing that could be averaged with the others. */
  readonly isSwapped?: boolean;
  /** A kernel that is not a number. */
  readonly isBroken?: boolean;
  /** As `nn.Sequential(Linear, ReLU, Linear)` saves it: kernels [out, in], and no word on what it is. */
  readonly isPytorch?: boolean;
}

/**
 * A network that says on which side of a line a point of the plane lies: class 1 where x cos(angle) + y sin(angle) > 0.
 * Four hidden units: the sum, its opposite, and two that count for nothing.
 */
export function halfPlaneModel({
  angle,
  isSwapped = false,
  isBroken = false,
  isPytorch = false,
}: HalfPlane): Uint8Array<ArrayBuffer> {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  const order = isSwapped ? [1, 0, 3, 2] : [0, 1, 2, 3];
  const columns = [
    [c, s],
    [-c, -s],
    [0.5, 0.1],
    [0.1, 0.5],
  ];
  const outputs = [
    [0, 1],
    [1, 0],
    [0, 0],
    [0, 0],
  ];
  const hidden = order.map((unit) => columns[unit]?.map((value) => (isBroken ? Number.NaN : value)) ?? []);
  const output = order.map((unit) => outputs[unit] ?? []);
  const tensors: readonly [name: string, values: readonly (readonly number[])[]][] = isPytorch
    ? [
        ["0.weight", hidden],
        ["0.bias", [[0, 0, 0, 0]]],
        ["2.weight", transposed(output)],
        ["2.bias", [[0, 0]]],
      ]
    : [
        ["hidden_0/kernel", transposed(hidden)],
        ["hidden_0/bias", [[0, 0, 0, 0]]],
        ["output/kernel", output],
        ["output/bias", [[0, 0]]],
      ];
  return encodeSafetensors(
    new Map(
      tensors.map(([name, rows]) => {
        const width = rows[0]?.length ?? 0;
        const shape = name.endsWith("bias") ? [width] : [rows.length, width];
        return [name, { dtype: "F32" as const, shape, data: new Uint8Array(new Float32Array(rows.flat()).buffer) }];
      }),
    ),
    isPytorch ? {} : { "edgefuse.model": MODEL },
  );
}

function transposed(rows: readonly (readonly number[])[]): number[][] {
  return (rows[0] ?? []).map((_, column) => rows.map((row) => row[column] ?? 0));
}

/** Points of the plane, each with its side of the line x = 0. */
export function halfPlaneShard(count: number, seed = 1n): Uint8Array<ArrayBuffer> {
  const random = new RandomStream(seed, "points");
  const x = Float32Array.from({ length: 2 * count }, () => 2 * random.uniform() - 1);
  const y = Int32Array.from({ length: count }, (_, index) => ((x[2 * index] ?? 0) > 0 ? 1 : 0));
  return encodeShard({ count, inputShape: [2], x, y, scale: 1, offset: 0 });
}
