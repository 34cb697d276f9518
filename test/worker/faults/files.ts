import { encodeShard } from "../../../shared/evaluation/shard.ts";
import { f32Checkpoint, largeCheckpoint, linearModel } from "../../support/checkpoint-files.ts";
import { succeed } from "./world.ts";

let seed = 0;

/** A number that no other call gives. */
export const fresh = (): number => ++seed;

/** A small checkpoint with a model, like no other. */
export const freshModel = (): Uint8Array<ArrayBuffer> => linearModel([fresh(), 7, 6, 5, 4, 3, 2, 1], [seed / 2, -seed]);

/** A small checkpoint, like no other. */
export const freshFile = (): Uint8Array<ArrayBuffer> => f32Checkpoint({ w: [fresh(), 1, 2, 3] });

const large = largeCheckpoint(2_100_000, 0);

/** A checkpoint of more than one part, like no other: 8.4 MB. */
export function freshLargeFile(): Uint8Array<ArrayBuffer> {
  const file = large.slice();
  new DataView(file.buffer).setFloat32(file.length - 4, fresh(), true);
  return file;
}

/** A shard that fits {@link freshModel}, like no other. */
export const freshShard = (): Uint8Array<ArrayBuffer> =>
  encodeShard({
    count: 3,
    inputShape: [2, 2],
    x: Float32Array.from({ length: 12 }, (_, index) => Math.sin(index + fresh())),
    scale: 1,
    offset: 0,
    y: Int32Array.of(0, 1, 0),
  });

/** Uploads a checkpoint over bindings that work. */
export async function uploaded(file: Uint8Array<ArrayBuffer>): Promise<string> {
  return (await succeed<{ id: string }>({ method: "POST", path: "/v1/checkpoints", body: file })).id;
}

/** A recipe over two fresh models. */
export async function freshRecipe(method = "linear") {
  const inputs = [
    { checkpoint: await uploaded(freshModel()), weight: 1 },
    { checkpoint: await uploaded(freshModel()), weight: 3 },
  ];
  const plain = inputs.map(({ checkpoint }) => ({ checkpoint }));
  return method === "slerp" ? { method, inputs: plain, parameters: { t: 0.25 } } : { method, inputs };
}

/** A stored model of a fresh recipe. */
export async function freshFusion(): Promise<{ id: string; sha256: string }> {
  return succeed({ method: "POST", path: "/v1/fusions", body: { recipe: await freshRecipe() } });
}
