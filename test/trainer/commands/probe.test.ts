import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeShard } from "../../../shared/evaluation/shard.ts";
import { sampleShapeOf, weightShapes } from "../../../shared/models/index.ts";
import { decodeSafetensors, encodeSafetensors } from "../../../shared/safetensors/index.ts";
import { EXIT_CODES } from "../../../trainer/failure.ts";
import { f32Checkpoint } from "../../support/checkpoint-files.ts";
import { halfPlaneModel, halfPlaneShard } from "../../support/half-plane-models.ts";
import { type CommandLineResult, runHere } from "../../support/run-command-line.ts";
import { randomSamples, randomWeights, TINY_ARCHITECTURES } from "../../support/tiny-architectures.ts";
import { runCli } from "./run-cli.ts";

let folder: string;
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "edgefuse-probe-"));
  await mkdir(at("shards"));
  const files: Record<string, Uint8Array> = {
    "a.safetensors": halfPlaneModel({ angle: 0.1 }),
    "b.safetensors": halfPlaneModel({ angle: -0.1 }),
    "c.safetensors": halfPlaneModel({ angle: 0.3 }),
    "swapped.safetensors": halfPlaneModel({ angle: -0.1, isSwapped: true }),
    "broken.safetensors": halfPlaneModel({ angle: 0, isBroken: true }),
    "other.safetensors": f32Checkpoint({ w: [1, 2] }),
    "shards/1.safetensors": halfPlaneShard(150, 1n),
    "shards/10.safetensors": halfPlaneShard(50, 10n),
    "shards/2.safetensors": halfPlaneShard(100, 2n),
  };
  for (const [name, bytes] of Object.entries(files)) await writeFile(at(name), bytes);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const probe = (models: readonly string[], ...more: readonly string[]) =>
  runHere(["probe", ...models.map((name) => at(`${name}.safetensors`)), ...more]);
const shards = () => ["--shards", at("shards")];

