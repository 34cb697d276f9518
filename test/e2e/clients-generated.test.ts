import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { generateApi } from "swagger-typescript-api";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

const root = resolve(import.meta.dirname, "../..");
const run = promisify(execFile);

/** As strict as ours, but for a client of someone else's: it has enums and looks at the DOM's types. */
const OPTIONS = {
  target: "es2024",
  lib: ["es2024", "dom", "dom.iterable"],
  module: "esnext",
  moduleResolution: "bundler",
  strict: true,
  noUncheckedIndexedAccess: true,
  types: [],
};

interface GeneratedApi {
  readonly v1: Record<string, (...parameters: never[]) => Promise<{ status: number; data: unknown }>>;
}

let folder: string;
let worker: WorkerHarness;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "edgefuse-client-"));
  worker = await startWorker();
});
afterAll(async () => {
  await worker.close();
  await rm(folder, { recursive: true, force: true });
});

describe("a client that swagger-typescript-api generates from docs/openapi.json", () => {
  it("compiles, and calls the deployment", async () => {
    await generateApi({
      input: join(root, "docs/openapi.json"),
      output: folder,
      fileName: "client.ts",
      httpClientType: "fetch",
      silent: true,
    });
    // Used as someone would, so that the compiler also checks what the types say.
    await writeFile(
      join(folder, "use.ts"),
      `import { Api, type Fusion, type CreateFusionRequest } from "./client";
export function connect(baseUrl: string, token: string) {
  return new Api({ baseUrl, baseApiParams: { headers: { authorization: \`Bearer \${token}\` } } });
}
export async function list(baseUrl: string, token: string): Promise<{ names: (string | null)[]; next: string | null }> {
  const { data } = await connect(baseUrl, token).v1.listCheckpoints({ limit: 2 });
  return { names: data.items.map((checkpoint) => checkpoint.name), next: data.next };
}
export async function fuse(baseUrl: string, token: string, request: CreateFusionRequest): Promise<Fusion> {
  return (await connect(baseUrl, token).v1.createFusion(request)).data;
}
`,
    );
    const config = join(folder, "tsconfig.json");
    await writeFile(config, JSON.stringify({ compilerOptions: { ...OPTIONS, outDir: "out" }, include: ["*.ts"] }));
    await writeFile(join(folder, "package.json"), '{ "type": "module" }');
    const compiled = await run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", config]).catch(
      (error: unknown) => error as { stdout: string; stderr: string },
    );
    expect([compiled.stdout, compiled.stderr]).toEqual(["", ""]);

    const text = await readFile(join(folder, "out/use.js"), "utf8");
    await writeFile(join(folder, "out/use.js"), text.replace('"./client"', '"./client.js"'));
    const use = (await import(pathToFileURL(join(folder, "out/use.js")).href)) as {
      connect: (baseUrl: string, token: string) => GeneratedApi;
      list: (baseUrl: string, token: string) => Promise<unknown>;
      fuse: (baseUrl: string, token: string, request: unknown) => Promise<unknown>;
    };
    expect(await use.list(worker.url, worker.token)).toEqual({ names: [], next: null });
    // Problems come as the client's own errors, with their document.
    const request = { recipe: { method: "linear", inputs: [{ checkpoint: "0".repeat(64) }] } };
    await expect(use.fuse(worker.url, worker.token, request)).rejects.toMatchObject({
      status: 404,
      error: { code: "checkpoint-not-found" },
    });
    await expect(use.list(worker.url, "wrong")).rejects.toMatchObject({ status: 401 });
  });
});
