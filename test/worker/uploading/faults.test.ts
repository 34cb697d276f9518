import { beforeAll, describe, expect, it } from "vitest";
import { uploadId } from "../../../shared/api/uploads.ts";
import type { CheckpointId } from "../../../shared/identity.ts";
import { Problem } from "../../../shared/problem.ts";
import { deleteCheckpoint } from "../../../worker/deleting/delete.ts";
import type { Environment } from "../../../worker/environment.ts";
import { completeUpload } from "../../../worker/uploading/complete.ts";
import { receivePart } from "../../../worker/uploading/receive-part.ts";
import { beginUpload, discardUpload, requireUpload } from "../../../worker/uploading/upload.ts";
import { f32Checkpoint, largeCheckpoint } from "../../support/checkpoint-files.ts";
import { bindings, migrate } from "../migrations.ts";
import { FaultyBindings, type FaultPlan, Outage } from "./faulty-bindings.ts";

beforeAll(migrate);

const now = () => new Date("2026-01-01T00:00:00Z");
const uniqueName = () => crypto.randomUUID();

/** Everything that is stored, but for uploads that are done. */
async function contents(): Promise<string> {
  const { objects } = await bindings.BUCKET.list();
  const tables = ["checkpoints", "upload_parts", "deletions"];
  const rows = await Promise.all(
    tables.map(async (table) => (await bindings.CATALOG.prepare(`SELECT * FROM ${table}`).all()).results),
  );
  const open = await bindings.CATALOG.prepare("SELECT id FROM uploads WHERE result IS NULL").all();
  return JSON.stringify([objects.map(({ key, etag }) => [key, etag]), rows, open.results]);
}

/** Does a thing with one call failing; where that shows, does it once more, with all calls well. */
async function retried<Result>(faulty: FaultyBindings, work: (environment: Environment) => Promise<Result>) {
  try {
    return await work(faulty.environment);
  } catch (error) {
    if (!(error instanceof Outage)) throw error;
    return work(bindings);
  }
}

/** Runs a test for every call that it makes, failing there: not carried out, or carried out and its answer lost. */
async function everyFault(
  test: (faulty: FaultyBindings) => Promise<void>,
  outcomes: readonly boolean[] = [false, true],
): Promise<number> {
  for (let at = 0; ; at++) {
    let hasFailed = false;
    for (const isCarriedOut of outcomes) {
      const plan: FaultPlan = { at, isCarriedOut };
      const faulty = new FaultyBindings(bindings, plan);
      try {
        await test(faulty);
      } catch (error) {
        throw new Error(`with the fault ${JSON.stringify(plan)}`, { cause: error });
      }
      hasFailed ||= faulty.hasFailed;
    }
    if (!hasFailed) return at;
  }
}

async function upload(faulty: FaultyBindings, file: Uint8Array<ArrayBuffer>, sha256?: string) {
  const request = { kind: "checkpoint" as const, bytes: file.length, ...(sha256 === undefined ? {} : { sha256 }) };
  const begun = await retried(faulty, (environment) =>
    beginUpload(environment, request, {
      id: uploadId.parse(uniqueName()),
      at: now(),
      by: "test",
      maxRequestBytes: 2 ** 26,
    }),
  );
  for (let number = 1; (number - 1) * begun.partBytes < file.length; number++) {
    const part = file.slice((number - 1) * begun.partBytes, number * begun.partBytes);
    await retried(faulty, async (environment) => {
      const current = await requireUpload(environment.CATALOG, begun.id, now());
      const body = new Response(part).body as ReadableStream<Uint8Array>;
      await receivePart(environment, current, { number, body, length: part.length, announced: undefined }, now);
    });
  }
  return retried(faulty, (environment) => completeUpload({ environment, id: begun.id, request: {}, now, uniqueName }));
}

describe("whatever call to R2 or D1 fails", () => {
  it.each([
    ["of one part", f32Checkpoint({ w: [1, 2, 3] }), [false, true]],
    ["of two parts", largeCheckpoint(2_200_000, 5), [false]],
  ])(
    "an upload %s succeeds when it is tried again, and only the checkpoint remains",
    async (_, file, outcomes) => {
      const before = await contents();
      const faults = await everyFault(async (faulty) => {
        const { body } = await upload(faulty, file);
        const { objects } = await bindings.BUCKET.list();
        expect(objects.map(({ key }) => key)).toContain(`checkpoints/${body.id}.safetensors`);
        const row = await bindings.CATALOG.prepare("SELECT id FROM checkpoints WHERE id = ?").bind(body.id).first();
        expect(row).not.toBeNull();
        await deleteCheckpoint(bindings, body.id as CheckpointId, now());
        // Where the last thing fails, which is to take the staged object away, the sweep does it.
        await bindings.BUCKET.delete(
          (await bindings.BUCKET.list({ prefix: "staging/" })).objects.map(({ key }) => key),
        );
        expect(await contents()).toBe(before);
      }, outcomes);
      expect(faults).toBeGreaterThan(12);
    },
    600_000,
  );

  it("an upload that is refused leaves nothing when it is tried again", async () => {
    const before = await contents();
    await everyFault(async (faulty) => {
      const failure: unknown = await upload(faulty, f32Checkpoint({ w: [4] }), "ab".repeat(32)).catch(
        (error: unknown) => error,
      );
      expect(failure).toBeInstanceOf(Problem);
      // Asked again after a lost answer, it is gone.
      expect(["digest-mismatch", "upload-not-found"]).toContain((failure as Problem).code);
      expect(await contents()).toBe(before);
    });
  });

  it("an upload that is given up is gone when that is tried again", async () => {
    const before = await contents();
    await everyFault(async (faulty) => {
      const request = { kind: "checkpoint" as const, bytes: 100 };
      const facts = { id: uploadId.parse(uniqueName()), at: now(), by: "test", maxRequestBytes: 2 ** 26 };
      const begun = await beginUpload(bindings, request, facts);
      await retried(faulty, (environment) => discardUpload(environment, begun));
      expect(await contents()).toBe(before);
      await expect(
        bindings.BUCKET.resumeMultipartUpload(`staging/uploads/${begun.id}`, begun.multipartId ?? "").uploadPart(
          1,
          "x",
        ),
      ).rejects.toThrow();
    });
  });

  it("a checkpoint is deleted when that is tried again", async () => {
    const before = await contents();
    const file = f32Checkpoint({ w: [5] });
    const none = { at: Number.POSITIVE_INFINITY, isCarriedOut: false };
    const faults = await everyFault(async (faulty) => {
      const { body } = await upload(new FaultyBindings(bindings, none), file);
      await retried(faulty, (environment) => deleteCheckpoint(environment, body.id as CheckpointId, now())).catch(
        (error: unknown) => {
          // The first try had come to its end, and only its answer was lost.
          expect(error).toMatchObject({ code: "checkpoint-not-found" });
        },
      );
      expect(await contents()).toBe(before);
    });
    expect(faults).toBe(3);
  });
});