describe("edgefuse probe", () => {
  it("measures a path, and draws it", async () => {
    const ended = await probe(["a", "swapped"], ...shards(), "-o", at("barrier.svg"), "--badge", at("badge.svg"));
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    expect(ended.stdout).toMatch(/^alpha +accuracy +loss\n0 +\d\d\.\d\d %  0\.\d{4}  a\.safetensors\n0\.1 /);
    expect(ended.stdout).toMatch(/^1 +\d\d\.\d\d %  0\.\d{4}  swapped\.safetensors$/m);
    expect(ended.stdout).toMatch(/^accuracy barrier \d\d\.\d points at 0\.\d+ \(95 %: .*; 300 samples in 3 shards$/m);
    const picture = await readFile(at("barrier.svg"), "utf8");
    expect(picture).toMatch(/^<svg /);
    expect(picture).toContain("swapped.safetensors");
    expect(await readFile(at("badge.svg"), "utf8")).toMatch(/<title[^>]*>barrier \d\d\.\d pt<\/title>/);
  });

  it("takes shards one by one, by a pattern that the shell has spelled out, or by their folder: one question", async () => {
    const paths = ["1", "2", "10"].map((name) => at(`shards/${name}.safetensors`));
    const lines = [shards(), ["--shards", ...paths], paths.flatMap((path) => ["--shards", path])];
    const answers = [];
    for (const line of lines) answers.push((await probe(["a", "b"], "--json", ...line)).json()[0]);
    const [first, ...others] = answers.map((answer) => ({ ...answer, createdAt: "" }));
    expect(first).toMatchObject({ event: "probe", kind: "path", samples: 300, accuracyBarrier: expect.any(Number) });
    expect((first as { points?: unknown[] }).points).toHaveLength(11);
    for (const other of others) expect(other).toEqual(first);
  });

  it.each<[what: string, models: string[], line: string[], code: number, says: RegExp]>([
    ["passes what holds", ["a", "b"], ["--gate", "accuracyBarrier=0.02"], 0, /^gate passed: accuracyBarrier 0 of/m],
    [
      "refuses a barrier",
      ["a", "swapped"],
      ["--gate", "accuracyBarrier=0.02"],
      9,
      /^gate refused: .* of at most 0\.02/m,
    ],
    [
      "names each limit that does not hold",
      ["a", "swapped"],
      ["--gate", "accuracyBarrier=0.9", "--gate", "lossBarrier=0.01", "--gate", "accuracyDrop=0.01"],
      9,
      /The loss barrier is .* The accuracy drop is /,
    ],
    ["judges a mean", ["a", "swapped"], ["--kind", "mean", "--gate", "accuracyDrop=0.1"], 9, /The accuracy drop is/],
  ])("%s", async (_, models, line, code, says) => {
    const ended = await probe(models, ...shards(), ...line);
    expect(ended.code).toBe(code);
    expect(ended.stdout + ended.stderr).toMatch(says);
  });

  it("has an exit code of its own for a refusal, in a process of its own too, and says the numbers as JSON", async () => {
    expect(EXIT_CODES["gate-refused"].code).toBe(9);
    const models = ["a", "swapped"].map((name) => at(`${name}.safetensors`));
    const ended = await runCli(["probe", ...models, ...shards(), "--json", "--gate", "accuracyBarrier=0.02"]);
    expect(ended.code).toBe(9);
    expect(ended.stderr).toMatch(/^edgefuse: The gate refused\. The accuracy barrier is 0\.\d+; the gate allows 0\.02/);
    const [, verdict] = ended.stdout
      .trim()
      .split("\n")
      .map((line): unknown => JSON.parse(line));
    expect(verdict).toMatchObject({
      event: "gate",
      state: "refused",
      limits: { accuracyBarrier: { max: 0.02 } },
      measured: { accuracyBarrier: expect.any(Number), samples: 300 },
      reasons: [expect.stringContaining("accuracy barrier")],
    });
  });

  it("measures means, pairs and planes", async () => {
    const mean = await probe(["a", "b", "c"], ...shards(), "--pairwise", "--json", "-o", at("matrix.svg"));
    expect(mean.json()[0]).toMatchObject({
      kind: "mean",
      pairs: [
        { a: 0, b: 1 },
        { a: 0, b: 2 },
        { a: 1, b: 2 },
      ],
    });
    expect(await readFile(at("matrix.svg"), "utf8")).toContain("Barriers between 3 models");
    const plane = await probe(
      ["a", "b", "c"],
      ...shards(),
      "--kind",
      "plane",
      "--resolution",
      "5",
      "-o",
      at("plane.svg"),
    );
    expect(plane.stdout).toMatch(/^least loss of the plane .* 5 x 5 points, 300 samples in 3 shards$/m);
    expect(await readFile(at("plane.svg"), "utf8")).toContain("The plane through three models");
  });

  it("reads weights as PyTorch saves them, and forms from files", async () => {
    await writeFile(at("torch.safetensors"), halfPlaneModel({ angle: 0.1, isPytorch: true }));
    const architecture = { architecture: "mlp", input: [2], hidden: [4], classes: 2 };
    await writeFile(at("form.json"), JSON.stringify({ layout: "pytorch", architecture }));
    const torch = await probe(["torch", "torch"], ...shards(), "--as", at("form.json"), "--json");
    expect(torch.code, torch.stderr).toBe(0);
    const points = async (ended: CommandLineResult) => (ended.json()[0] as { points: unknown[] }).points;
    expect((await points(torch))[0]).toEqual((await points(await probe(["a", "b"], ...shards(), "--json")))[0]);
    await writeFile(at("wrong.json"), JSON.stringify({ layout: "torch" }));
    const wrong = await probe(["a", "b"], ...shards(), "--as", at("wrong.json"));
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringMatching(/--as: layout: /) });
  });

  it("recomputes the statistics of batch normalisation on calibration samples", async () => {
    const [, architecture] = TINY_ARCHITECTURES.find(([name]) => name === "resnet, batch norm") ?? [];
    if (architecture === undefined) throw new Error("there is a residual network with batch normalisation");
    const shapes = weightShapes(architecture);
    for (const [name, seed] of [
      ["n1", 1n],
      ["n2", 2n],
    ] as const) {
      const weights = [...randomWeights(shapes, seed)].map(
        ([weight, { shape, values }]) =>
          [weight, { dtype: "F32" as const, shape, data: new Uint8Array(values.buffer) }] as const,
      );
      const metadata = { "edgefuse.model": JSON.stringify(architecture) };
      await writeFile(at(`${name}.safetensors`), encodeSafetensors(new Map(weights), metadata));
    }
    const shardOf = (count: number, seed: bigint) => {
      const y = Int32Array.from({ length: count }, (_, index) => index % 4);
      const x = randomSamples(architecture, count, seed);
      return encodeShard({ count, inputShape: sampleShapeOf(architecture), x, y, scale: 1, offset: 0 });
    };
    await writeFile(at("images.safetensors"), shardOf(20, 1n));
    await writeFile(at("calibration.safetensors"), shardOf(30, 2n));
    const line = ["--shards", at("images.safetensors"), "--points", "3", "--json"];
    const mode = ["--statistics", "recomputed", "--calibration", at("calibration.safetensors")];
    const [plain] = (await probe(["n1", "n2"], ...line)).json();
    const [recomputed] = (await probe(["n1", "n2"], ...line, ...mode)).json();
    const [batched] = (await probe(["n1", "n2"], ...line, ...mode, "--batch", "7")).json();
    expect([plain?.["statistics"], recomputed?.["statistics"]]).toEqual(["interpolated", "recomputed"]);
    const lossesOf = (answer?: Record<string, unknown>) =>
      ((answer?.["points"] ?? []) as { loss: number }[]).map(({ loss }) => loss);
    const [before, after] = [lossesOf(plain), lossesOf(recomputed)];
    expect(after).toHaveLength(3);
    for (const [index, loss] of after.entries()) {
      expect(Math.abs(loss - (before[index] ?? 0))).toBeGreaterThan(0.01);
      expect(lossesOf(batched)[index]).toBeCloseTo(loss, 5);
    }
    expect(batched?.["id"]).toBe(recomputed?.["id"]);
    expect(recomputed?.["id"]).not.toBe(plain?.["id"]);
  });

  it("reads TF.js models, and weights with the topology that they belong to", async () => {
    const dense = (name: string, units: number, activation: string) => ({
      class_name: "Dense",
      config: { name, units, activation, use_bias: true, batch_input_shape: [null, name === "first" ? 2 : 4] },
    });
    const layers = [dense("first", 4, "relu"), dense("second", 2, "softmax")];
    const modelTopology = { class_name: "Sequential", config: { name: "mine", layers } };
    const names: Readonly<Record<string, string>> = { hidden_0: "first", output: "second" };
    const { header, bytes } = decodeSafetensors(halfPlaneModel({ angle: 0.1 }));
    const tensors = header.tensors.map((tensor) => ({
      ...tensor,
      name: tensor.name.replace(/^\w+/, (layer) => names[layer] ?? layer),
      data: bytes(tensor),
    }));
    const weights = tensors.map(({ name, shape }) => ({ name, shape, dtype: "float32" }));
    const modelJson = { modelTopology, weightsManifest: [{ paths: ["weights.bin"], weights }] };
    await mkdir(at("web"));
    await writeFile(at("web/model.json"), JSON.stringify(modelJson));
    await writeFile(at("web/weights.bin"), Buffer.concat(tensors.map(({ data }) => data)));
    const bare = encodeSafetensors(new Map(tensors.map(({ name, ...tensor }) => [name, tensor])));
    await writeFile(at("bare.safetensors"), bare);

    const [first] = (await probe(["a", "b"], ...shards(), "--json")).json();
    const end = (first as { points: { loss: number; accuracy: number }[] }).points[0];
    const expected = { loss: expect.closeTo(end?.loss ?? 0, 6), accuracy: end?.accuracy };
    const web = await runHere(["probe", at("web/model.json"), at("web"), ...shards(), "--json"]);
    expect(web.code, web.stderr).toBe(0);
    expect(web.json()[0]).toMatchObject({ points: expect.arrayContaining([expect.objectContaining(expected)]) });
    const alone = await probe(["bare", "bare"], ...shards());
    expect(alone).toMatchObject({ code: 3, stderr: expect.stringMatching(/bare\.safetensors: .*--topology/) });
    const told = await probe(["bare", "bare"], ...shards(), "--topology", at("web/model.json"), "--json");
    expect(told.code, told.stderr).toBe(0);
    expect(told.json()[0]).toMatchObject({ points: expect.arrayContaining([expect.objectContaining(expected)]) });
    const mixed = await runHere(["probe", at("web/model.json"), at("a.safetensors"), ...shards()]);
    expect(mixed).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/a\.safetensors is of mlp: nothing lies between/),
    });
  });

  it.each<[models: string[], line: string[], code: number, says: RegExp]>([
    [["a"], ["--dataset", "glyphs"], 2, /MODEL\.\.\. is needed/],
    [["a", "b"], [], 2, /--shards FILE\.\.\. or --dataset NAME is needed/],
    [["a", "b"], ["--shards", "x", "--dataset", "glyphs"], 2, /Give --shards or --dataset/],
    [["a", "b", "c"], ["--shards", "x", "--kind", "path"], 2, /A path takes 2 models; 3 are given/],
    [["a", "b"], ["--shards", "x", "--kind", "plane"], 2, /A plane takes 3 models/],
    [["a", "b"], ["--shards", "x", "--resolution", "5"], 2, /--resolution goes with --kind plane/],
    [["a", "b"], ["--shards", "x", "--gate", "accuracyBarier=1"], 2, /Did you mean accuracyBarrier/],
    [["a", "b"], ["--shards", "x", "--gate", "accuracyBarrier=2"], 2, /a number from -1 to 1/],
    [["a", "b"], ["--shards", "x", "--gate", "lossBarrier=1", "--gate", "lossBarrier=2"], 2, /given twice/],
    [["a", "b"], ["--shards", "x", "--gate", "lossBarrier=1", "--points", "4"], 2, /odd number of --points/],
    [["a", "b"], ["--shards", "x", "--statistics", "recomputed"], 2, /--calibration FILE is needed/],
    [["a", "b"], ["--shards", "nothing.safetensors"], 3, /There is no shard nothing\.safetensors/],
    [["a", "b"], ["--dataset", "glyph"], 2, /--dataset "glyph" is not valid: .*Did you mean glyphs/],
    [["a", "nothing"], ["--shards", "SHARDS"], 3, /nothing\.safetensors/],
    [["a", "other"], ["--shards", "SHARDS"], 3, /other\.safetensors: .* Say it with --as/],
    [["a", "broken"], ["--shards", "SHARDS"], 3, /broken\.safetensors: Weight hidden_0\/kernel is NaN/],
    [["a", "b"], ["--shards", "SHARDS", "--as", "nothing.json"], 2, /--as "nothing\.json" is not valid/],
    [["a", "b"], ["--shards", "MODEL"], 3, /a\.safetensors: A shard has the tensors x and y/],
  ])("says what is wrong with %j %j", async (models, line, code, says) => {
    const given = line.map((word) => ({ SHARDS: at("shards"), MODEL: at("a.safetensors") })[word] ?? word);
    const ended = await probe(models, ...given);
    expect(ended).toMatchObject({ code, stdout: "", stderr: expect.stringMatching(says) });
  });
});
