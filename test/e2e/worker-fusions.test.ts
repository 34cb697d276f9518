import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EdgefuseClient } from "../../shared/api/index.ts";
import { decodeSafetensors, encodeSafetensors } from "../../shared/safetensors/index.ts";
import { f32Checkpoint, largeCheckpoint } from "../support/checkpoint-files.ts";
import { fileFromHeader } from "../support/safetensors-files.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

let worker: WorkerHarness;
let client: EdgefuseClient;

beforeAll(async () => {
  worker = await startWorker();
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
});
afterAll(() => worker.close());

const upload = async (file: Uint8Array<ArrayBuffer>) => (await client.uploadCheckpoint(file)).id;
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const linear = (checkpoints: readonly string[], more: object = {}) => ({
  recipe: { method: "linear" as const, inputs: checkpoints.map((checkpoint) => ({ checkpoint })), ...more },
});
const post = (body: unknown) =>
  worker.fetch("/v1/fusions", {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
    headers: { "content-type": "application/json" },
  });

/** Values of an F32 tensor in a file. */
function valuesOf(file: Uint8Array<ArrayBuffer>, name: string): number[] {
  const { header, bytes } = decodeSafetensors(file);
  const tensor = header.tensors.find((candidate) => candidate.name === name);
  if (tensor === undefined) throw new Error(`no tensor ${name}`);
  return [...new Float32Array(bytes(tensor).slice().buffer)];
}

async function refused(body: unknown, status: number, code: string) {
  const before = await worker.snapshot();
  const response = await post(body);
  const problem = (await response.json()) as Record<string, unknown>;
  expect(problem).toMatchObject({ status, code });
  expect(response.status).toBe(status);
  expect(await worker.snapshot()).toBe(before);
  return problem;
}

// As numpy's writer leaves it: offsets in the order of writing, nothing padded, elements unaligned.
const foreign = (bias: number, kernel: number[]) => {
  const header =
    '{"z":{"dtype":"F16","shape":[1],"data_offsets":[0,2]},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[2,10]}}';
  const file = fileFromHeader(header.length % 2 === 0 ? `${header} ` : header, 10);
  const view = new DataView(file.buffer, file.length - 10);
  view.setUint16(0, bias, true);
  kernel.forEach((value, index) => view.setFloat32(2 + 4 * index, value, true));
  return file;
};

describe("a fusion", () => {
  it("averages, says what it did, and is the same in any order of the inputs", async () => {
    const [a, b] = [await upload(f32Checkpoint({ w: [1, 2, 0.1] })), await upload(f32Checkpoint({ w: [3, 4, 0.2] }))];
    const first = await post({
      recipe: {
        method: "linear",
        inputs: [
          { checkpoint: a, weight: 1 },
          { checkpoint: b, weight: 3 },
        ],
      },
    });
    const fusion = (await first.json()) as { id: string; sha256: string; bytes: number };
    expect(first.status).toBe(201);
    expect(first.headers.get("location")).toBe(`/models/${fusion.id}/model.safetensors`);
    const before = await worker.snapshot();
    const again = await post({
      recipe: {
        method: "linear",
        inputs: [
          { checkpoint: b, weight: 3 },
          { checkpoint: a, weight: 1 },
        ],
        parameters: { normalize: true },
      },
    });
    expect([again.status, await again.json()]).toEqual([200, fusion]);
    expect(await worker.snapshot()).toBe(before);
    expect(await (await worker.fetch(`/v1/fusions/${fusion.id}`)).json()).toEqual(fusion);

    const file = await client.fetchModel(fusion.id as never);
    expect(valuesOf(file, "w")).toEqual([2.5, 3.5, Math.fround((Math.fround(0.1) + 3 * Math.fround(0.2)) / 4)]);
    expect([sha256(file), file.length]).toEqual([fusion.sha256, fusion.bytes]);
    expect(await client.fetchManifest(fusion.id as never)).toMatchObject({
      version: 1,
      id: fusion.id,
      sha256: fusion.sha256,
      bytes: file.length,
      tensors: 1,
      elements: 3,
      overflows: 0,
      alignment: { declared: false, verified: false },
    });
    const { inputs } = await client.fetchManifest(fusion.id as never);
    expect(Object.fromEntries(inputs.map((input) => [input.checkpoint, input.coefficient]))).toEqual({
      [a]: 0.25,
      [b]: 0.75,
    });
  });

  it("is made once where it is asked for several times at once", async () => {
    const inputs = [await upload(largeCheckpoint(1_000_000, 1)), await upload(largeCheckpoint(1_000_000, 2))];
    const answers = await Promise.all([0, 1, 2].map(() => post(linear(inputs))));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 201]);
    const [one, two, three] = await Promise.all(answers.map((answer) => answer.json()));
    expect([two, three]).toEqual([one, one]);
  });

  it("takes another writer's layout: unsorted tensors, odd header length, no metadata", async () => {
    // 0x3c00 is 1 and 0x4200 is 3 in F16.
    const inputs = [await upload(foreign(0x3c00, [1, -1])), await upload(foreign(0x4200, [2, -3]))];
    const { id } = await client.createFusion(linear(inputs));
    const file = await client.fetchModel(id);
    const { header, bytes } = decodeSafetensors(file);
    expect(header.tensors.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
      ["a", "F32", [2, 1]],
      ["z", "F16", [1]],
    ]);
    expect(valuesOf(file, "a")).toEqual([1.5, -2]);
    const z = header.tensors[1];
    expect(z && [...bytes(z)]).toEqual([0x00, 0x40]);
  });

  it("may be larger than what is held at a time", async () => {
    const elements = 2_500_000;
    const files = [1, 2, 3].map((seed) => largeCheckpoint(elements, seed));
    const inputs = [];
    for (const file of files) inputs.push(await upload(file));
    const { id } = await client.createFusion(linear(inputs));
    const fused = new Float32Array((await client.fetchModel(id)).slice(-4 * elements).buffer);
    const columns = inputs
      .map((input, index) => ({
        input,
        values: new Float32Array((files[index] ?? new Uint8Array()).slice(-4 * elements).buffer),
      }))
      .sort((x, y) => (x.input < y.input ? -1 : 1));
    let wrong = 0;
    for (let i = 0; i < elements; i++) {
      const sum = columns.reduce((total, { values }) => total + (values[i] ?? Number.NaN), 0);
      if (fused[i] !== Math.fround(sum / 3)) wrong++;
    }
    expect(wrong).toBe(0);
  });
});

