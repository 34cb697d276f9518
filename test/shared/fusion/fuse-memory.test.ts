import { describe, expect, it } from "vitest";
import { fuseRange, planFusion, type FusionInput } from "../../../shared/fusion/index.ts";
import { MemoryBudget } from "../../../shared/memory-budget.ts";
import { parseRecipe } from "../../../shared/recipe/canonical-recipe.ts";
import { inputOf, writeCheckpoint } from "../../support/checkpoints.ts";
import { collect } from "../../support/collect.ts";
import { engine, MIB, problem, recipeOf } from "./fuse-averages.ts";
import { f32 } from "./fuse-tensors.ts";

describe("a budget that is too small", () => {
  const taker = async () => {
    const input = await inputOf(writeCheckpoint([f32("w", [1, 2])]));
    return planFusion(recipeOf([input]), [input]);
  };

  it("refuses before the first byte of data, for good where it can never fit", async () => {
    const plan = await taker();
    const tight = { ...engine, budget: new MemoryBudget(1000) };
    await expect(collect(fuseRange(plan, tight, { begin: plan.layout.dataOffset }))).rejects.toThrow(
      problem("too-large-for-isolate", { limitBytes: 1000, files: 1 }),
    );
    expect(tight.budget.usedBytes).toBe(0);
  });

  it("refuses for the time being where others hold it", async () => {
    const plan = await taker();
    const shared = { ...engine, budget: new MemoryBudget(4 * MIB) };
    const held = shared.budget.take(4 * MIB - 1000);
    const refused = collect(fuseRange(plan, shared, { begin: plan.layout.dataOffset }));
    await expect(refused).rejects.toThrow(problem("over-budget", { freeBytes: 1000, limitBytes: 4 * MIB }));
    held.release();
    const bytes = await collect(fuseRange(plan, shared, { begin: plan.layout.dataOffset }));
    expect(bytes).toHaveLength(8);
    expect(shared.budget.usedBytes).toBe(0);
  });

  it("refuses tables of many inputs that it can never hold", async () => {
    const inputs = await Promise.all(
      Array.from({ length: 65 }, (_, salt) => inputOf(writeCheckpoint([f32("w", [salt, 2])]))),
    );
    const [base, ...members] = inputs;
    const recipe = {
      method: "ties",
      base: base?.id,
      inputs: members.map(({ id }) => ({ checkpoint: id })),
      parameters: { density: 0.5 },
    };
    const plan = planFusion(parseRecipe(recipe), inputs);
    const tight = { ...engine, budget: new MemoryBudget(16 * MIB) };
    await expect(collect(fuseRange(plan, tight))).rejects.toThrow(
      problem("too-large-for-isolate", { files: 65, limitBytes: 16 * MIB, neededBytes: expect.any(Number) as number }),
    );
    expect(tight.budget.usedBytes).toBe(0);
  });
});

it("fuses 4 x 64 MiB that are never stored within a few MiB", async () => {
  const elements = 16 * MIB;
  const header = writeCheckpoint([{ name: "w", dtype: "F32", shape: [elements], data: new Uint8Array(0) }]);
  const text = new TextDecoder().decode(header.subarray(8)).replace("[0,0]", `[0,${elements * 4}]`);
  const inputs = [1, 2, 3, 4].map((salt): FusionInput => {
    const dataOffset = 8 + text.length;
    const read = async (begin: number, end: number) => new Uint8Array(end - begin).fill(salt);
    const tensors = [{ name: "w", dtype: "F32" as const, shape: [elements], begin: 0, end: elements * 4 }];
    const id = String(salt).repeat(64) as FusionInput["id"];
    return {
      id,
      source: { read },
      header: { dataOffset, fileLength: dataOffset + elements * 4, metadata: {}, tensors },
    };
  });
  const budget = new MemoryBudget(32 * MIB);
  const plan = planFusion(recipeOf(inputs), inputs);
  let bytes = 0;
  for await (const chunk of fuseRange(plan, { ...engine, budget })) bytes += chunk.length;
  expect(bytes).toBe(plan.layout.fileLength);
  expect(budget.highWaterBytes).toBeLessThanOrEqual(10 * MIB);
  expect(budget.usedBytes).toBe(0);
  expect(engine.kernels.heap.memory.buffer.byteLength).toBeLessThan(48 * MIB);
});
