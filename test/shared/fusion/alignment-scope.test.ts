import { beforeAll, describe, expect, it } from "vitest";
import { maskOf, type MaskPlan } from "../../../shared/alignment/mask-plan.ts";
import { alignmentOf, readAlignment } from "../../../shared/alignment/metadata.ts";
import { type FusionEngine, type FusionInput } from "../../../shared/fusion/index.ts";
import { MemoryBudget } from "../../../shared/memory-budget.ts";
import { decodeSafetensors } from "../../../shared/safetensors/index.ts";
import { inputOf, writeCheckpoint } from "../../support/checkpoints.ts";
import { wasmEngine } from "../../support/wasm-engine.ts";
import { fuseReported } from "./fuse-reported.ts";

const SIZES = { "hidden_0/kernel": 5003, "norm/moving_mean": 64, "output/bias": 10, "output/kernel": 2000 };
const PLAN: MaskPlan = { seed: 99n, fixedRatio: 0.4, scope: { tensors: ["output/*"] }, frozenValue: "initial" };
const TENSORS = Object.keys(SIZES) as (keyof typeof SIZES)[];

let engine: FusionEngine;
beforeAll(async () => {
  engine = { kernels: (await wasmEngine()).averaging, budget: new MemoryBudget(2 ** 26) };
});

interface Break {
  readonly tensor: keyof typeof SIZES;
  readonly at: number;
}

/** A member of a family of this plan: the shared start (or 0) where it is held, something of its own elsewhere. */
function member(plan: MaskPlan, salt: number, broken?: Break): Promise<FusionInput> {
  const tensors = TENSORS.map((name) => {
    const mask = maskOf(plan, name, SIZES[name]);
    const data = Float32Array.from({ length: SIZES[name] }, (_, at) => {
      if (mask?.[at] !== 1) return Math.sin(at * salt + 1);
      return plan.frozenValue === "zero" ? 0 : Math.cos(at);
    });
    if (broken?.tensor === name) data[broken.at] = 7;
    return { name, dtype: "F32", shape: [data.length], data: new Uint8Array(data.buffer) };
  });
  return inputOf(writeCheckpoint(tensors, { "edgefuse.alignment": JSON.stringify(alignmentOf(plan, "a".repeat(64))) }));
}

const fuse = (inputs: readonly FusionInput[], recipe = {}) =>
  fuseReported(engine, inputs, { options: { chunkBytes: 1500 }, recipe });

/** Entries that the plan holds, over all tensors. */
function held(plan: MaskPlan): number {
  return TENSORS.flatMap((name) => [...(maskOf(plan, name, SIZES[name]) ?? [])]).reduce((sum, one) => sum + one, 0);
}

/** A held or a free entry of a tensor's mask, as if all tensors were in scope. */
function entry(tensor: keyof typeof SIZES, value: 0 | 1): Break {
  return { tensor, at: maskOf({ ...PLAN, scope: "all" }, tensor, SIZES[tensor])?.indexOf(value, 5) ?? -1 };
}

describe.each([PLAN, { ...PLAN, frozenValue: "zero" } as MaskPlan])(
  "a family held in its last layer, at $frozenValue",
  (plan) => {
    it("is verified: only that layer counts, and it comes back bit for bit", async () => {
      const { report, file } = await fuse(await Promise.all([2, 3, 5].map((salt) => member(plan, salt))), {
        requireAlignment: true,
      });
      expect(report.alignment).toEqual({
        declared: true,
        verified: true,
        frozenElements: held(plan),
        mismatches: 0,
        first: null,
      });
      const { header, bytes } = decodeSafetensors(file);
      expect(readAlignment(header.metadata)).toEqual(alignmentOf(plan, "a".repeat(64)));
      const output = header.tensors.find(({ name }) => name === "output/kernel");
      if (output === undefined) throw new Error("no output");
      const fused = new Float32Array(bytes(output).slice().buffer);
      maskOf(plan, "output/kernel", fused.length)?.forEach((one, at) => {
        if (one === 1) expect(fused[at]).toBe(plan.frozenValue === "zero" ? 0 : Math.fround(Math.cos(at)));
      });
    });

    it("is refuted by a held entry of that layer, not by any of another layer", async () => {
      const good = await member(plan, 2);
      const broken = entry("output/kernel", 1);
      const { report } = await fuse([good, await member(plan, 3, broken)]);
      expect(report.alignment).toMatchObject({ declared: true, verified: false, mismatches: 1 });
      expect(report.alignment.first).toMatchObject({ tensor: "output/kernel", index: broken.at });
      for (const other of [
        entry("hidden_0/kernel", 1),
        entry("output/kernel", 0),
        { tensor: "norm/moving_mean", at: 3 } as const,
      ]) {
        expect((await fuse([good, await member(plan, 3, other)])).report.alignment).toMatchObject({
          verified: true,
          mismatches: 0,
        });
      }
    });
  },
);

it("families of different scopes, or of different frozen values, are no family", async () => {
  const good = await member(PLAN, 2);
  for (const other of [
    { ...PLAN, scope: "all" },
    { ...PLAN, frozenValue: "zero" },
    { ...PLAN, scope: { tensors: ["hidden_*"] } },
  ] as MaskPlan[]) {
    const inputs = [good, await member(other, 3)];
    expect((await fuse(inputs)).report.alignment).toMatchObject({
      declared: false,
      verified: false,
      frozenElements: 0,
    });
    await expect(fuse(inputs, { requireAlignment: true })).rejects.toThrow(
      expect.objectContaining({ code: "misaligned-inputs" }) as Error,
    );
  }
});
