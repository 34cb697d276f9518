import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { EdgefuseClient } from "../../shared/api/index.ts";
import { largeCheckpoint } from "../support/checkpoint-files.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";
import { runCli } from "../trainer/commands/run-cli.ts";

const FILES = [1, 2, 3].map((seed) => largeCheckpoint(300_001, seed));
let worker: WorkerHarness;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "edgefuse-offline-"));
  worker = await startWorker();
});
afterAll(async () => {
  await worker.close();
  await rm(folder, { recursive: true });
});

it.each<[string, object, string[]]>([
  ["linear", {}, []],
  ["slerp", { parameters: { t: 0.3 } }, ["--set", "t=0.3"]],
  ["ties", { parameters: { density: 0.5 }, dtype: "BF16" }, ["--set", "density=0.5", "--dtype", "bf16"]],
])("fuses offline to the worker's model id and bytes (%s)", async (method, more, options) => {
  const paths = FILES.map((_, index) => join(folder, `${index}.safetensors`));
  const client = new EdgefuseClient({ url: worker.url, token: worker.token });
  const ids: string[] = [];
  for (const [index, file] of FILES.entries()) {
    await writeFile(paths[index] ?? "", file);
    ids.push((await client.uploadCheckpoint(file)).id);
  }
  const inputs = ids.slice(0, 2).map((checkpoint) => ({ checkpoint }));
  const base = method === "ties" ? { base: ids[2] } : {};
  const fusion = await client.createFusion({ recipe: { method, inputs, ...base, ...more } });

  const output = join(folder, `${method}.safetensors`);
  const withBase = method === "ties" ? ["--base", paths[2] ?? ""] : [];
  const line = ["fuse", ...paths.slice(0, 2), ...withBase, "--method", method, ...options, "-o", output, "--json"];
  const { code, stdout, stderr } = await runCli(line);
  expect([code, stderr]).toEqual([0, ""]);
  expect(JSON.parse(stdout)).toMatchObject({ id: fusion.id, sha256: fusion.sha256, bytes: fusion.bytes });
  expect(Buffer.from(await client.fetchModel(fusion.id)).equals(await readFile(output))).toBe(true);
});
