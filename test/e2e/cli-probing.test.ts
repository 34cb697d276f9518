import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EdgefuseClient } from "../../shared/api/index.ts";
import type { ModelId } from "../../shared/identity.ts";
import { halfPlaneModel, halfPlaneShard } from "../support/half-plane-models.ts";
import { type CommandLineResult, runHere } from "../support/run-command-line.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

let worker: WorkerHarness;
let client: EdgefuseClient;
let folder: string;
const at = (name: string) => join(folder, name);
const models = (...names: string[]) => names.map((name) => at(`${name}.safetensors`));
const cli = (...words: string[]): Promise<CommandLineResult> =>
  runHere(words, { environment: { EDGEFUSE_URL: worker.url, EDGEFUSE_TOKEN: worker.token } });

/** Without the last digits: two versions of V8 need not agree on the last bit of an exponential. */
function rounded(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (_, member: unknown) =>
    typeof member === "number" ? Number(member.toPrecision(12)) : member,
  );
}

beforeAll(async () => {
  worker = await startWorker();
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
  folder = await mkdtemp(join(tmpdir(), "edgefuse-cli-probing-"));
  const files = {
    a: halfPlaneModel({ angle: 0.25 }),
    b: halfPlaneModel({ angle: -0.2 }),
    c: halfPlaneModel({ angle: 0.3 }),
    swapped: halfPlaneModel({ angle: -0.2, isSwapped: true }),
    broken: halfPlaneModel({ angle: 0, isBroken: true }),
    "shard-1": halfPlaneShard(300, 1n),
    "shard-2": halfPlaneShard(200, 2n),
  };
  for (const [name, bytes] of Object.entries(files)) await writeFile(at(`${name}.safetensors`), bytes);
  const shards = [];
  for (const name of ["shard-1", "shard-2"] as const) shards.push((await client.uploadShard(files[name])).id);
  await client.putDataset("plane", { shards });
});
afterAll(async () => {
  await worker.close();
  await rm(folder, { recursive: true, force: true });
});

describe("edgefuse probe --remote", () => {
  it("gives the answer that it gives here, under one id, and keeps it there", async () => {
    const shards = models("shard-1", "shard-2");
    const here = await cli("probe", ...models("a", "swapped"), "--json", "--shards", ...shards);
    const there = await cli("probe", ...models("a", "swapped"), "--remote", "--json", "--shards", ...shards);
    expect([here.code, there.code], here.stderr + there.stderr).toEqual([0, 0]);
    const [own, remote] = [here, there].map((ended) => ({ ...ended.json()[0], createdAt: "" }));
    expect(rounded(remote)).toEqual(rounded(own));
    const named = await cli("probe", ...models("a", "swapped"), "--url", worker.url, "--dataset", "plane", "--json");
    expect(named.json()[0]).toMatchObject({ id: (own as { id?: string }).id });
    expect((await worker.fetch(`/v1/probes/${(own as { id?: string }).id}/barrier.svg`)).status).toBe(200);
  });

  it("measures means, and models by their names; its gate is the exit code", async () => {
    const line = ["--remote", "--dataset", "plane", "--gate", "accuracyBarrier=0.02"];
    const mean = await cli("probe", ...models("a", "b", "c"), ...line, "--json");
    expect(mean.json()).toMatchObject([
      { event: "probe", kind: "mean" },
      { event: "gate", state: "passed" },
    ]);
    const fused = await cli("fuse", ...models("a", "b"), "--remote", "--json");
    const id = String(fused.json()[0]?.["id"]);
    const refused = await cli("probe", id, ...models("swapped"), ...line, "-o", at("barrier.svg"));
    expect(refused).toMatchObject({ code: 9, stdout: expect.stringMatching(/^gate refused/m) });
    expect(await readFile(at("barrier.svg"), "utf8")).toContain("swapped.safetensors");
  });
});

