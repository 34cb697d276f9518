import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EdgefuseClient } from "../../shared/api/index.ts";
import { f32Checkpoint, largeCheckpoint } from "../support/checkpoint-files.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

const run = promisify(execFile);
let worker: WorkerHarness;
let client: EdgefuseClient;
let folder: string;

beforeAll(async () => {
  worker = await startWorker();
  client = new EdgefuseClient({ url: worker.url, token: worker.token });
  folder = await mkdtemp(join(tmpdir(), "edgefuse-fuse-"));
});
afterAll(async () => {
  await worker.close();
  await rm(folder, { recursive: true, force: true });
});

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const send = (form: FormData) => worker.fetch("/v1/fuse", { method: "POST", body: form });
const formOf = (fields: Record<string, string | Uint8Array<ArrayBuffer>>) => {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === "string") form.append(name, value);
    else form.append(name, new Blob([value]), `${name}.safetensors`);
  }
  return form;
};

describe("POST /v1/fuse", () => {
  it("answers a line of curl with the bytes of the stored fusion, and stores nothing", async () => {
    const files = [largeCheckpoint(300_000, 1), largeCheckpoint(300_000, 2)];
    const [a, b] = ["a", "b"].map((name) => join(folder, `${name}.safetensors`));
    await Promise.all([writeFile(a ?? "", files[0] ?? ""), writeFile(b ?? "", files[1] ?? "")]);
    const before = await worker.snapshot();
    const config = join(folder, "curl");
    await writeFile(config, `header = "Authorization: Bearer ${worker.token}"\n`, { mode: 0o600 });
    const output = join(folder, "c.safetensors");
    await run("curl", [
      ...["--silent", "--show-error", "--fail", "--noproxy", "*", "--config", config],
      ...["-F", `a=@${a}`, "-F", `b=@${b}`, "-F", "weights=1,3"],
      ...["--output", output, `${worker.url}/v1/fuse`],
    ]);
    expect(await worker.snapshot()).toBe(before);

    const inputs = [];
    for (const [index, file] of files.entries()) {
      inputs.push({ checkpoint: (await client.uploadCheckpoint(file)).id, weight: index === 0 ? 1 : 3 });
    }
    const { sha256: expected } = await client.createFusion({ recipe: { method: "linear", inputs } });
    expect(sha256(await readFile(output))).toBe(expected);
  });

  it("takes a base, parameters, and a dtype", async () => {
    const [base, a, b] = [
      [0, 0, 0],
      [1, 2, 3],
      [3, 2, 1],
    ].map((w) => f32Checkpoint({ w }));
    if (base === undefined || a === undefined || b === undefined) throw new Error("three files");
    const named = await send(formOf({ first: a, second: b, zero: base, base: "zero", method: "task-arithmetic" }));
    const direct = await send(formOf({ first: a, second: b, base, method: "task-arithmetic" }));
    expect([named.status, direct.status]).toEqual([200, 200]);
    const bytes = new Uint8Array(await named.arrayBuffer());
    expect(new Uint8Array(await direct.arrayBuffer())).toEqual(bytes);
    expect(named.headers.get("content-disposition")).toMatch(/^attachment; filename="[0-9a-f]{12}\.safetensors"$/);
    expect(named.headers.get("content-length")).toBe(String(bytes.length));
    expect([...new Float32Array(bytes.slice(-12).buffer)]).toEqual([4, 4, 4]);
    const half = await send(formOf({ a, b, dtype: "f16" }));
    expect([...new Uint16Array((await half.arrayBuffer()).slice(-6))]).toEqual([0x4000, 0x4000, 0x4000]);
  });

  it.each([
    ["no file", { method: "linear" }, 400, "malformed-request"],
    ["an unknown field", { a: f32Checkpoint({ w: [1] }), wieghts: "1" }, 400, "malformed-request"],
    [
      "too few weights",
      { a: f32Checkpoint({ w: [1] }), b: f32Checkpoint({ w: [2] }), weights: "1" },
      400,
      "malformed-request",
    ],
    ["an unknown method", { a: f32Checkpoint({ w: [1] }), method: "magic" }, 422, "unknown-method"],
    ["a file that is none", { a: new Uint8Array([1, 2, 3]) }, 422, "truncated-file"],
    ["a value that is not finite", { a: f32Checkpoint({ w: [Number.NaN] }) }, 422, "non-finite-values"],
    ["files that differ", { a: f32Checkpoint({ w: [1] }), b: f32Checkpoint({ v: [1] }) }, 422, "incompatible-inputs"],
  ] as const)("refuses %s", async (_, fields, status, code) => {
    const before = await worker.snapshot();
    const response = await send(formOf(fields));
    expect([response.status, await response.json()]).toEqual([status, expect.objectContaining({ code })]);
    expect(await worker.snapshot()).toBe(before);
  });

  it("says where larger files go", async () => {
    const response = await send(formOf({ a: new Uint8Array(50 * 2 ** 20) }));
    expect([response.status, await response.json()]).toEqual([
      413,
      expect.objectContaining({ code: "payload-too-large", detail: expect.stringContaining("/v1/checkpoints") }),
    ]);
  });

  it("is for those with a token", async () => {
    const form = formOf({ a: f32Checkpoint({ w: [1] }) });
    expect((await fetch(`${worker.url}/v1/fuse`, { method: "POST", body: form })).status).toBe(401);
  });
});

describe("a dry run", () => {
  it("shows every tensor's coefficients and place, and makes nothing", async () => {
    const inputs = [];
    for (const w of [
      [1, 2],
      [3, 4],
    ]) {
      const { id } = await client.uploadCheckpoint(f32Checkpoint({ w }));
      inputs.push({ checkpoint: id, weight: inputs.length === 0 ? 1 : 3 });
    }
    const before = await worker.snapshot();
    const response = await worker.fetch("/v1/fusions/plan", {
      method: "POST",
      body: JSON.stringify({ recipe: { method: "linear", inputs } }),
      headers: { "content-type": "application/json" },
    });
    const plan = (await response.json()) as { id: string; tensors: { coefficients: number[] }[]; bytes: number };
    expect(response.status).toBe(200);
    expect(plan).toMatchObject({ path: "inline", needsStatistics: false, elements: 2, parts: { count: 1 } });
    expect(plan.tensors).toEqual([
      expect.objectContaining({ name: "w", dtype: "F32", shape: [2], treatment: "computed", end: plan.bytes }),
    ]);
    expect(plan.tensors[0]?.coefficients.toSorted((x, y) => x - y)).toEqual([0.25, 0.75]);
    expect(await worker.snapshot()).toBe(before);
    const { id } = await client.createFusion({ recipe: { method: "linear", inputs } });
    expect(id).toBe(plan.id);
    expect(await (await worker.fetch(`/v1/fusions/${id}/plan`)).json()).toEqual(plan);
  });
});

describe("the page of problems", () => {
  it("has an anchor for every code that a problem's type points to", async () => {
    const page = await fetch(`${worker.url}/docs/problems`);
    expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
    const html = await page.text();
    const { type } = (await (await fetch(`${worker.url}/nothing`)).json()) as { type: string };
    expect(html).toContain(`id="${type.split("#")[1]}"`);
  });
});
