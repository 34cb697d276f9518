import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EdgefuseClient } from "../../shared/api/index.ts";
import type { ModelManifest } from "../../shared/api/manifest.ts";
import type { SoupDescription } from "../../shared/api/soups.ts";
import type { CheckpointId } from "../../shared/identity.ts";
import { decodeSafetensors } from "../../shared/safetensors/index.ts";
import { writeCheckpoint } from "../support/checkpoints.ts";
import { linearModel } from "../support/checkpoint-files.ts";
import { jsonOf } from "../support/conformance-world.ts";
import { BROKEN, checkpointOf, near, TEACHER, teacherShard } from "../support/permuted-networks.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

let worker: WorkerHarness;
let client: EdgefuseClient;
/** Five of one family, all somewhat wrong in ways of their own. */
let sound: CheckpointId[];
let broken: CheckpointId;

const ask = (body: object, headers: Record<string, string> = {}) =>
  worker.fetch("/v1/soups", jsonOf("POST", body, headers));
const soupOf = async (body: object, headers: Record<string, string> = {}) => {
  const response = await ask(body, headers);
  return { status: response.status, soup: (await response.json()) as SoupDescription };
};
const accuracyOf = async (model: string) => {
  const probe = await client.createProbe({ a: model, b: model, dataset: "held-out", points: 2 });
  return probe.points[0]?.accuracy ?? Number.NaN;
};

beforeAll(async () => {
  worker = await startWorker({ vars: { EDGEFUSE_STALL_SECONDS: "2" } });
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
  const shards = [await client.uploadShard(teacherShard(200, 5)), await client.uploadShard(teacherShard(100, 6))];
  await client.putDataset("held-out", { shards: shards.map(({ id }) => id) });
  sound = [];
  for (const seed of [1, 2, 3, 4, 5]) {
    sound.push((await client.uploadCheckpoint(checkpointOf(near(TEACHER, seed, 0.9)))).id);
  }
  broken = (await client.uploadCheckpoint(checkpointOf(BROKEN))).id;
});
afterAll(() => worker.close());

describe("a greedy soup over six checkpoints, one of them broken", () => {
  it("leaves the broken one out, says so, and is at least as accurate as the best ingredient", async () => {
    const checkpoints = [...sound, broken];
    const { status, soup } = await soupOf({ kind: "greedy", checkpoints, dataset: "held-out" });
    expect([status, soup.state]).toEqual([201, "succeeded"]);
    const line = soup.trace.find(({ candidate }) => candidate === broken);
    expect(line).toMatchObject({ decision: "rejected", alone: null, accuracy: null });
    expect(line?.why).toMatch(/cannot be evaluated/);
    expect(soup.trace.map(({ candidate }) => candidate).toSorted()).toEqual(checkpoints.toSorted());

    const accuracies = await Promise.all(sound.map(accuracyOf));
    const best = Math.max(...accuracies);
    expect(soup.accuracy).toBeGreaterThan(best);
    for (const [index, id] of sound.entries()) {
      expect(soup.trace.find(({ candidate }) => candidate === id)?.alone?.accuracy).toBe(accuracies[index]);
    }
    // What the search measured is what the fused model does.
    expect(await accuracyOf(soup.model ?? "")).toBe(soup.accuracy);
    const inputs = soup.recipe?.inputs.map(({ checkpoint }) => checkpoint) ?? [];
    expect(inputs).not.toContain(broken);
    expect(inputs.length).toBeGreaterThan(1);
    expect(soup.recipe).toMatchObject({ method: "linear", selection: { soup: soup.id } });

    const manifest = (await (await worker.fetch(`/models/${soup.model}/manifest.json`)).json()) as ModelManifest;
    expect(manifest.selection).toEqual({
      soup: soup.id,
      kind: "greedy",
      accuracy: soup.accuracy,
      loss: soup.loss,
      trace: soup.trace,
    });
    expect(manifest.recipe).toEqual(soup.recipe);

    // The same question, in another order, is the same soup.
    const again = await soupOf({ kind: "greedy", checkpoints: checkpoints.toReversed(), dataset: "held-out" });
    expect(again).toEqual({ status: 200, soup });
    expect(await (await worker.fetch(`/v1/soups/${soup.id}`)).json()).toEqual(soup);
    const page = (await (await worker.fetch(`/v1/soups?checkpoint=${broken}`)).json()) as { items: SoupDescription[] };
    expect(page.items.map(({ id }) => id)).toContain(soup.id);
  });

  it("is the same from a Workflow, and from one that took over where another died", async () => {
    const checkpoints = [...sound, broken];
    const before = await soupOf({ kind: "greedy", checkpoints, dataset: "held-out" });
    const { CATALOG } = worker.environment;
    await CATALOG.prepare("DELETE FROM soups").run();
    await CATALOG.prepare("DELETE FROM soup_evaluations").run();
    const { status, soup } = await soupOf(
      { kind: "greedy", checkpoints, dataset: "held-out" },
      { prefer: "respond-async, wait=30" },
    );
    expect(status).toBe(201);
    const facts = ({ createdAt: _at, ...rest }: SoupDescription) => rest;
    expect(facts(soup)).toEqual(facts(before.soup));

    // As if it had been killed half-way: what is in the journal is believed, the rest is evaluated.
    await CATALOG.prepare(
      "UPDATE soups SET state = 'running', outcome = NULL, model = NULL, updated_at = '2026-01-01T00:00:00.000Z'",
    ).run();
    await CATALOG.prepare("DELETE FROM soup_evaluations WHERE mixture < '8'").run();
    const kept = await CATALOG.prepare("SELECT COUNT(*) AS count FROM soup_evaluations").first<{ count: number }>();
    expect(kept?.count).toBeGreaterThan(0);
    // Losses have no say in a greedy soup but between equals: this shows which were taken from the journal.
    await CATALOG.prepare(
      "UPDATE soup_evaluations SET answer = json_set(answer, '$.measure.loss', json_extract(answer, '$.measure.loss') + 100) " +
        "WHERE json_extract(answer, '$.kind') = 'measured'",
    ).run();
    const woken = await worker.fetch(`/v1/soups/${soup.id}`, { headers: { prefer: "wait=30" } });
    const resumed = (await woken.json()) as SoupDescription;
    expect(resumed.state).toBe("succeeded");
    const decisions = ({ trace }: SoupDescription) => trace.map(({ candidate, decision }) => [candidate, decision]);
    expect(decisions(resumed)).toEqual(decisions(soup));
    expect(resumed.model).toBe(soup.model);
    const fromJournal = resumed.trace.filter(({ loss }) => (loss ?? 0) > 100).length;
    expect(fromJournal).toBeGreaterThan(0);
    expect(fromJournal).toBeLessThan(resumed.trace.length);
  });
});