describe("edgefuse fuse --remote --gate", () => {
  const gate = ["--gate", "accuracyBarrier=0.02", "--gate", "accuracyDrop=0.02", "--gate-dataset", "plane"];

  it("publishes what holds, and moves the alias", async () => {
    const ended = await cli(
      "fuse",
      ...models("a", "b"),
      "--weights",
      "2,1",
      "--remote",
      ...gate,
      "--alias",
      "team/plane",
    );
    expect(ended).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^gate passed: accuracyBarrier .*\n[0-9a-f]{64} /),
    });
    const [, id] = /^([0-9a-f]{64}) /m.exec(ended.stdout) ?? [];
    expect((await client.aliases.get("team/plane")).model).toBe(id);
    expect((await fetch(`${worker.url}/models/@team/plane/model.safetensors`)).status).toBe(200);
  });

  it("refuses what does not, with the numbers and an exit code of its own; the alias stays", async () => {
    const before = await client.aliases.get("team/plane");
    const line = ["fuse", ...models("a", "swapped"), "--remote", ...gate, "--alias", "team/plane"];
    const ended = await cli(...line, "--json");
    expect(ended.code).toBe(9);
    expect(ended.stderr).toMatch(
      /^edgefuse: The gate refused\. The accuracy barrier is 0\.\d+; the gate allows 0\.02/m,
    );
    const [verdict] = ended.json();
    expect(verdict).toMatchObject({
      event: "gate",
      state: "refused",
      limits: { accuracyBarrier: { max: 0.02 }, accuracyDrop: { max: 0.02 } },
      measured: { accuracyBarrier: expect.any(Number), path: { accuracyBarrier: expect.any(Number) } },
    });
    const model = verdict?.["model"] as ModelId;
    expect((await fetch(client.modelUrl(model, "model.safetensors"))).status).toBe(404);
    expect((await worker.fetch(`/models/${model}/model.safetensors`)).status).toBe(200);
    expect(await client.aliases.get("team/plane")).toEqual(before);
    expect((await cli(...line)).code).toBe(9);
  });

  it("sets gates on aliases, which then move only to what holds them", async () => {
    const made = async (...names: string[]) =>
      String((await cli("fuse", ...models(...names), "--remote", "--json")).json()[0]?.["id"]);
    const [good, bad, better] = [await made("a", "c"), await made("c", "swapped"), await made("b", "c")];
    const line = ["--gate", "accuracyBarrier=0.03", "--gate-dataset", "plane"];
    const set = await cli("alias", "set", "gated", good, ...line, "--json");
    expect(set.json(), set.stderr).toMatchObject([{ event: "set", protected: true, gate: { dataset: "plane" } }]);
    const refused = await cli("alias", "set", "gated", bad);
    expect(refused).toMatchObject({ code: 9, stdout: expect.stringMatching(/^gate refused: accuracyBarrier /) });
    expect(await cli("alias", "set", "gated", better)).toMatchObject({ code: 0 });
    expect((await client.aliases.get("gated")).model).toBe(better);
    const ended = await cli("alias", "set", "gated", better, "--no-gate", "--json");
    expect(ended.json()).toMatchObject([{ gate: null, protected: true }]);
  });

  it.each<[string[], RegExp]>([
    [["--gate", "accuracyBarrier=0.1"], /--gate-dataset NAME is needed/],
    [["--gate-dataset", "plane"], /--gate-dataset goes with --gate/],
    [[...gate, "--lazy"], /contradict each other/],
    [["--gate", "accuracyBarrier=0.1", "--gate-dataset", "PLANE"], /is no dataset/],
  ])("refuses %j", async (more, says) => {
    const ended = await cli("fuse", ...models("a", "b"), "--remote", ...more);
    expect(ended).toMatchObject({ code: 2, stdout: "", stderr: expect.stringMatching(says) });
  });
});

describe("edgefuse soup --remote", () => {
  it("makes the soup that it makes here, says its decisions, and publishes it", async () => {
    const candidates = models("a", "b", "c", "broken");
    const local = ["--shards", ...models("shard-1", "shard-2"), "-o", at("here.safetensors"), "--json"];
    const here = await cli("soup", ...candidates, ...local);
    const there = await cli(
      "soup",
      ...candidates,
      "--remote",
      "--dataset",
      "plane",
      "-o",
      at("there.safetensors"),
      "--json",
    );
    expect([here.code, there.code], here.stderr + there.stderr).toEqual([0, 0]);
    const [own, remote] = [here.json()[0], there.json()[0]];
    expect(remote).toMatchObject({ id: own?.["id"], soup: own?.["soup"], verified: true });
    expect(rounded(remote?.["trace"])).toEqual(rounded(own?.["trace"]));
    expect(await readFile(at("there.safetensors"))).toEqual(await readFile(at("here.safetensors")));
    const shown = await cli("soup", ...candidates, "--remote", "--dataset", "plane");
    expect(shown.stdout).toMatch(/^rejected {2}broken\.safetensors/m);
    expect(shown.stdout).toMatch(/greedy soup of \d of 4, accuracy/);
  });
});