describe("a refused fusion leaves nothing", () => {
  it("inputs that differ: every difference, at most 20", async () => {
    const names = Array.from({ length: 30 }, (_, index) => `t${String(index).padStart(2, "0")}`);
    const first = await upload(f32Checkpoint(Object.fromEntries(names.map((name) => [name, [1]]))));
    const second = await upload(f32Checkpoint({ t00: [1, 2], other: [1] }));
    const problem = await refused(linear([first, second]), 422, "incompatible-inputs");
    expect(problem["differences"]).toHaveLength(20);
    expect(problem["total"]).toBe(31);

    const half = await upload(
      encodeSafetensors(
        new Map([
          ["t00", { dtype: "F16", shape: [2], data: new Uint8Array(4) }],
          ["other", { dtype: "F32", shape: [1], data: new Uint8Array(4) }],
        ]),
      ),
    );
    const dtypes = await refused(linear([second, half]), 422, "incompatible-inputs");
    expect(dtypes["differences"]).toEqual([expect.objectContaining({ tensor: "t00" })]);
  });

  it("a checkpoint that is not there", async () => {
    const known = await upload(f32Checkpoint({ w: [1] }));
    const problem = await refused(linear([known, "0".repeat(64)]), 404, "checkpoint-not-found");
    expect(problem["checkpoint"]).toBe("0".repeat(64));
  });

  it.each([
    ["negative", [1, -0.5]],
    ["all zero", [0, 0]],
    ["infinite together", [1.7e308, 1.7e308]],
  ])("weights that are %s", async (_, weights) => {
    const checkpoint = await upload(f32Checkpoint({ w: [1] }));
    const inputs = weights.map((weight) => ({ checkpoint, weight }));
    await refused({ recipe: { method: "linear", inputs } }, 422, "invalid-recipe");
  });

  it("weights that are not finite, or not numbers", async () => {
    const checkpoint = await upload(f32Checkpoint({ w: [1] }));
    const raw = (weight: string) =>
      `{"recipe":{"method":"linear","inputs":[{"checkpoint":"${checkpoint}","weight":${weight}}]}}`;
    const problem = await refused(raw("1e999"), 422, "invalid-recipe");
    expect(problem["errors"]).toEqual([expect.objectContaining({ pointer: "/inputs/0/weight" })]);
    await refused(raw('"1"'), 422, "invalid-recipe");
    await refused(raw("NaN"), 400, "malformed-request");
  });

  it("a recipe that is none", async () => {
    await refused({ recipe: { method: "magic", inputs: [] } }, 422, "unknown-method");
    await refused({ recipe: { method: "linear", inputs: [] } }, 422, "invalid-recipe");
    await refused({}, 400, "malformed-request");
    await refused({ recipe: { method: "linear", inputs: [] }, more: 1 }, 400, "malformed-request");
    await refused("[]", 400, "malformed-request");
  });

  it.each([Number.NaN, Infinity])("%s inside a tensor, wherever it is", async (value) => {
    const elements = 1_500_000;
    const file = largeCheckpoint(elements, 5);
    new DataView(file.buffer).setFloat32(file.length - 8, value, true);
    const inputs = [await upload(file), await upload(largeCheckpoint(elements, 6))];
    const problem = await refused(linear(inputs), 422, "non-finite-values");
    expect(problem).toMatchObject({ tensor: "w", index: elements - 2, input: inputs[0] });
    const allowed = await client.createFusion(linear(inputs, { allowNonFinite: true }));
    const manifest = await client.fetchManifest(allowed.id);
    expect(manifest.nonFinite.find(({ input }) => input === inputs[0])?.count).toBe(1);
  });
});
