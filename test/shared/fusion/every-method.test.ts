import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import {
  emptyObservations,
  fuseRange,
  type FusionEngine,
  fusionReport,
  gatherStatistics,
  mergeObservations,
  mergeStatistics,
  resolvePlan,
} from "../../../shared/fusion/index.ts";
import { modelIdOf, parseRecipe } from "../../../shared/recipe/canonical-recipe.ts";
import { decodeSafetensors } from "../../../shared/safetensors/index.ts";
import { collect, fuseFile, testEngine } from "./fuse-tensors.ts";
import { filesFor, METHOD_CASES, tensorsOf } from "./method-cases.ts";

let engine: FusionEngine;
beforeAll(async () => {
  engine = await testEngine();
});

describe.each(METHOD_CASES)("$title", (test) => {
  it("gives the same bytes and findings however it is cut and chunked, with statistics at hand or without", async () => {
    const { recipe, files } = await filesFor(test);
    const whole = await fuseFile(recipe, files, engine);
    const { plan } = whole;
    const length = plan.layout.fileLength;
    expect(whole.file.length).toBe(length);
    const statistics = await gatherStatistics(plan, engine);
    expect(JSON.parse(JSON.stringify(statistics))).toEqual(statistics);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 700, max: 60_000 }),
        fc.array(fc.nat(length), { maxLength: 4 }),
        async (chunkBytes, cuts) => {
          const edges = [0, ...cuts.toSorted((a, b) => a - b), length];
          const ranges = edges.slice(1).map((end, index) => ({ begin: edges[index] ?? 0, end, chunkBytes }));
          const parts = [];
          const found = [];
          for (const range of ranges) {
            found.push(await gatherStatistics(plan, engine, range));
            const observations = emptyObservations(plan);
            // Every other part gathers what it needs by itself.
            const known = parts.length % 2 === 0 ? { statistics } : {};
            const bytes = await collect(fuseRange(plan, engine, { ...range, ...known, observations }));
            parts.push({ bytes, observations });
          }
          expect(mergeStatistics(found)).toEqual(statistics);
          expect(Buffer.compare(Buffer.concat(parts.map(({ bytes }) => bytes)), whole.file)).toBe(0);
          const merged = mergeObservations(
            plan,
            parts.map(({ observations }) => observations),
          );
          expect(fusionReport(plan, merged)).toEqual(whole.report);
          expect(engine.budget.usedBytes).toBe(0);
        },
      ),
      { numRuns: 5, endOnFailure: true },
    );
  });

  it("returns what all inputs and the base hold, bit for bit", async () => {
    const { recipe, files } = await filesFor(test, [5, 5, 5, 5]);
    const equal = {
      ...recipe,
      inputs: recipe.inputs.map((input) => ({
        ...input,
        ...(test.parameters["normalize"] === false ? { weight: 1 / recipe.inputs.length } : {}),
      })),
    };
    const { file } = await fuseFile(equal, files, engine);
    const { header, bytes } = decodeSafetensors(file);
    const expected = new Map(tensorsOf(5).map(({ name, data }) => [name, data]));
    for (const tensor of header.tensors) {
      if (test.method.id === "linear" && test.parameters["normalize"] === false && tensor.dtype === "F64") continue;
      expect(Buffer.compare(bytes(tensor), expected.get(tensor.name) ?? new Uint8Array()), tensor.name).toBe(0);
    }
  });

  it("has the order of its inputs mean something, or nothing at all", async () => {
    const { recipe, files } = await filesFor(test);
    const turned = { ...recipe, inputs: recipe.inputs.toReversed() };
    const [one, other] = [parseRecipe(recipe), parseRecipe(turned)];
    const same = test.method.symmetric || recipe.inputs.length === 1;
    expect(modelIdOf(one) === modelIdOf(other)).toBe(same);
    const bytes = (await fuseFile(recipe, files, engine)).file;
    expect(Buffer.compare(bytes, (await fuseFile(turned, files, engine)).file) === 0).toBe(same);
    expect(modelIdOf(parseRecipe(one))).toBe(modelIdOf(one));
  });

  it("converts, keeps integers and names and shapes, and refuses what is not finite unless it may be", async () => {
    const { recipe, files } = await filesFor(test);
    const { file, plan } = await fuseFile({ ...recipe, dtype: "BF16" }, files, engine);
    const reference = files[0]?.header.tensors ?? [];
    const { header } = decodeSafetensors(file);
    expect(header.tensors.map(({ name, shape }) => `${name} ${shape}`).toSorted()).toEqual(
      reference.map(({ name, shape }) => `${name} ${shape}`).toSorted(),
    );
    expect(new Set(header.tensors.map(({ dtype }) => dtype))).toEqual(new Set(["BF16", "I64"]));
    const resolved = resolvePlan(plan, await gatherStatistics(plan, engine));
    expect(resolved.tensors).toHaveLength(reference.length);
    expect(JSON.parse(JSON.stringify(resolved))).toEqual(resolved);

    const dirty = files.map((input, index) => {
      if (index > 0) return input;
      const tensor = input.header.tensors.find(({ name }) => name === "embedding");
      const at = input.header.dataOffset + (tensor?.begin ?? 0) + 4 * 5003;
      const read = async (begin: number, end: number) => {
        const bytes = await input.source.read(begin, end);
        for (let byte = 0; byte < 4; byte++) {
          if (at + byte >= begin && at + byte < end) bytes[at + byte - begin] = [0, 0, 0x80, 0x7f][byte] ?? 0;
        }
        return bytes;
      };
      return { ...input, source: { read } };
    });
    await expect(fuseFile(recipe, dirty, engine)).rejects.toThrow(
      expect.objectContaining({
        code: "non-finite-values",
        members: { tensor: "embedding", index: 5003, input: files[0]?.id },
      }) as Error,
    );
    const allowed = await fuseFile({ ...recipe, allowNonFinite: true }, dirty, engine);
    expect(allowed.report.nonFinite.find(({ input }) => input === files[0]?.id)?.count).toBe(1);
    const fused = decodeSafetensors(allowed.file);
    const embedding = fused.header.tensors.find(({ name }) => name === "embedding");
    const values = new Float32Array(
      (embedding === undefined ? new Uint8Array() : fused.bytes(embedding)).slice().buffer,
    );
    // One bad element spoils itself at most.
    expect(values.filter((value, at) => at !== 5003 && !Number.isFinite(value))).toHaveLength(0);
    expect(engine.budget.usedBytes).toBe(0);
  });
});