describe("other soups", () => {
  it("take everything that can be evaluated, or learn mixing weights", async () => {
    const checkpoints = [...sound.slice(0, 3), broken];
    const uniform = await soupOf({ kind: "uniform", checkpoints, dataset: "held-out" });
    expect(uniform.soup.recipe?.inputs).toHaveLength(3);
    const greedy = await soupOf({ checkpoints, dataset: "held-out" });
    expect(greedy.soup.kind).toBe("greedy");
    const learned = await soupOf({ kind: "learned", checkpoints, dataset: "held-out", visibility: "private" });
    expect(learned.soup.accuracy).toBeGreaterThanOrEqual(greedy.soup.accuracy ?? 1);
    expect(await accuracyOf(learned.soup.model ?? "")).toBe(learned.soup.accuracy);
    const path = `/models/${learned.soup.model}/model.safetensors`;
    expect((await fetch(new URL(path, worker.url))).status).toBe(404);
  });

  it("leave out what has other tensors than most", async () => {
    const other = (await client.uploadCheckpoint(linearModel([1, 2, 3, 4, 5, 6, 7, 8], [1, 0]))).id;
    const half = (await client.uploadCheckpoint(inHalfPrecision(checkpointOf(TEACHER)))).id;
    const checkpoints = [sound[0], sound[1], other, half];
    const { soup } = await soupOf({ kind: "uniform", checkpoints, dataset: "held-out" });
    expect(soup.recipe?.inputs.map(({ checkpoint }) => checkpoint)).toEqual(sound.slice(0, 2).toSorted());
    for (const id of [other, half]) {
      expect(soup.trace.find(({ candidate }) => candidate === id)?.why).toMatch(/differ in name, dtype or shape/);
    }
  });
});

/** The same tensors by name and shape, as float16 zeros. */
function inHalfPrecision(file: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const { header } = decodeSafetensors(file);
  const tensors = header.tensors.map(({ name, shape, begin, end }) => {
    return { name, shape, dtype: "F16", data: new Uint8Array((end - begin) / 2) };
  });
  return writeCheckpoint(tensors, { ...header.metadata });
}

describe("what is no soup", () => {
  it("is refused, and nothing is stored", async () => {
    const before = await worker.snapshot();
    const [a, b] = sound;
    const nobody = "0".repeat(64);
    const cases: [object, number, string][] = [
      [{ checkpoints: [a], dataset: "held-out" }, 400, "malformed-request"],
      [{ checkpoints: [a, a], dataset: "held-out" }, 400, "malformed-request"],
      [{ checkpoints: [a, b], dataset: "held-out", statistics: "recomputed" }, 400, "malformed-request"],
      [{ checkpoints: [a, nobody], dataset: "held-out" }, 404, "checkpoint-not-found"],
      [{ checkpoints: [a, b], dataset: "nowhere" }, 404, "dataset-not-found"],
      [
        { checkpoints: [a, b], dataset: "held-out", statistics: "recomputed", calibration: nobody },
        404,
        "shard-not-found",
      ],
    ];
    for (const [body, status, code] of cases) {
      const response = await ask(body);
      expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([status, code]);
    }
    expect(await worker.snapshot()).toBe(before);
    expect((await worker.fetch(`/v1/soups/${nobody}`)).status).toBe(404);
  });

  it("is told where no candidate can be evaluated, inline and by a Workflow", async () => {
    const other = (await client.uploadCheckpoint(checkpointOf({ ...BROKEN, outer: TEACHER.outer }))).id;
    const body = { checkpoints: [broken, other], dataset: "held-out" };
    const inline = await ask(body);
    expect([inline.status, await inline.json()]).toEqual([422, expect.objectContaining({ code: "no-soup" })]);
    const { status, soup } = await soupOf(body, { prefer: "respond-async, wait=30" });
    expect([status, soup.state, soup.problem?.code]).toEqual([200, "failed", "no-soup"]);
  });

  it("cannot be claimed by a recipe that it did not come to", async () => {
    const { soup } = await soupOf({ kind: "uniform", checkpoints: sound, dataset: "held-out" });
    const recipe = { method: "linear", inputs: [{ checkpoint: sound[0] }], selection: { soup: soup.id } };
    const claimed = await worker.fetch("/v1/fusions", jsonOf("POST", { recipe }));
    expect([claimed.status, await claimed.json()]).toEqual([422, expect.objectContaining({ code: "invalid-recipe" })]);
    const unknown = { ...recipe, selection: { soup: "0".repeat(64) } };
    const missing = await worker.fetch("/v1/fusions", jsonOf("POST", { recipe: unknown }));
    expect([missing.status, await missing.json()]).toEqual([404, expect.objectContaining({ code: "soup-not-found" })]);
  });
});
