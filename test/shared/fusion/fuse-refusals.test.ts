import { describe, expect, it } from "vitest";
import { fuseRange, planFusion, type FusionInput } from "../../../shared/fusion/index.ts";
import { inputOf, writeCheckpoint } from "../../support/checkpoints.ts";
import { collect } from "../../support/collect.ts";
import { engine, fuse, i64, MIB, problem, recipeOf } from "./fuse-averages.ts";
import { f32 } from "./fuse-tensors.ts";

describe("refusals", () => {
  it("names tensor, element and input of the first value that is not finite", async () => {
    const values = Array.from({ length: 20000 }, () => 1);
    const clean = await inputOf(writeCheckpoint([f32("a", [1]), f32("w", values)]));
    const dirty = await inputOf(
      writeCheckpoint([f32("w", values.with(15001, Infinity).with(17000, Number.NaN)), f32("a", [1])]),
    );
    for (const chunkBytes of [100, 5000, MIB]) {
      await expect(fuse([clean, dirty], {}, { chunkBytes })).rejects.toThrow(
        problem("non-finite-values", { tensor: "w", index: 15001, input: dirty.id }),
      );
    }
    const { report } = await fuse([clean, dirty], { allowNonFinite: true });
    expect(report.nonFinite.find(({ input }) => input === dirty.id)?.count).toBe(2);
    expect(report.overflows).toBe(0);
  });

  it("names tensor and element where integers differ, or takes the canonical first", async () => {
    const inputs = await Promise.all(
      [
        [1, 2, 3],
        [1, 2, 300],
      ].map((values) => inputOf(writeCheckpoint([i64("n", values)]))),
    );
    await expect(fuse(inputs)).rejects.toThrow(problem("non-float-mismatch", { tensor: "n", index: 2 }));
    const { file, plan } = await fuse(inputs, { nonFloat: "first" });
    const first = inputs.find(({ id }) => id === plan.inputs[0]?.id);
    expect(file.slice(-24)).toEqual(await first?.source.read(first.header.fileLength - 24, first.header.fileLength));
  });

  it("passes on a source's failure, ends on a signal, and gives all memory back", async () => {
    const good = await inputOf(
      writeCheckpoint([
        f32(
          "w",
          Array.from({ length: 5000 }, () => 1),
        ),
      ]),
    );
    const short: FusionInput = { ...good, source: { read: async (begin, end) => new Uint8Array(end - begin - 1) } };
    await expect(fuse([short])).rejects.toThrow(problem("truncated-file"));
    let reads = 0;
    const failing: FusionInput = {
      ...good,
      source: {
        read: (begin, end) => (reads++ < 2 ? good.source.read(begin, end) : Promise.reject(new Error("gone"))),
      },
    };
    await expect(fuse([failing], {}, { chunkBytes: 4000 })).rejects.toThrow("gone");
    const controller = new AbortController();
    const plan = planFusion(recipeOf([good]), [good]);
    const stream = fuseRange(plan, engine, {
      chunkBytes: 1000,
      signal: controller.signal,
      begin: plan.layout.dataOffset,
    });
    await stream.next();
    controller.abort(new Error("enough"));
    await expect(stream.next()).rejects.toThrow("enough");
    expect(engine.budget.usedBytes).toBe(0);
  });

  it("refuses a range outside the file", async () => {
    const input = await inputOf(writeCheckpoint([f32("w", [1, 2])]));
    const plan = planFusion(recipeOf([input]), [input]);
    await expect(collect(fuseRange(plan, engine, { end: plan.layout.fileLength + 1 }))).rejects.toThrow(
      problem("range-not-satisfiable"),
    );
  });
});
