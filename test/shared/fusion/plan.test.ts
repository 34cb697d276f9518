import { describe, expect, it } from "vitest";
import { planFusion } from "../../../shared/fusion/index.ts";
import type { FusionInput } from "../../../shared/fusion/index.ts";
import { Problem } from "../../../shared/problem.ts";
import { parseRecipe } from "../../../shared/recipe/canonical-recipe.ts";
import { inputOf, type TestTensor, writeCheckpoint } from "../../support/checkpoints.ts";

const tensor = (name: string, dtype = "F32", shape = [2], bytes = 8): TestTensor => ({
  name,
  dtype,
  shape,
  data: new Uint8Array(bytes),
});

function refusal(inputs: readonly FusionInput[]): Problem {
  try {
    planFusion(parseRecipe({ method: "linear", inputs: inputs.map(({ id }) => ({ checkpoint: id })) }), inputs);
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error("the plan was not refused");
}

describe("planFusion", () => {
  it("lists what differs: names, shapes, dtypes", async () => {
    const a = await inputOf(writeCheckpoint([tensor("both"), tensor("shape"), tensor("dtype"), tensor("gone")]));
    const b = await inputOf(
      writeCheckpoint([tensor("both"), tensor("new"), tensor("shape", "F32", [2, 1]), tensor("dtype", "F64", [2], 16)]),
    );
    const [first, second] = a.id < b.id ? [a, b] : [b, a];
    const problem = refusal([a, b]);
    expect(problem).toMatchObject({ code: "incompatible-inputs", status: 422, members: { total: 4 } });
    const differences = problem.members["differences"] as { input: string; tensor: string }[];
    expect(differences.map((difference) => difference.tensor).sort()).toEqual(["dtype", "gone", "new", "shape"]);
    expect(new Set(differences.map(({ input }) => input))).toEqual(new Set([second.id]));
    expect(problem.message).not.toContain(first.id);
  });

  it("lists at most twenty, and says how many there are", async () => {
    const names = Array.from({ length: 30 }, (_, index) => `t${index}`);
    const a = await inputOf(writeCheckpoint(names.map((name) => tensor(name))));
    const b = await inputOf(writeCheckpoint(names.map((name) => tensor(name, "F16", [4], 8))));
    const { members } = refusal([a, b]);
    expect(members["total"]).toBe(60);
    expect(members["differences"]).toHaveLength(20);
  });

  it("refuses floats that it cannot average, and checkpoints that it does not have", async () => {
    const fp8 = await inputOf(writeCheckpoint([tensor("w", "F8_E8M0", [8])]));
    expect(refusal([fp8])).toMatchObject({ code: "unsupported-dtype", members: { tensor: "w", dtype: "F8_E8M0" } });
    const complex = await inputOf(writeCheckpoint([tensor("c", "C64", [1])]));
    expect(refusal([complex])).toMatchObject({ code: "unsupported-dtype" });
    const recipe = parseRecipe({ method: "linear", inputs: [{ checkpoint: "0".repeat(64) }] });
    expect(() => planFusion(recipe, [fp8])).toThrow(expect.objectContaining({ code: "checkpoint-not-found" }) as Error);
  });

  it("reads headers that are larger than the first read", async () => {
    const names = Array.from({ length: 2000 }, (_, index) => `a-rather-long-name-of-a-tensor-${index}`);
    const reads: [number, number][] = [];
    const input = await inputOf(writeCheckpoint(names.map((name) => tensor(name))), reads);
    expect(input.header.tensors).toHaveLength(2000);
    expect(reads).toHaveLength(2);
  });
});
