import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { startWorker } from "../../infra/local/start-worker.ts";
import type { UploadDescription } from "../../shared/api/uploads.ts";
import { largeCheckpoint } from "../support/checkpoint-files.ts";
import { beginUpload, MIB, partOf, sha256 } from "../support/upload-parts.ts";

describe("an upload whose worker is killed", () => {
  it("goes on from the parts that had arrived", async () => {
    const stateDirectory = await mkdtemp(join(tmpdir(), "edgefuse-upload-"));
    const adminToken = "kept-between-runs";
    let local = await startWorker({ stateDirectory, adminToken });
    const send = (path: string, init: RequestInit = {}) => {
      const headers = new Headers(init.headers);
      headers.set("authorization", `Bearer ${adminToken}`);
      return fetch(local.url + path, { ...init, headers });
    };
    try {
      const file = largeCheckpoint(5_000_000, 12);
      const upload = await beginUpload({ bytes: file.length, sha256: sha256(file) }, { fetch: send });
      const path = `/v1/uploads/${upload.id}`;
      for (const number of [1, 3]) {
        const answer = await send(`${path}/parts/${number}`, { method: "PUT", body: partOf(file, number) });
        expect(answer.status).toBe(200);
      }
      // A part is on its way when the worker dies.
      const half = new ReadableStream<Uint8Array>({
        async start(controller) {
          controller.enqueue(partOf(file, 2).slice(0, MIB));
          await sleep(60_000).catch(() => undefined);
        },
      });
      const abandoned = new AbortController();
      const broken = send(`${path}/parts/2`, {
        method: "PUT",
        body: half,
        duplex: "half",
        signal: abandoned.signal,
      } as RequestInit).catch(() => undefined);
      await sleep(1000);
      await local.kill();
      abandoned.abort();
      await broken;

      local = await startWorker({ stateDirectory, adminToken });
      const seen = (await (await send(path)).json()) as UploadDescription;
      expect(seen.received.map(({ number }) => number)).toEqual([1, 3]);
      expect((await send(`${path}/parts/2`, { method: "PUT", body: partOf(file, 2) })).status).toBe(200);
      const done = await send(`${path}/complete`, { method: "POST" });
      expect([done.status, ((await done.json()) as { id: string }).id]).toEqual([201, sha256(file)]);
    } finally {
      await local.stop();
      await rm(stateDirectory, { recursive: true, force: true });
    }
  }, 400_000);
});
