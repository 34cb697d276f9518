import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeSafetensors } from "../../../shared/safetensors/index.ts";
import { type FakeS3, startFakeS3 } from "../storage/fake-s3.ts";
import { runCli } from "./run-cli.ts";

const file = encodeSafetensors(new Map([["w", { dtype: "F32", shape: [2], data: new Uint8Array(8) }]]));
const sha256 = createHash("sha256").update(file).digest("hex");
const key = `checkpoints/${sha256}.safetensors`;

let directory: string;
let storage: FakeS3;
let environment: Record<string, string>;
const registrations: unknown[] = [];
const worker = createServer((request, response) => {
  void json(request).then((body) => {
    registrations.push([request.headers.authorization, body]);
    return response.writeHead(201, { "content-type": "application/json" }).end(JSON.stringify({ id: sha256 }));
  });
});

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "edgefuse-push-"));
  await writeFile(join(directory, "good.safetensors"), file);
  await writeFile(join(directory, "bad.safetensors"), file.subarray(0, 20));
  storage = await startFakeS3();
  await new Promise<void>((resolve) => {
    worker.listen(0, "127.0.0.1", resolve);
  });
  environment = {
    EDGEFUSE_S3_ENDPOINT: storage.endpoint,
    EDGEFUSE_S3_BUCKET: "bucket",
    AWS_ACCESS_KEY_ID: "id",
    AWS_SECRET_ACCESS_KEY: "very-secret",
    EDGEFUSE_URL: `http://127.0.0.1:${(worker.address() as AddressInfo).port}`,
    EDGEFUSE_TOKEN: "token",
  };
});

afterAll(async () => {
  await storage.close();
  worker.closeAllConnections();
  await new Promise((resolve) => {
    worker.close(resolve);
  });
  await rm(directory, { recursive: true });
});

describe("edgefuse push", () => {
  it("uploads under the digest and registers with the worker", async () => {
    const path = join(directory, "good.safetensors");
    const { code, stdout, stderr } = await runCli(["push", path, "--json"], environment);
    expect(stderr).not.toMatch(/very-secret|edgefuse:/);
    expect(stderr).toContain("pushing to the bucket bucket through S3");
    expect(JSON.parse(stdout)).toEqual({
      event: "pushed",
      path,
      sha256,
      key,
      bytes: file.length,
      upload: "uploaded",
      registered: "new",
      via: "s3",
    });
    expect(code).toBe(0);
    expect(storage.objects.get(`/bucket/${key}`)).toEqual(Buffer.from(file));
    expect(registrations).toEqual([["Bearer token", { key }]]);
  });

  it("needs no worker to upload only", async () => {
    const { EDGEFUSE_URL: _url, EDGEFUSE_TOKEN: _token, ...rest } = environment;
    const { code, stdout } = await runCli(["push", "--upload-only", join(directory, "good.safetensors")], rest);
    expect([code, stdout.startsWith(sha256)]).toEqual([0, true]);
  });

  it.each<[string[], Record<string, string>, RegExp]>([
    [
      ["--via", "s3"],
      { EDGEFUSE_S3_ENDPOINT: "", EDGEFUSE_S3_BUCKET: "" },
      /Set EDGEFUSE_S3_ENDPOINT, EDGEFUSE_S3_BUCKET in/,
    ],
    [
      ["--upload-only"],
      { EDGEFUSE_S3_ENDPOINT: "", EDGEFUSE_S3_BUCKET: "" },
      /Set EDGEFUSE_S3_ENDPOINT, EDGEFUSE_S3_BUCKET in/,
    ],
    [[], { EDGEFUSE_S3_BUCKET: "" }, /Set EDGEFUSE_S3_BUCKET in/],
    [["--via", "api"], { EDGEFUSE_URL: "" }, /Set EDGEFUSE_URL in/],
    [["--via", "api", "--upload-only"], {}, /--upload-only is for S3/],
    [["--via", "ftp"], {}, /one of auto, s3, api/],
  ])("asks for the settings of the way that is taken (%j %o)", async (words, change, message) => {
    const ended = await runCli(["push", ...words, join(directory, "good.safetensors")], { ...environment, ...change });
    expect(ended).toMatchObject({ code: 2, stdout: "", stderr: expect.stringMatching(message) });
  });

  it.each<[string, Record<string, string>, number, RegExp]>([
    ["bad.safetensors", {}, 3, /edgefuse: \S+bad\.safetensors: /],
    ["missing.safetensors", {}, 3, /ENOENT.*missing\.safetensors/],
    ["good.safetensors", { EDGEFUSE_TOKEN: "" }, 2, /Set EDGEFUSE_TOKEN in the environment/],
  ])("ends with one line for %s %o", async (name, change, code, message) => {
    const ended = await runCli(["push", join(directory, name)], { ...environment, ...change });
    expect(ended.stderr).toMatch(message);
    expect(ended.stdout).toBe("");
    expect(ended.code).toBe(code);
  });
});
