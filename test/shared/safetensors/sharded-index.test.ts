import { createHash } from "node:crypto";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { fuseRange, type FusionEngine, planFusion } from "../../../shared/fusion/index.ts";
import { planFusionShards, planOutputShards } from "../../../shared/fusion/output-shards.ts";
import { readShardedInput, sourceOfBytes } from "../../../shared/fusion/sharded-source.ts";
import { checkpointId } from "../../../shared/identity.ts";
import { MemoryBudget } from "../../../shared/memory-budget.ts";
import { parseRecipe } from "../../../shared/recipe/canonical-recipe.ts";
import {
  decodeSafetensors,
  encodeSafetensors,
  layoutSafetensors,
  parseShardIndex,
} from "../../../shared/safetensors/index.ts";
import { inputOf, type TestTensor, writeCheckpoint } from "../../support/checkpoints.ts";
import { collect } from "../../support/collect.ts";
import { wasmEngine } from "../../support/wasm-engine.ts";

let engine: FusionEngine;
beforeAll(async () => {
  engine = { kernels: (await wasmEngine()).averaging, budget: new MemoryBudget(64 * 2 ** 20) };
});

const ID = checkpointId.parse("5".repeat(64));
type Files = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

function tensor(name: string, dtype: string, shape: readonly number[], width: number, salt = 1): TestTensor {
  const bytes = shape.reduce((product, size) => product * size, 1) * width;
  // Small normal numbers in every dtype used here.
  const data = Uint8Array.from({ length: bytes }, (_, at) =>
    at % width === width - 1 ? 0x3c : at * salt + name.length,
  );
  return { name, dtype, shape, data };
}

const index = (weightMap: Record<string, string>, metadata?: Record<string, unknown>) =>
  new TextEncoder().encode(JSON.stringify({ ...(metadata === undefined ? {} : { metadata }), weight_map: weightMap }));

/** Shards in memory, with a log of what was read of them. */
function opener(files: Files, reads: [file: string, begin: number, end: number][] = []) {
  return (file: string) => {
    const bytes = files.get(file);
    if (bytes === undefined) throw new Error(`no file ${file}`);
    const source = {
      read: (begin: number, end: number) => {
        reads.push([file, begin, end]);
        return Promise.resolve(bytes.slice(begin, end));
      },
    };
    return Promise.resolve({ source, size: bytes.length });
  };
}

const FILES: Files = new Map([
  // Headers that are not padded: data begins unaligned.
  [
    "model-00001-of-00002.safetensors",
    writeCheckpoint([tensor("a", "F32", [3, 5], 4), tensor("b", "BF16", [7], 2)], { format: "pt", part: "1" }),
  ],
  [
    "model-00002-of-00002.safetensors",
    writeCheckpoint([tensor("empty", "F32", [0, 4], 4), tensor("c", "F32", [], 4), tensor("d", "U8", [3], 1)], {
      format: "pt",
      part: "2",
    }),
  ],
]);
const MAP = {
  a: "model-00001-of-00002.safetensors",
  b: "model-00001-of-00002.safetensors",
  empty: "model-00002-of-00002.safetensors",
  c: "model-00002-of-00002.safetensors",
  d: "model-00002-of-00002.safetensors",
};

