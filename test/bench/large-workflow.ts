/**
 * Three checkpoints of 512 MiB in local R2, fused in the Workflow by a worker that is killed half-way (SIGKILL to all of
 * `wrangler dev`) and started again on the same state; the result must be what `edgefuse fuse` makes of the files, and
 * what is served of it, in shards, must have the same tensors.
 */
import { createHash } from "node:crypto";
import { mkdtemp, open, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type LocalWorker, startWorker } from "../../infra/local/start-worker.ts";
import { EdgefuseClient, type FusionDescription } from "../../shared/api/index.ts";
import type { ModelId } from "../../shared/identity.ts";
import { decodeSafetensors, layoutSafetensors } from "../../shared/safetensors/index.ts";
import { connectS3, uploadObject } from "../../trainer/storage/s3.ts";
import { runCli } from "../trainer/commands/run-cli.ts";

const TOKEN = "large-bench";
const MEBIBYTE = 2 ** 20;
const FILES = 3;
const TENSORS = 8;
const TENSOR_BYTES = 64 * MEBIBYTE;

/** Writes a checkpoint of random numbers. */
async function writeCheckpoint(path: string, seed: number): Promise<void> {
  const { headerBytes } = layoutSafetensors(
    Array.from({ length: TENSORS }, (_, index) => ({
      name: `layers.${index}.weight`,
      dtype: "F32" as const,
      shape: [TENSOR_BYTES / 4096, 1024],
    })),
    {},
  );
  const file = await open(path, "w");
  try {
    await file.write(headerBytes);
    const values = new Float32Array(MEBIBYTE);
    let state = seed;
    for (let written = 0; written < TENSORS * TENSOR_BYTES; written += values.byteLength) {
      for (let at = 0; at < values.length; at++) {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
        values[at] = state / 2 ** 32 - 0.5;
      }
      await file.write(new Uint8Array(values.buffer));
    }
  } finally {
    await file.close();
  }
}

/** Uploads a file as `edgefuse push` does, and registers it. */
async function upload(worker: LocalWorker, client: EdgefuseClient, path: string): Promise<string> {
  const bytes = new Uint8Array(await readFile(path));
  const key = `checkpoints/${createHash("sha256").update(bytes).digest("hex")}.safetensors`;
  const s3 = connectS3({ ...worker.s3, region: "auto", sessionToken: undefined });
  try {
    await uploadObject(s3, worker.s3.bucket, key, bytes);
  } finally {
    s3.destroy();
  }
  return (await client.registerCheckpoint(key)).id;
}

/** Of all tensors in the order of their names, in however many files they come. */
async function digestOfTensors(paths: readonly string[]): Promise<string> {
  const digests: (readonly [name: string, digest: string])[] = [];
  for (const path of paths) {
    const { header, bytes } = decodeSafetensors(new Uint8Array(await readFile(path)));
    for (const tensor of header.tensors) {
      digests.push([tensor.name, createHash("sha256").update(bytes(tensor)).digest("hex")]);
    }
  }
  const whole = createHash("sha256");
  for (const [name, digest] of digests.toSorted(([a], [b]) => (a < b ? -1 : 1))) whole.update(`${name} ${digest}\n`);
  return whole.digest("hex");
}

async function until(
  client: EdgefuseClient,
  id: ModelId,
  reached: (fusion: FusionDescription) => boolean,
): Promise<FusionDescription> {
  for (;;) {
    const fusion = await client.describeFusion(id);
    if (reached(fusion)) return fusion;
    if (fusion.state === "failed" || fusion.state === "cancelled") {
      throw new Error(`the fusion ${fusion.state}: ${fusion.problem?.detail ?? ""}`);
    }
    await sleep(250);
  }
}

/** Prints what happens. @throws Error where the bytes are not the same */
export async function benchLargeWorkflow(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "edgefuse-large-"));
  const started = performance.now();
  const say = (line: string) =>
    process.stdout.write(`  ${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s  ${line}\n`);
  const start = () => startWorker({ stateDirectory: join(folder, "state"), adminToken: TOKEN });
  const clientOf = ({ url }: LocalWorker) => new EdgefuseClient({ url, token: TOKEN });
  let worker: LocalWorker | undefined;
  try {
    const paths = Array.from({ length: FILES }, (_, index) => join(folder, `${index}.safetensors`));
    for (const [index, path] of paths.entries()) await writeCheckpoint(path, index + 1);
    say(`${FILES} files of ${(TENSORS * TENSOR_BYTES) / MEBIBYTE} MiB written`);

    worker = await start();
    let client = clientOf(worker);
    const checkpoints: string[] = [];
    for (const path of paths) checkpoints.push(await upload(worker, client, path));
    say("uploaded through S3 and registered");

    const inputs = checkpoints.map((checkpoint, index) => ({ checkpoint, weight: index + 1 }));
    const { id, state } = await client.createFusion({ recipe: { method: "linear", inputs } });
    say(`fusion ${state}`);
    const half = await until(client, id, ({ progress }) => 2 * progress.partsDone >= progress.parts);
    await worker.kill();
    say(`killed with ${half.progress.partsDone} of ${half.progress.parts} parts done, ${half.state}`);

    worker = await start();
    client = clientOf(worker);
    const again = await client.describeFusion(id);
    say(`started again: ${again.state}, ${again.progress.partsDone} of ${again.progress.parts} parts done`);
    const done = await until(client, id, (fusion) => fusion.state === "succeeded");
    say(`succeeded: ${done.sha256}`);
    const pulled = join(folder, "pulled");
    const pull = await runCli(["pull", id, "-o", pulled], { EDGEFUSE_URL: worker.url, EDGEFUSE_TOKEN: TOKEN });
    if (pull.code !== 0) throw new Error(`edgefuse pull ended with ${pull.code}: ${pull.stderr}`);
    const shards = (await readdir(pulled)).filter((name) => name.endsWith(".safetensors"));
    const served = await digestOfTensors(shards.map((name) => join(pulled, name)));
    say(`served in ${shards.length} shards: its tensors have ${served}`);

    const output = join(folder, "offline.safetensors");
    const { code, stdout, stderr } = await runCli(["fuse", ...paths, "-o", output, "--weights", "1,2,3", "--json"]);
    if (code !== 0) throw new Error(`edgefuse fuse ended with ${code}: ${stderr}`);
    const offline = JSON.parse(stdout) as { sha256: string; id: string; milliseconds: number };
    say(`offline:   ${offline.sha256} in ${(offline.milliseconds / 1000).toFixed(1)} s`);
    if (half.state !== "running") throw new Error("the fusion had ended before the worker was killed");
    const tensors = await digestOfTensors([output]);
    say(`           its tensors have ${tensors}`);
    if (done.sha256 !== offline.sha256 || offline.id !== id || served !== tensors) {
      throw new Error("the results differ");
    }
  } finally {
    await worker?.stop();
    await rm(folder, { recursive: true, force: true });
  }
}
