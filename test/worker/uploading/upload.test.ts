import { env } from "cloudflare:workers";
import { createExecutionContext, createScheduledController, waitOnExecutionContext } from "cloudflare:test";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { MAX_UPLOAD_BYTES, uploadId } from "../../../shared/api/uploads.ts";
import worker from "../../../worker/index.ts";
import { beginUpload, expiryAfter, partBytesFor, partLayout } from "../../../worker/uploading/upload.ts";
import { bindings, migrate } from "../migrations.ts";

beforeAll(migrate);

describe("the parts of an upload", () => {
  it("are of equal size but the last, few, within R2's bounds and the request limit", () => {
    const bytes = fc.integer({ min: 1, max: MAX_UPLOAD_BYTES });
    fc.assert(
      fc.property(bytes, fc.integer({ min: 1, max: 2 ** 30 }), (length, limit) => {
        const partBytes = partBytesFor(length, limit);
        expect(partBytes).toBeGreaterThanOrEqual(5 * 2 ** 20);
        expect(partBytes).toBeLessThanOrEqual(Math.max(limit, 5 * 2 ** 20));
        const { count, lengthOf } = partLayout({ bytes: length, partBytes });
        expect(count).toBeLessThanOrEqual(10_000);
        if (limit >= 100_000_000) expect(count).toBeLessThanOrEqual(128);
        const last = lengthOf(count);
        expect(last).toBeGreaterThan(0);
        expect(last).toBeLessThanOrEqual(partBytes);
        expect((count - 1) * partBytes + last).toBe(length);
      }),
    );
  });
});

describe("the schedule", () => {
  it("ends uploads that expired, and nothing else", async () => {
    const begin = (at: Date) =>
      beginUpload(
        bindings,
        { kind: "checkpoint", bytes: 100 },
        { id: uploadId.parse(crypto.randomUUID()), at, by: "test", maxRequestBytes: 2 ** 26 },
      );
    const [old, young] = [await begin(new Date("2020-01-01T00:00:00Z")), await begin(new Date())];
    await bindings.BUCKET.put(`checkpoints/${"1".repeat(64)}.safetensors`, "an orphan");
    expect(expiryAfter(new Date("2020-01-01T00:00:00Z"))).toBe(old.expiresAt);
    const context = createExecutionContext();
    worker.scheduled?.(createScheduledController({ cron: "17 3 * * *" }), env as never, context);
    await waitOnExecutionContext(context);
    const { results } = await bindings.CATALOG.prepare("SELECT id FROM uploads").all();
    expect(results).toEqual([{ id: young.id }]);
    expect((await bindings.BUCKET.list()).objects.map(({ key }) => key)).toEqual([
      `checkpoints/${"1".repeat(64)}.safetensors`,
    ]);
  });
});
