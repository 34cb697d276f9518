import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EdgefuseClient } from "../../shared/api/index.ts";
import type { ModelId } from "../../shared/identity.ts";
import { largeCheckpoint, linearModel } from "../support/checkpoint-files.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

// The commands of the README are run by readme.test.ts; here is what curl itself knows of HTTP.
const run = promisify(execFile);
let folder: string;
let worker: WorkerHarness;
let client: EdgefuseClient;
let model: ModelId;
let whole: Uint8Array;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "edgefuse-curl-"));
  worker = await startWorker();
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
  const inputs = [];
  for (const seed of [1, 2]) {
    inputs.push({ checkpoint: (await client.uploadCheckpoint(largeCheckpoint(1000, seed))).id });
  }
  model = (await client.createFusion({ recipe: { method: "linear", inputs } })).id;
  whole = await client.fetchModel(model);
  // The token goes by a file, as everywhere where others see arguments.
  await writeFile(join(folder, "auth"), `header = "Authorization: Bearer ${worker.token}"\n`, { mode: 0o600 });
});
afterAll(async () => {
  await worker.close();
  await rm(folder, { recursive: true, force: true });
});

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const file = (name: string) => join(folder, name);

/** Runs curl in a folder of its own. @returns what it wrote to stdout, and its exit code */
async function curl(...words: string[]): Promise<{ stdout: string; code: number }> {
  const line = ["--disable", "--silent", "--show-error", "--noproxy", "*", ...words];
  try {
    return { stdout: (await run("curl", line, { cwd: folder })).stdout, code: 0 };
  } catch (error) {
    const { stdout, code } = error as { stdout: string; code: number };
    return { stdout, code };
  }
}
const address = (path: string) => worker.url + path;
const status = ["-o", "answer", "-w", "%{http_code}"];

describe("curl", () => {
  it("goes on with a download that broke off (-C -)", async () => {
    await writeFile(file("part"), whole);
    await truncate(file("part"), 1234);
    const words = ["-f", "-C", "-", "-o", "part", "-w", "%{http_code} %{size_download}"];
    const { stdout, code } = await curl(...words, address(`/models/${model}/model.safetensors`));
    expect([code, stdout]).toEqual([0, `206 ${whole.length - 1234}`]);
    expect(sha256(await readFile(file("part")))).toBe(sha256(whole));
  });

  it("downloads once, and asks again by entity tag (--etag-save, --etag-compare)", async () => {
    const url = address(`/models/${model}/model.safetensors`);
    const ask = () => curl("--etag-compare", "tag", "--etag-save", "tag", ...status, url);
    expect((await ask()).stdout).toBe("200");
    expect(sha256(await readFile(file("answer")))).toBe(sha256(whole));
    expect(await readFile(file("tag"), "utf8")).toContain(`"model-${model}"`);
    expect((await ask()).stdout).toBe("304");
  });

  it("follows an alias to the file (-L), and saves it under its name (-OJ)", async () => {
    const put = ["-K", "auth", "-X", "PUT", "--json", JSON.stringify({ model })];
    expect((await curl(...put, ...status, address("/v1/aliases/team%2Flarge"))).stdout).toBe("201");
    const followed = await curl("-fL", "-o", "by-alias", address("/models/@team/large/model.safetensors"));
    expect([followed.code, sha256(await readFile(file("by-alias")))]).toEqual([0, sha256(whole)]);
    const saved = await curl("-fOJ", address("/team/large/resolve/main/model.safetensors"));
    expect([saved.code, sha256(await readFile(file("model.safetensors")))]).toEqual([0, sha256(whole)]);
  });

  it("reads the head alone (-I), and a range (-r)", async () => {
    const { stdout } = await curl("-I", address(`/models/${model}/model.safetensors`));
    expect(stdout).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(stdout.toLowerCase()).toContain(`content-length: ${whole.length}\r\n`);
    expect(stdout.toLowerCase()).toContain("cache-control: public, max-age=31536000, immutable, no-transform\r\n");
    const words = ["-r", "8-19", ...status];
    expect((await curl(...words, address(`/models/${model}/model.safetensors`))).stdout).toBe("206");
    expect(new Uint8Array(await readFile(file("answer")))).toEqual(whole.slice(8, 20));
  });

  it("uploads a file of unknown length from a pipe (-T -)", async () => {
    const bytes = linearModel([9, 8, 7, 6, 5, 4, 3, 2], [1, 0]);
    await writeFile(file("upload"), bytes);
    const words = `-X POST -T - -K auth -H 'Content-Type: application/octet-stream' ${address("/v1/checkpoints")}`;
    const { stdout } = await run("bash", ["-c", `cat upload | curl --disable -sf --noproxy '*' ${words}`], {
      cwd: folder,
    });
    expect(JSON.parse(stdout)).toMatchObject({ id: sha256(bytes), bytes: bytes.length });
  });

  it("uploads a file in parts, and one of them again", async () => {
    const bytes = largeCheckpoint(2_000_000, 7);
    const begun = await curl(
      "-f",
      "-K",
      "auth",
      "--json",
      JSON.stringify({ bytes: bytes.length }),
      address("/v1/uploads"),
    );
    const { links, partBytes, parts } = JSON.parse(begun.stdout) as {
      links: { self: string };
      partBytes: number;
      parts: number;
    };
    expect(Math.ceil(bytes.length / partBytes)).toBe(parts);
    for (const number of [...Array.from({ length: parts }, (_, index) => index + 1), 1]) {
      await writeFile(file("piece"), bytes.subarray((number - 1) * partBytes, number * partBytes));
      const put = ["-K", "auth", "-T", "piece", "-H", "Content-Type: application/octet-stream", ...status];
      expect((await curl(...put, address(`${links.self}/parts/${number}`))).stdout).toBe("200");
    }
    const done = await curl("-f", "-K", "auth", "-X", "POST", "--json", "{}", address(`${links.self}/complete`));
    expect(JSON.parse(done.stdout)).toMatchObject({ id: sha256(bytes) });
  });

  it("fails with --fail where it is refused, and then shows what is wrong with --fail-with-body", async () => {
    expect((await curl("-f", address("/v1/checkpoints"))).code).toBe(22);
    const refused = await curl("--fail-with-body", address("/v1/checkpoints"));
    expect([refused.code, JSON.parse(refused.stdout)]).toEqual([22, expect.objectContaining({ code: "unauthorized" })]);
  });

  it("opens a private model with a signed link, and nothing without", async () => {
    const inputs = [{ checkpoint: (await client.uploadCheckpoint(linearModel([3, 1, 4, 1, 5, 9, 2, 6], [5, 3]))).id }];
    const { id } = await client.createFusion({ recipe: { method: "linear", inputs }, visibility: "private" });
    const made = await curl("-f", "-K", "auth", "--json", '{"expiresIn": 60}', address(`/v1/models/${id}/links`));
    const { url } = JSON.parse(made.stdout) as { url: string };
    expect((await curl(...status, url)).stdout).toBe("200");
    expect(sha256(await readFile(file("answer")))).toBe(sha256(await client.fetchModel(id)));
    expect((await curl(...status, url.replace(/\?.*/, ""))).stdout).toBe("404");
    expect((await curl(...status, url.replace(/expires=\d/, "expires=9"))).stdout).toBe("403");
  });
});
