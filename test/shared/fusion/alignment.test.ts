import { beforeAll, describe, expect, it } from "vitest";
import { frozenMask } from "../../../shared/alignment/mask.ts";
import { type FusionEngine, type FusionInput } from "../../../shared/fusion/index.ts";
import { MemoryBudget } from "../../../shared/memory-budget.ts";
import { decodeSafetensors } from "../../../shared/safetensors/index.ts";
import { inputOf, writeCheckpoint } from "../../support/checkpoints.ts";
import { wasmEngine } from "../../support/wasm-engine.ts";
import { fuseReported } from "./fuse-reported.ts";

const COUNT = 20_003;
const SPEC = { seed: 0xfedcba9876543210n, fixedRatio: 0.4 };
const MASK = frozenMask(SPEC, "hidden_0/kernel", 0, COUNT);
const BIAS_MASK = frozenMask(SPEC, "hidden_0/bias", 0, 10);
const FROZEN = [...MASK, ...BIAS_MASK].reduce((sum, one) => sum + one, 0);

let engine: FusionEngine;
beforeAll(async () => {
  engine = { kernels: (await wasmEngine()).averaging, budget: new MemoryBudget(2 ** 26) };
});

function alignment(seed = SPEC.seed): Record<string, string> {
  const facts = { scheme: "philox4x32-10", seed: String(seed), fixedRatio: 0.4, scope: "all", init: "a".repeat(64) };
  return { "edgefuse.alignment": JSON.stringify(facts), "edgefuse.model": '{"architecture":"mlp"}' };
}

/** The initial value that all members share. */
function start(at: number): number {
  return Math.sin(at) * 0.1;
}

/** A member of a family: the start where the mask is 1, something of its own elsewhere. */
function member(salt: number, options: { metadata?: Record<string, string> | undefined; broken?: number } = {}) {
  const own = (at: number) => Math.sin(at * salt + 1);
  const values = Float32Array.from(MASK, (frozen, at) => (frozen ? start(at) : own(at)));
  if (options.broken !== undefined) values[options.broken] = 7;
  const bias = Float32Array.from(BIAS_MASK, (frozen, at) => (frozen ? -0 : own(at)));
  // A buffer: outside every mask.
  const mean = Float32Array.from({ length: 50 }, (_, at) => own(at));
  return inputOf(
    writeCheckpoint(
      Object.entries({ "hidden_0/kernel": values, "hidden_0/bias": bias, "norm/moving_mean": mean }).map(
        ([name, data]) => ({ name, dtype: "F32", shape: [data.length], data: new Uint8Array(data.buffer) }),
      ),
      "metadata" in options ? options.metadata : alignment(),
    ),
  );
}

const fuse = (inputs: readonly FusionInput[], options = {}, recipe = {}) =>
  fuseReported(engine, inputs, { options, recipe });

/** A frozen and a free element of the kernel, beyond the first block. */
const frozenAt = MASK.indexOf(1, 9001);
const freeAt = MASK.indexOf(0, 9001);

describe("alignment", () => {
  it("is verified where every frozen entry is equal, and those come back bit for bit", async () => {
    const inputs = await Promise.all([2, 3, 5].map((salt) => member(salt)));
    const { file, report } = await fuse(inputs, { chunkBytes: 3000 });
    expect(report.alignment).toEqual({
      declared: true,
      verified: true,
      frozenElements: FROZEN,
      mismatches: 0,
      first: null,
    });
    const { header, bytes } = decodeSafetensors(file);
    expect(header.metadata["edgefuse.model"]).toBe('{"architecture":"mlp"}');
    expect(JSON.parse(header.metadata["edgefuse.alignment"] ?? "")).toMatchObject({ seed: String(SPEC.seed) });
    for (const [name, mask] of [
      ["hidden_0/kernel", MASK],
      ["hidden_0/bias", BIAS_MASK],
    ] as const) {
      const tensor = header.tensors.find((candidate) => candidate.name === name);
      if (tensor === undefined) throw new Error(`no ${name}`);
      const fused = new Uint32Array(bytes(tensor).slice().buffer);
      const initial = new Uint32Array(
        Float32Array.from(mask, (_, at) => (name.endsWith("bias") ? -0 : start(at))).buffer,
      );
      expect(fused.filter((_, at) => mask[at])).toEqual(initial.filter((_, at) => mask[at]));
    }
  });

  it("is refuted by one frozen entry that differs, wherever chunks begin, and not by a free one", async () => {
    const good = await member(2);
    const broken = await member(3, { broken: frozenAt });
    for (const chunkBytes of [77, 40_000, 2 ** 20]) {
      const { report, plan } = await fuse([good, broken], { chunkBytes });
      expect(report.alignment).toMatchObject({ declared: true, verified: false, mismatches: 1 });
      expect(report.alignment.first).toEqual({ tensor: "hidden_0/kernel", index: frozenAt, input: plan.inputs[1]?.id });
    }
    const { report } = await fuse([good, await member(3, { broken: freeAt })]);
    expect(report.alignment.verified).toBe(true);
    await expect(fuse([good, broken], {}, { requireAlignment: true })).rejects.toThrow(
      expect.objectContaining({ code: "misaligned-inputs" }) as Error,
    );
  });

  it("is not verified by part of a file, nor where inputs declare nothing or something else", async () => {
    const good = await member(2);
    expect((await fuse([good, await member(3)], { begin: 5000 })).report.alignment).toMatchObject({
      declared: true,
      verified: false,
    });
    for (const metadata of [undefined, alignment(5n)]) {
      const other = await member(3, { metadata });
      const { report, file } = await fuse([good, other]);
      expect(report.alignment).toMatchObject({ declared: false, verified: false, frozenElements: 0 });
      expect(decodeSafetensors(file).header.metadata["edgefuse.alignment"]).toBeUndefined();
      await expect(fuse([good, other], {}, { requireAlignment: true })).rejects.toThrow(
        expect.objectContaining({ code: "misaligned-inputs" }) as Error,
      );
    }
  });
});
