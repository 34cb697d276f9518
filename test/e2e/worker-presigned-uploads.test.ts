import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startWorker } from "../../infra/local/start-worker.ts";
import { largeCheckpoint } from "../support/checkpoint-files.ts";
import { beginUpload, json, partOf, problemOf, sha256 } from "../support/upload-parts.ts";

describe("presigned URLs", () => {
  it("take parts past the worker, and are for nothing else", async () => {
    const stateDirectory = await mkdtemp(join(tmpdir(), "edgefuse-presign-"));
    const local = await startWorker({ stateDirectory, presign: true });
    const send = (path: string, init: RequestInit = {}) => {
      const headers = new Headers(init.headers);
      headers.set("authorization", `Bearer ${local.adminToken}`);
      return fetch(local.url + path, { ...init, headers });
    };
    const putTo = (url: string, body: Uint8Array<ArrayBuffer>) => fetch(url, { method: "PUT", body });
    try {
      const file = largeCheckpoint(5_000_000, 11);
      const upload = await beginUpload({ bytes: file.length, sha256: sha256(file) }, { fetch: send });
      expect(upload.urls?.map(({ number }) => number)).toEqual([1, 2, 3]);
      expect(JSON.stringify(upload)).not.toContain(local.s3.secretAccessKey);
      // The first part through the API, the others past it.
      const first = await send(`${upload.links.self}/parts/1`, { method: "PUT", body: partOf(file, 1) });
      expect(first.status).toBe(200);
      const parts = [];
      for (const { number, url } of upload.urls?.slice(1) ?? []) {
        const answer = await putTo(url, partOf(file, number));
        expect([number, answer.status]).toEqual([number, 200]);
        parts.push({ number, etag: answer.headers.get("etag") });
      }
      // What the API did not see must be named.
      const unnamed = await send(upload.links.complete, { method: "POST" });
      expect(await problemOf(unnamed)).toMatchObject({ code: "incomplete-upload", missing: [2, 3] });
      const wrong = parts.map(({ number }) => ({ number, etag: '"00000000000000000000000000000000"' }));
      expect(await problemOf(await send(upload.links.complete, json({ parts: wrong })))).toMatchObject({
        code: "incomplete-upload",
        missing: [1, 2, 3],
      });
      // The bucket would not say which of them it lacks, so what the API had seen is sent again.
      expect((await send(`${upload.links.self}/parts/1`, { method: "PUT", body: partOf(file, 1) })).status).toBe(200);
      const done = await send(upload.links.complete, json({ parts }));
      expect([done.status, ((await done.json()) as { id: string }).id]).toEqual([201, sha256(file)]);

      const other = await beginUpload({ bytes: file.length }, { fetch: send });
      const url = new URL(other.urls?.[0]?.url ?? "");
      url.searchParams.set("partNumber", "2");
      // Of a longer body nobody would read the rest.
      expect((await putTo(url.href, new Uint8Array(8))).status).toBe(403);
      expect((await send(other.links.self, { method: "DELETE" })).status).toBe(204);
    } finally {
      await local.stop();
      await rm(stateDirectory, { recursive: true, force: true });
    }
  }, 400_000);
});
