import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EdgefuseClient, type FusionDescription, type FusionPlanDescription } from "../../shared/api/index.ts";
import { decodeSafetensors } from "../../shared/safetensors/index.ts";
import { f32Checkpoint } from "../support/checkpoint-files.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

let worker: WorkerHarness;
let client: EdgefuseClient;
let a: string;
let b: string;
let base: string;

beforeAll(async () => {
  worker = await startWorker();
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
  const upload = async (n: number) =>
    (
      await client.uploadCheckpoint(
        f32Checkpoint({ embed: [n], "layers.0.w": [n, 0], "layers.1.w": [n], "layers.2.w": [n], head: [2 * n] }),
      )
    ).id;
  [a, b, base] = [await upload(8), await upload(16), await upload(4)];
});
afterAll(() => worker.close());

const send = (path: string, body: unknown) =>
  worker.fetch(path, { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } });
const coefficientsOf = ({ inputs, tensors }: FusionPlanDescription) =>
  Object.fromEntries(
    tensors.map(({ name, coefficients }) => [
      name,
      Object.fromEntries(inputs.map(({ checkpoint }, index) => [checkpoint, coefficients?.[index]])),
    ]),
  );

describe("the plan of a fusion", () => {
  it("has the coefficients of each tensor, and they are what the bytes were computed with", async () => {
    const recipe = {
      method: "task-arithmetic",
      base,
      inputs: [
        {
          checkpoint: a,
          weight: [
            { pattern: "layers.*", value: [0, 1] },
            { pattern: "*", value: 0.25 },
          ],
        },
        { checkpoint: b, weight: 0.5 },
      ],
    };
    const dry = await send("/v1/fusions/plan", { recipe });
    const planned = (await dry.json()) as FusionPlanDescription;
    expect(dry.status).toBe(200);
    const expected = {
      embed: { [a]: 0.25, [b]: 0.5, [base]: 0.25 },
      "layers.0.w": { [a]: 0, [b]: 0.5, [base]: 0.5 },
      "layers.1.w": { [a]: 0.5, [b]: 0.5, [base]: 0 },
      "layers.2.w": { [a]: 1, [b]: 0.5, [base]: -0.5 },
      head: { [a]: 0.25, [b]: 0.5, [base]: 0.25 },
    };
    expect(coefficientsOf(planned)).toEqual(expected);
    expect(planned.inputs.find(({ checkpoint }) => checkpoint === base)?.role).toBe("base");
    // A dry run leaves nothing that could be asked for.
    expect((await worker.fetch(`/v1/fusions/${planned.id}/plan`)).status).toBe(404);

    for (const materialize of ["lazy", "eager"]) {
      const { id } = (await (await send("/v1/fusions", { recipe, materialize })).json()) as FusionDescription;
      expect(id).toBe(planned.id);
      const answer = await worker.fetch(`/v1/fusions/${id}/plan`);
      expect([answer.status, await answer.json()]).toEqual([200, planned]);
    }
    const file = await client.fetchModel(planned.id);
    const { header, bytes } = decodeSafetensors(file);
    const values = { [a]: 8, [b]: 16, [base]: 4 };
    for (const [name, coefficients] of Object.entries(expected)) {
      const tensor = header.tensors.find((candidate) => candidate.name === name);
      if (tensor === undefined) throw new Error(`no ${name}`);
      const sum = Object.entries(coefficients).reduce((total, [id, share]) => total + share * (values[id] ?? 0), 0);
      const [first] = new Float32Array(bytes(tensor).slice().buffer);
      expect([name, first]).toEqual([name, name === "head" ? 2 * sum : sum]);
      // And its place in the file is where the plan says.
      const { begin, end } = planned.tensors.find((candidate) => candidate.name === name) ?? { begin: 0, end: 0 };
      expect([begin, end]).toEqual([header.dataOffset + tensor.begin, header.dataOffset + tensor.end]);
    }
    expect([planned.bytes, planned.dataOffset, planned.elements]).toEqual([file.length, header.dataOffset, 6]);
  });

  it("has the parameters where there are no coefficients, input by input", async () => {
    const recipe = {
      method: "dare-ties",
      base,
      inputs: [{ checkpoint: a, density: 0.75 }, { checkpoint: b }],
      parameters: { density: [0.5, 1], seed: 3 },
    };
    const { inputs, tensors, needsStatistics } = await client.planFusion(recipe);
    expect(needsStatistics).toBe(true);
    const own = inputs.findIndex(({ checkpoint }) => checkpoint === a);
    const other = inputs.findIndex(({ checkpoint }) => checkpoint === b);
    const densities = Object.fromEntries(
      tensors.map((tensor) => [tensor.name, [own, other].map((index) => tensor.inputs?.[index]?.["density"])]),
    );
    expect(densities).toEqual({
      embed: [0.75, 0.5],
      "layers.0.w": [0.75, 0.5],
      "layers.1.w": [0.75, 0.75],
      "layers.2.w": [0.75, 1],
      head: [0.75, 0.5],
    });
    expect(tensors.every(({ coefficients }) => coefficients === undefined)).toBe(true);
    expect(tensors[0]?.parameters).toMatchObject({ seed: 3, lambda: 1, rescale: "l1", normalize: false });
  });

  it("is refused for patterns that fit no tensor, or tensors that fit no pattern", async () => {
    const before = await worker.snapshot();
    const inputs = (weight: unknown) => [{ checkpoint: a, weight }, { checkpoint: b }];
    for (const [weight, pointer] of [
      [
        [
          { pattern: "layer.*", value: 1 },
          { pattern: "*", value: 2 },
        ],
        /^\/inputs\/[01]\/weight\/0\/pattern$/,
      ],
      [[{ pattern: "layers.*", value: 1 }], /^\/inputs\/[01]\/weight$/],
    ] as const) {
      for (const path of ["/v1/fusions/plan", "/v1/fusions"]) {
        const refused = await send(path, { recipe: { method: "linear", inputs: inputs(weight) } });
        expect([refused.status, await refused.json()]).toEqual([
          422,
          expect.objectContaining({ code: "invalid-recipe", pointer: expect.stringMatching(pointer) as string }),
        ]);
      }
    }
    expect(await worker.snapshot()).toBe(before);
  });
});
