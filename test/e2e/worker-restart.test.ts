import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type LocalWorker, startWorker } from "../../infra/local/start-worker.ts";
import { EdgefuseClient, type FusionDescription } from "../../shared/api/index.ts";
import type { ModelId } from "../../shared/identity.ts";
import { expectedFusion } from "../support/expected-fusion.ts";
import { largeCheckpoint } from "../support/checkpoint-files.ts";

/** 40 MiB of output: six parts. */
const ELEMENTS = 5 * 2 ** 20;
let stateDirectory: string;
let worker: LocalWorker | undefined;

beforeAll(async () => {
  stateDirectory = await mkdtemp(join(tmpdir(), "edgefuse-restart-"));
});
afterAll(async () => {
  await worker?.stop();
  await rm(stateDirectory, { recursive: true, force: true });
});

async function start(): Promise<EdgefuseClient> {
  worker = await startWorker({
    stateDirectory,
    adminToken: "restart-test",
    variables: { EDGEFUSE_INLINE_BYTES: "1000000", EDGEFUSE_STALL_SECONDS: "2" },
  });
  return new EdgefuseClient({ url: worker.url, token: "restart-test" });
}

async function until(client: EdgefuseClient, id: ModelId, condition: (fusion: FusionDescription) => boolean) {
  for (;;) {
    const fusion = await client.describeFusion(id);
    if (condition(fusion)) return fusion;
    if (fusion.state === "failed") throw new Error(JSON.stringify(fusion.problem));
    await sleep(20);
  }
}

it("a fusion whose worker is killed half-way goes on after a restart, to the same bytes", async () => {
  const files = [1, 2].map((seed) => largeCheckpoint(ELEMENTS, seed));
  let client = await start();
  const ids: string[] = [];
  for (const file of files) ids.push((await client.uploadCheckpoint(file)).id);
  const inputs = Array.from({ length: 12 }, (_, index) => ({ checkpoint: ids[index % 2] ?? "", weight: index + 1 }));
  const recipe = { method: "linear", inputs, dtype: "F64" as const };
  const { id } = await client.createFusion({ recipe });
  const before = await until(client, id, ({ progress }) => progress.partsDone > 0);
  await worker?.stop();
  expect(before.state).toBe("running");

  client = await start();
  const after = await client.describeFusion(id);
  // What was made before is not made again.
  expect(after.progress.partsDone).toBeGreaterThanOrEqual(before.progress.partsDone);
  expect(after.state).toBe("running");
  const done = await until(client, id, ({ state }) => state === "succeeded");
  const expected = createHash("sha256")
    .update(await expectedFusion(files, recipe))
    .digest("hex");
  expect(done.sha256).toBe(expected);
  expect(
    createHash("sha256")
      .update(await client.fetchModel(id))
      .digest("hex"),
  ).toBe(expected);
}, 300_000);
