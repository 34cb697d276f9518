import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EdgefuseClient } from "../../shared/api/index.ts";
import type { SweepReport, SweepRequest } from "../../shared/api/listing.ts";
import type { UploadDescription } from "../../shared/api/uploads.ts";
import { encodeShard } from "../../shared/evaluation/shard.ts";
import { f32Checkpoint, linearModel } from "../support/checkpoint-files.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

let worker: WorkerHarness;
let client: EdgefuseClient;

beforeAll(async () => {
  worker = await startWorker();
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
}, 300_000);
afterAll(() => worker.close());

const json = (body: unknown): RequestInit => ({
  method: "POST",
  body: JSON.stringify(body),
  headers: { "content-type": "application/json" },
});

/** Sweeps to the end, however many calls that takes. */
async function sweep(request: Omit<SweepRequest, "cursor">): Promise<string[]> {
  const found: string[] = [];
  let cursor: string | null = null;
  do {
    const response = await worker.fetch("/v1/sweep", json({ ...request, ...(cursor === null ? {} : { cursor }) }));
    expect(response.status).toBe(200);
    const report = (await response.json()) as SweepReport;
    expect(report.dryRun).toBe(request.dryRun ?? true);
    found.push(...report.findings.map(({ kind, what }) => `${kind} ${what}`));
    cursor = report.next;
  } while (cursor !== null);
  return found.sort();
}

const id = (digit: string) => digit.repeat(64);

