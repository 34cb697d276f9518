import { afterAll, beforeAll, expect, it } from "vitest";
import { BAD_RECIPES } from "../support/bad-recipes.ts";
import { MALFORMED_FILES } from "../support/malformed-files.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

let worker: WorkerHarness;
beforeAll(async () => {
  worker = await startWorker();
});
afterAll(() => worker.close());

async function codeOf(response: Response): Promise<string> {
  expect(response.headers.get("content-type")).toMatch(/^application\/problem\+json/);
  const { code, status } = (await response.json()) as { code: string; status: number };
  expect(response.status).toBe(status);
  expect(status).toBeGreaterThanOrEqual(400);
  expect(status).toBeLessThan(500);
  return code;
}

/** Posts a file of the corpus the way its format is posted. */
function post({ format, bytes }: (typeof MALFORMED_FILES)[number]): Promise<Response> {
  switch (format) {
    case "safetensors":
      return worker.fetch("/v1/checkpoints", {
        method: "POST",
        headers: { "content-type": "application/octet-stream" },
        body: bytes,
      });
    case "index":
      return worker.fetch("/v1/checkpoints", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: `{"index":${new TextDecoder().decode(bytes)},"shards":{}}`,
      });
    case "tfjs": {
      const form = new FormData();
      form.set("model.json", new Blob([bytes], { type: "application/json" }), "model.json");
      return worker.fetch("/v1/checkpoints", { method: "POST", body: form });
    }
  }
}

it("refuses every malformed file and recipe with the right code, and stores nothing", async () => {
  const before = await worker.snapshot();
  const wrong: string[] = [];
  for (const file of MALFORMED_FILES) {
    const code = await codeOf(await post(file));
    // An index travels inside a JSON body: one that is not JSON, or not of its schema, makes the body malformed, and of
    // duplicate keys only the last arrives, so that what is left is an index whose shards nobody has.
    const insideJson = ["malformed-request", "checkpoint-not-found"];
    const right = code === file.code || (file.format === "index" && insideJson.includes(code));
    if (!right) wrong.push(`${file.format}, ${file.name}: ${code} instead of ${file.code}`);
  }
  for (const [name, recipe] of BAD_RECIPES) {
    const response = await worker.fetch("/v1/fusions", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ recipe }),
    });
    const code = await codeOf(response);
    if (code !== "invalid-recipe") wrong.push(`recipe, ${name}: ${code}`);
  }
  expect(wrong).toEqual([]);
  expect(MALFORMED_FILES.length + BAD_RECIPES.length).toBeGreaterThanOrEqual(100);
  expect(await worker.snapshot()).toBe(before);
});
