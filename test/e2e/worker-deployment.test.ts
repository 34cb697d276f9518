import { afterEach, describe, expect, it } from "vitest";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

let worker: WorkerHarness | undefined;
afterEach(() => worker?.close());

describe("a deployment that is not ready", () => {
  it("accepts nothing without an admin secret", async () => {
    worker = await startWorker({ token: "" });
    for (const [method, path] of [
      ["GET", "/v1/checkpoints"],
      ["POST", "/v1/checkpoints"],
      ["POST", "/v1/fusions"],
      ["PUT", "/v1/datasets/x"],
    ] as const) {
      for (const headers of [{}, { authorization: "Bearer " }, { authorization: "Bearer undefined" }]) {
        const response = await fetch(worker.url + path, { method, headers });
        expect(response.status).toBe(403);
        expect(await response.json()).toMatchObject({
          code: "forbidden",
          detail: expect.stringContaining("admin secret"),
        });
      }
    }
    expect((await fetch(`${worker.url}/healthz`)).status).toBe(200);
  });

  it("says so where the catalog has no tables", async () => {
    worker = await startWorker({ migrate: false });
    const response = await worker.fetch("/v1/checkpoints");
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "2"]);
    expect(await response.json()).toMatchObject({ code: "catalog-not-migrated" });
    expect(worker.logs()).toContain("catalog-not-migrated");
  });
});