describe("the sweep", () => {
  it("finds nothing where everything is reached", async () => {
    const a = (await client.uploadCheckpoint(linearModel([1, 2, 3, 4, 5, 6, 7, 8], [1, 1]))).id;
    const b = (await client.uploadCheckpoint(linearModel([2, 2, 3, 4, 5, 6, 7, 8], [1, 1]))).id;
    const inputs = [{ checkpoint: a }, { checkpoint: b }];
    const stored = await client.createFusion({ recipe: { method: "linear", inputs } });
    await client.createFusion({ recipe: { method: "linear", inputs: [{ checkpoint: a }] }, materialize: "lazy" });
    const x = new Float32Array(8).fill(0.5);
    const shard = encodeShard({ count: 2, inputShape: [2, 2], x, y: Int32Array.from([0, 1]), scale: 1, offset: 0 });
    const { id: data } = await client.uploadShard(shard);
    await client.createProbe({ a, b: stored.id, shards: [data], points: 2 });
    await worker.environment.BUCKET.put("incoming/someone's.safetensors", "x");
    const before = await worker.snapshot();
    expect(await sweep({ dryRun: true, minAgeSeconds: 0 })).toEqual([]);
    expect(await sweep({ dryRun: false, minAgeSeconds: 0 })).toEqual([]);
    expect(await worker.snapshot()).toBe(before);
  });

  it("says what nothing reaches, and mends it only where it is told to", async () => {
    const { BUCKET, CATALOG } = worker.environment;
    const before = await worker.snapshot();
    const orphans = [
      `checkpoints/${id("1")}.safetensors`,
      `shards/${id("2")}.safetensors`,
      `models/${id("3")}/model.safetensors`,
      `models/${id("3")}/manifest.json`,
      `models/${id("4")}/statistics.json`,
      `probes/${id("5")}.svg`,
      `staging/${id("6")}/statistics-000.json`,
      "staging/01234567-89ab-4def-8123-456789abcdef",
      "staging/uploads/01234567-89ab-4def-8123-456789abcdef",
    ];
    for (const key of orphans) await BUCKET.put(key, "lost");

    const lost = (await client.uploadCheckpoint(f32Checkpoint({ w: [1] }))).id;
    await BUCKET.delete(`checkpoints/${lost}.safetensors`);
    const marked = (await client.uploadCheckpoint(f32Checkpoint({ w: [2] }))).id;
    await CATALOG.batch([
      CATALOG.prepare("DELETE FROM checkpoints WHERE id = ?").bind(marked),
      CATALOG.prepare("INSERT INTO deletions VALUES (?, '2020-01-01T00:00:00.000Z')").bind(
        `checkpoints/${marked}.safetensors`,
      ),
    ]);
    const upload = (await (
      await worker.fetch("/v1/uploads", json({ bytes: 9 * 2 ** 20 }))
    ).json()) as UploadDescription;
    await worker.fetch(`${upload.links.self}/parts/1`, { method: "PUT", body: new Uint8Array(8 * 2 ** 20) });
    const open = (await (await worker.fetch("/v1/uploads", json({ bytes: 100 }))).json()) as UploadDescription;
    await CATALOG.prepare("UPDATE uploads SET expires_at = '2020-01-01T00:00:00.000Z' WHERE id = ?")
      .bind(upload.id)
      .run();
    // Expired is expired, swept or not.
    expect((await worker.fetch(upload.links.self)).status).toBe(404);

    const broken = await worker.snapshot();
    const findings = [
      ...orphans.map((key) => `orphan-object ${key}`),
      `row-without-object checkpoints/${lost}`,
      `unfinished-deletion checkpoints/${marked}.safetensors`,
      `expired-upload ${upload.id}`,
    ].sort();
    // In a dry run the object of an unfinished deletion is an orphan as well.
    const dry = [...findings, `orphan-object checkpoints/${marked}.safetensors`].sort();
    expect(await sweep({ minAgeSeconds: 0 })).toEqual(dry);
    expect(await worker.snapshot()).toBe(broken);
    // What is young may be about to be entered.
    expect(await sweep({ dryRun: false })).toEqual(
      [`expired-upload ${upload.id}`, `unfinished-deletion checkpoints/${marked}.safetensors`].sort(),
    );
    expect(await sweep({ dryRun: false, minAgeSeconds: 0 })).toEqual(
      findings.filter((finding) => !finding.startsWith("expired") && !finding.startsWith("unfinished")),
    );
    expect(await sweep({ dryRun: false, minAgeSeconds: 0 })).toEqual([]);
    expect(await worker.snapshot()).toBe(before);
    const rows = await CATALOG.prepare("SELECT id FROM uploads").all<{ id: string }>();
    expect(rows.results).toEqual([{ id: open.id }]);
    expect((await worker.fetch(open.links.self, { method: "DELETE" })).status).toBe(204);
  });

  it("enters probes from before they had rows", async () => {
    const { CATALOG } = worker.environment;
    const [probe] = (await CATALOG.prepare("SELECT * FROM probes").all<{ id: string; seq: number }>()).results;
    await CATALOG.exec("DELETE FROM probes");
    expect(await sweep({ dryRun: false, minAgeSeconds: 0 })).toEqual([`probe-without-row ${probe?.id}`]);
    const again = (await CATALOG.prepare("SELECT * FROM probes").all()).results;
    expect(again.map((row) => ({ ...row, seq: 0 }))).toEqual([{ ...probe, seq: 0 }]);
  });

  it("is for administrators, and takes no other wishes", async () => {
    expect((await worker.fetch("/v1/sweep", { method: "POST", headers: { authorization: "Bearer no" } })).status).toBe(
      401,
    );
    const created = await worker.fetch("/v1/tokens", json({ name: "writer", scopes: ["read", "write", "fuse"] }));
    const { token } = (await created.json()) as { token: string };
    const refused = await worker.fetch("/v1/sweep", { method: "POST", headers: { authorization: `Bearer ${token}` } });
    expect([refused.status, await refused.json()]).toEqual([
      403,
      expect.objectContaining({ code: "insufficient-scope" }),
    ]);
    for (const wrong of [{ dryRun: "no" }, { cursor: "x" }, { force: true }, { minAgeSeconds: -1 }]) {
      expect((await worker.fetch("/v1/sweep", json(wrong))).status).toBe(400);
    }
    // Without a body it is a dry run.
    expect(await (await worker.fetch("/v1/sweep", { method: "POST" })).json()).toMatchObject({ dryRun: true });
  });
});
