import { execFileSync } from "node:child_process";
import { createServer, type Server } from "node:http";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { PART_SIZE } from "../../trainer/storage/s3.ts";
import { writeShardFolder } from "../support/shard-folder.ts";
import { runCli } from "../trainer/commands/run-cli.ts";
import { type Disturbance, type FakeS3, startFakeS3 } from "../trainer/storage/fake-s3.ts";

let root: string;
let data: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "edgefuse-storage-"));
  data = join(root, "data");
  await writeShardFolder(data);
});
afterAll(() => rm(root, { recursive: true }));

const words = (out: string) => [
  ...["train", "--dataset", "shards", "--data-dir", data, "--backend", "wasm", "--name", "fam", "--out", out],
  ...["--batch", "32", "--json"],
];
const results = (stdout: string) =>
  stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** A small file system of its own, where the machine lets us mount one. */
function mountSmall(directory: string): boolean {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=192k", "tmpfs", directory], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

describe("a full disk", () => {
  const small = join(tmpdir(), `edgefuse-full-${process.pid}`);
  let canMount = false;
  beforeAll(async () => {
    await mkdir(small, { recursive: true });
    canMount = mountSmall(small);
  });
  afterAll(async () => {
    if (canMount) execFileSync("umount", [small]);
    await rm(small, { recursive: true });
  });

  it("stops the run with what to do, leaves what was there, and the rerun goes on to the same files", async (test) => {
    if (!canMount) test.skip("no file system can be mounted here (needs root)");
    const line = [...words(join(small, "out")), "--hidden", "40,40", "--epochs", "60", "--checkpoint-every", "10"];
    const whole = await runCli(line.with(line.indexOf(join(small, "out")), join(root, "roomy")));
    expect(whole.code, whole.stderr).toBe(0);

    const ballast = join(small, "ballast");
    await writeFile(ballast, new Uint8Array(150_000));
    const full = await runCli(line);
    expect(full.code, full.stderr).toBe(5);
    expect(full.stderr).toMatch(
      /\nedgefuse: There is no space left for \S*fam-\d\S* \(ENOSPC\): free some and run the same command again\..*goes on from its last saved state, unless --fresh discards it\.\n$/,
    );
    expect(full.stdout).toBe("");
    const left = await readdir(join(small, "out"));
    expect(left.filter((name) => name.endsWith(".part"))).toEqual([]);
    expect(left.filter((name) => !name.startsWith("."))).toEqual([]);

    await rm(ballast);
    const rerun = await runCli(line);
    expect(rerun.code, rerun.stderr).toBe(0);
    const digests = (stdout: string) => results(stdout).map(({ sha256 }) => sha256);
    expect(digests(rerun.stdout)).toEqual(digests(whole.stdout));
  });
});

describe("edgefuse train --push", () => {
  let storage: FakeS3 | undefined;
  let worker: Server | undefined;
  afterEach(async () => {
    await storage?.close();
    worker?.closeAllConnections();
    await new Promise((resolve) => (worker === undefined ? resolve(undefined) : worker.close(resolve)));
    storage = worker = undefined;
  });

  /** A worker that registers whatever it is told of. */
  async function startWorker(): Promise<string> {
    const server = createServer((request, response) => {
      void json(request).then((body) => {
        const id = /([0-9a-f]{64})/.exec((body as { key: string }).key)?.[1];
        return response.writeHead(201, { "content-type": "application/json" }).end(JSON.stringify({ id }));
      });
    });
    worker = server;
    await new Promise<void>((resolve) => {
      server.listen(0, "127.0.0.1", resolve);
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async function settings(disturb?: (request: string) => Disturbance | undefined): Promise<Record<string, string>> {
    storage = await startFakeS3(disturb);
    return {
      EDGEFUSE_S3_ENDPOINT: storage.endpoint,
      EDGEFUSE_S3_BUCKET: "bucket",
      AWS_ACCESS_KEY_ID: "id",
      AWS_SECRET_ACCESS_KEY: "very-secret",
      EDGEFUSE_URL: await startWorker(),
      EDGEFUSE_TOKEN: "very-secret-token",
    };
  }

  it("uploads and registers what it trained", async () => {
    const environment = await settings();
    const { code, stdout, stderr } = await runCli(
      [...words(join(root, "pushed")), "--hidden", "8", "--epochs", "1", "--keep-best", "--push"],
      environment,
    );
    expect(code, stderr).toBe(0);
    const all = results(stdout);
    const trained = all
      .filter(({ event }) => event === "checkpoint")
      .flatMap(({ sha256, best }) => [sha256, (best as { sha256: string }).sha256]);
    const pushed = all.filter(({ event }) => event === "pushed");
    expect(pushed.map(({ sha256 }) => sha256)).toEqual(trained);
    expect(new Set(pushed.map(({ registered }) => registered))).toEqual(new Set(["new"]));
    expect([...(storage?.objects.keys() ?? [])].sort()).toEqual(
      trained.map((sha256) => `/bucket/checkpoints/${String(sha256)}.safetensors`).sort(),
    );
    expect(stdout + stderr).not.toContain("very-secret");
  });

  it.each<[string, (request: string) => Disturbance | undefined, number, RegExp]>([
    [
      "is unreachable",
      () => ({ drop: true }),
      5,
      /could not be uploaded to bucket \(.*\); push again when storage answers/,
    ],
    [
      "refuses the credentials",
      () => ({ status: 403, code: "InvalidAccessKeyId" }),
      4,
      /The bucket bucket refused .*check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY/,
    ],
    [
      "fails in the middle of an upload",
      (request) => (request.includes("partNumber") ? { status: 500 } : undefined),
      5,
      /could not be uploaded to bucket \(500 .*\)/,
    ],
  ])("keeps its files where storage %s, and says how to push them", async (_, disturb, expected, message) => {
    let healthy = false;
    const environment = await settings((request) => (healthy ? undefined : disturb(request)));
    const out = await mkdtemp(join(root, "unpushed-"));
    // More than a part, so that it goes up in several.
    const line = [...words(out), "--hidden", "1500x2", "--epochs", "1", "--models", "1", "--push"];
    const failed = await runCli(line, environment);
    expect(failed.code, failed.stderr).toBe(expected);
    const last = failed.stderr.trimEnd().split("\n").at(-1) ?? "";
    expect(last).toMatch(message);
    const path = join(out, "fam-1.safetensors");
    expect(last).toContain(`Training is done and its files are in place; push them with: edgefuse push ${path}`);
    expect(await readdir(out)).toEqual(["fam-1.safetensors"]);
    expect(storage?.objects.size).toBe(0);
    expect(storage?.openUploads.size).toBe(0);
    const [trained] = results(failed.stdout);

    healthy = true;
    const rerun = await runCli(line, environment);
    expect(rerun.code, rerun.stderr).toBe(0);
    expect(rerun.stderr).toContain(`${path} is trained already`);
    const object = storage?.objects.get(`/bucket/checkpoints/${String(trained?.["sha256"])}.safetensors`);
    expect(object?.length).toBeGreaterThan(PART_SIZE);
  });

  it("says before it trains which settings are missing", async () => {
    const out = join(root, "never");
    const { code, stderr } = await runCli([...words(out), "--push"], { EDGEFUSE_S3_BUCKET: "bucket" });
    expect(code).toBe(2);
    expect(stderr).toMatch(/^edgefuse: Set EDGEFUSE_S3_ENDPOINT, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY in/);
    expect(await readdir(root)).not.toContain("never");
  });
});
