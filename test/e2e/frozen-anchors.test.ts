import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { frozenMask } from "../../shared/alignment/mask.ts";
import { buildModel, initialWeights, readArchitecture } from "../../shared/models/index.ts";
import { decodeSafetensors } from "../../shared/safetensors/index.ts";
import { sgd } from "../../trainer/training/regime.ts";
import { type FamilyOptions, mlpFor, trainFamily } from "../../trainer/training/run-family.ts";
import { expectedFusion } from "../support/expected-fusion.ts";
import { wasmEngine } from "../support/wasm-engine.ts";
import { tinyDataset } from "../trainer/training/tiny-dataset.ts";

it("keeps the frozen entries bit-equal to the initial weights, from training to the fused file", async () => {
  const dataset = tinyDataset();
  const family: FamilyOptions = {
    dataset,
    architecture: mlpFor(dataset, [24, 16]),
    seed: 5n,
    maskSeed: 77n,
    fixedRatio: 0.4,
    models: 3,
    regime: { learningRate: 0.05, ...sgd(0.9), batch: 32, epochs: 3 },
  };
  const members = await trainFamily(family);
  const inputs = members.map(({ file }, index) => ({
    checkpoint: createHash("sha256").update(file).digest("hex"),
    weight: 0.1 + index, // unequal, and not exact in binary
  }));
  const { header, bytes } = decodeSafetensors(
    await expectedFusion(
      members.map(({ file }) => file),
      { method: "linear", inputs },
    ),
  );

  await wasmEngine();
  const model = buildModel(readArchitecture(header.metadata));
  const start = initialWeights(model, family.seed);
  model.dispose();
  let moved = 0;
  let frozen = 0;
  for (const tensor of header.tensors) {
    const fused = new Uint32Array(bytes(tensor).slice().buffer);
    const initial = new Uint32Array(start.get(tensor.name)?.values.slice().buffer ?? new ArrayBuffer(0));
    const mask = frozenMask({ seed: 77n, fixedRatio: 0.4 }, tensor.name, 0, fused.length);
    for (const [index, bits] of fused.entries()) {
      if (mask[index] === 1) {
        frozen++;
        expect(bits).toBe(initial[index]);
      } else if (bits !== initial[index]) {
        moved++;
      }
    }
  }
  expect(frozen).toBeGreaterThan(300);
  expect(moved).toBeGreaterThan(300);
});