describe("a sharded checkpoint as one input", () => {
  it("is a valid safetensors file with every tensor of every shard", async () => {
    const { header, source } = await readShardedInput(ID, index(MAP, { total_size: 81 }), opener(FILES));
    const file = await source.read(0, header.fileLength);
    const whole = decodeSafetensors(file);
    expect(whole.header.metadata).toEqual({ format: "pt" });
    expect(whole.header.tensors.map(({ name }) => name).sort()).toEqual(Object.keys(MAP).sort());
    for (const bytes of FILES.values()) {
      const shard = decodeSafetensors(bytes);
      for (const original of shard.header.tensors) {
        const found = whole.header.tensors.find(({ name }) => name === original.name);
        expect(found).toMatchObject({ dtype: original.dtype, shape: original.shape });
        expect(found && whole.bytes(found)).toEqual(shard.bytes(original));
      }
    }
  });

  it("reads each shard at most once for any range, and nothing outside of it", async () => {
    const reads: [string, number, number][] = [];
    const { header, source } = await readShardedInput(ID, index(MAP), opener(FILES, reads));
    const file = await source.read(0, header.fileLength);
    await fc.assert(
      fc.asyncProperty(fc.nat(header.fileLength), fc.nat(header.fileLength), async (a, b) => {
        const [begin, end] = a < b ? [a, b] : [b, a];
        reads.length = 0;
        expect(await source.read(begin, end)).toEqual(file.slice(begin, end));
        expect(new Set(reads.map(([name]) => name)).size).toBe(reads.length);
        expect(reads.reduce((sum, [, from, to]) => sum + to - from, 0)).toBe(
          Math.max(0, end - Math.max(begin, header.dataOffset)),
        );
      }),
    );
  });

  it("fuses to the same bytes as the unsharded checkpoint", async () => {
    const all = Object.keys(MAP).flatMap((name) => {
      for (const bytes of FILES.values()) {
        const shard = decodeSafetensors(bytes);
        const found = shard.header.tensors.find((candidate) => candidate.name === name);
        if (found !== undefined) return [{ ...found, data: shard.bytes(found) }];
      }
      return [];
    });
    const one = await inputOf(writeCheckpoint(all));
    const other = await inputOf(
      writeCheckpoint(all.map((t) => (t.dtype === "F32" ? tensor(t.name, "F32", t.shape, 4, 3) : t))),
    );
    const recipe = parseRecipe({ method: "linear", inputs: [{ checkpoint: one.id }, { checkpoint: other.id }] });
    const sharded = await readShardedInput(one.id, index(MAP), opener(FILES));
    const fused = (input: typeof one) =>
      collect(fuseRange(planFusion(recipe, [input, other]), engine, { chunkBytes: 16 }));
    expect(await fused(sharded)).toEqual(await fused(one));
  });

  const refused: [what: string, bytes: Uint8Array, code: string][] = [
    ["a tensor that its shard does not hold", index({ ...MAP, x: MAP.a }), "malformed-index"],
    ["a tensor placed in another shard", index({ ...MAP, a: MAP.c }), "malformed-index"],
    ["a shard with a tensor that the index leaves out", index({ a: MAP.a, c: MAP.c, d: MAP.d }), "malformed-index"],
    ["a wrong total_size", index(MAP, { total_size: 80 }), "malformed-index"],
  ];
  it.each(refused)("refuses %s", async (_, bytes, code) => {
    await expect(readShardedInput(ID, bytes, opener(FILES))).rejects.toMatchObject({ name: "Problem", code });
  });

  it("refuses a shard that is cut off, or not safetensors", async () => {
    const first = FILES.get(MAP.a) ?? new Uint8Array();
    const cut = new Map([...FILES, [MAP.a, first.slice(0, -1)]]);
    await expect(readShardedInput(ID, index(MAP), opener(cut))).rejects.toMatchObject({ code: "truncated-file" });
    const noise = new Map([...FILES, [MAP.a, new Uint8Array(64).fill(7)]]);
    await expect(readShardedInput(ID, index(MAP), opener(noise))).rejects.toMatchObject({
      code: "malformed-safetensors",
    });
  });
});

describe("an output in shards", () => {
  const specs = ["a", "b", "c", "d", "e"].map((name, at) => ({ name, dtype: "F32" as const, shape: [10 * (at + 1)] }));

  it("keeps below the limit, in order, each tensor once", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(30), { maxLength: 20 }), fc.integer({ min: 1, max: 200 }), (sizes, maxBytes) => {
        const layout = layoutSafetensors(sizes.map((size, at) => ({ name: `t${at}`, dtype: "F32", shape: [size] })));
        const { shards, index: written } = planOutputShards(layout, maxBytes);
        expect(shards.flatMap((shard) => shard.layout.tensors.map(({ name }) => name))).toEqual(
          layout.tensors.map(({ name }) => name),
        );
        for (const shard of shards) {
          const withBytes = shard.layout.tensors.filter(({ begin, end }) => end > begin);
          const bytes = shard.layout.fileLength - shard.layout.dataOffset;
          expect(bytes <= maxBytes || withBytes.length === 1).toBe(true);
        }
        expect(written === undefined).toBe(shards.length === 1);
      }),
    );
  });

  it("has the names and the index of Hugging Face", () => {
    const { shards, index: written } = planOutputShards(layoutSafetensors(specs), 240);
    expect(shards.map(({ file }) => file)).toEqual([
      "model-00001-of-00003.safetensors",
      "model-00002-of-00003.safetensors",
      "model-00003-of-00003.safetensors",
    ]);
    expect(written?.file).toBe("model.safetensors.index.json");
    const parsed = parseShardIndex(new TextEncoder().encode(written?.json));
    expect(parsed.totalSize).toBe(600);
    expect(Object.fromEntries(parsed.fileOf)).toEqual(
      Object.fromEntries(shards.flatMap(({ file, layout }) => layout.tensors.map(({ name }) => [name, file]))),
    );
    expect(planOutputShards(layoutSafetensors(specs)).shards.map(({ file }) => file)).toEqual(["model.safetensors"]);
  });

  it("of a fusion holds the bytes of the unsharded file, whatever ranges it is made in, and reads back as an input", async () => {
    const members = [1, 5].map((salt) =>
      encodeSafetensors(
        new Map(
          [...specs.map(({ name, shape }) => tensor(name, "F32", shape, 4, salt)), tensor("n", "U8", [9], 1)].map(
            (t) => [
              t.name,
              { dtype: t.dtype === "U8" ? ("U8" as const) : ("F32" as const), shape: t.shape, data: t.data },
            ],
          ),
        ),
      ),
    );
    const inputs = await Promise.all(members.map((member) => inputOf(member)));
    const recipe = parseRecipe({ method: "linear", inputs: inputs.map(({ id }) => ({ checkpoint: id })) });
    const plan = planFusion(recipe, inputs);
    const whole = decodeSafetensors(await collect(fuseRange(plan, engine)));
    const { shards, index: written } = planFusionShards(plan, 240);
    expect(shards.length).toBeGreaterThan(2);
    const files = new Map<string, Uint8Array<ArrayBuffer>>();
    for (const shard of shards) {
      const parts: Uint8Array[] = [];
      for (let begin = 0; begin < shard.layout.fileLength; begin += 101) {
        const end = Math.min(begin + 101, shard.layout.fileLength);
        parts.push(await collect(fuseRange(shard.plan, engine, { begin, end })));
      }
      files.set(shard.file, new Uint8Array(Buffer.concat(parts)));
    }
    const id = checkpointId.parse(createHash("sha256").update("sharded").digest("hex"));
    const again = await readShardedInput(id, new TextEncoder().encode(written?.json), opener(files));
    expect(again.header.metadata).toEqual(whole.header.metadata);
    expect(again.header.tensors).toHaveLength(specs.length + 1);
    for (const found of again.header.tensors) {
      const original = whole.header.tensors.find(({ name }) => name === found.name);
      const { dataOffset } = again.header;
      expect(await again.source.read(dataOffset + found.begin, dataOffset + found.end)).toEqual(
        original && whole.bytes(original).slice(),
      );
    }
  });

  it("reads from memory as from anywhere else", async () => {
    expect(await sourceOfBytes(Uint8Array.of(1, 2, 3)).read(1, 3)).toEqual(Uint8Array.of(2, 3));
  });
});
