import { describe, expect, it } from "vitest";
import type { UploadId } from "../../../shared/api/index.ts";
import { type Answer, clientOf, problem, type Sent } from "../../support/scripted-client.ts";

const id = "u" as UploadId;
const bytes = Uint8Array.from({ length: 10 }, (_, index) => index);
const source = { bytes: 10, read: async (begin: number, end: number) => bytes.slice(begin, end) };
const request = { kind: "checkpoint", sha256: "d" } as const;

const upload = (received: number[] = [], more: object = {}) => ({
  id,
  kind: "checkpoint",
  state: "open",
  bytes: 10,
  sha256: "d",
  partBytes: 4,
  parts: 3,
  received: received.map((number) => ({ number, bytes: number === 3 ? 2 : 4, sha256: "p" })),
  ...more,
});

const part: Answer = ({ path }) => Response.json({ number: Number(path.split("/").at(-1)) });
const lines = (sent: readonly Sent[]) => sent.map(({ method, path }) => `${method} ${path}`);

describe("uploads in parts", () => {
  it("send every part, register the file, and count the bytes", async () => {
    const opened: string[] = [];
    const progress: number[] = [];
    const { client, sent } = clientOf([Response.json(upload()), part, part, part, Response.json({ id: "d" })]);
    const result = await client.uploads.send(source, request, {
      parallel: 1,
      onOpen: (found) => void opened.push(found.id),
      onProgress: (count) => void progress.push(count),
    });
    expect(result).toEqual({ id: "d" });
    expect(lines(sent)).toEqual([
      "POST /v1/uploads",
      "PUT /v1/uploads/u/parts/1",
      "PUT /v1/uploads/u/parts/2",
      "PUT /v1/uploads/u/parts/3",
      "POST /v1/uploads/u/complete",
    ]);
    expect(sent[0]?.body).toBe('{"kind":"checkpoint","sha256":"d","bytes":10}');
    expect(sent[0]?.headers.get("idempotency-key")).toBe("key-1");
    expect(sent[3]?.body).toEqual(bytes.slice(8));
    expect([opened, progress]).toEqual([["u"], [0, 4, 4, 2]]);
  });

  it("resume with what is missing", async () => {
    const progress: number[] = [];
    const { client, sent } = clientOf([Response.json(upload([1, 3])), part, Response.json({ id: "d" })]);
    await client.uploads.send(source, request, { resume: id, onProgress: (count) => void progress.push(count) });
    expect(lines(sent)).toEqual(["GET /v1/uploads/u", "PUT /v1/uploads/u/parts/2", "POST /v1/uploads/u/complete"]);
    expect(progress).toEqual([6, 4]);
  });

  it.each<[string, Answer]>([
    ["is gone", problem(404, "upload-not-found")],
    ["is of another file", Response.json(upload([1], { sha256: "e" }))],
    ["is of another length", Response.json(upload([1], { bytes: 11 }))],
  ])("begin anew where the upload %s", async (_, found) => {
    const { client, sent } = clientOf([found, Response.json(upload([1, 2, 3])), Response.json({ id: "d" })]);
    await client.uploads.send(source, request, { resume: id });
    expect(lines(sent)).toEqual(["GET /v1/uploads/u", "POST /v1/uploads", "POST /v1/uploads/u/complete"]);
  });

  it("ask again for the result of an upload that is completed", async () => {
    const { client, sent } = clientOf([Response.json(upload([], { state: "completed" })), Response.json({ id: "d" })]);
    expect(await client.uploads.send(source, request, { resume: id })).toEqual({ id: "d" });
    expect(lines(sent)).toEqual(["GET /v1/uploads/u", "POST /v1/uploads/u/complete"]);
  });

  it("have some parts in flight at a time, and begin none after a failure", async () => {
    let [inFlight, most] = [0, 0];
    const slow: Answer = async () => {
      most = Math.max(most, ++inFlight);
      await new Promise((resolve) => setTimeout(resolve, 20));
      inFlight--;
      return Response.json({});
    };
    const two = { ...upload(), partBytes: 1, parts: 10 };
    const good = clientOf([Response.json(two), ...Array.from({ length: 10 }, () => slow), Response.json({ id: "d" })]);
    await good.client.uploads.send(source, request, { parallel: 3 });
    expect(most).toBe(3);
    const bad = clientOf([Response.json(two), slow, problem(422, "digest-mismatch"), slow, slow]);
    await expect(bad.client.uploads.send(source, request, { parallel: 2 })).rejects.toMatchObject({ status: 422 });
    expect([inFlight, bad.sent.length]).toEqual([0, 3]);
  });

  it("use the bucket's own URLs where they are wanted, without the token, and name the entity tags", async () => {
    const urls = [1, 3].map((number) => ({ number, url: `https://bucket.example/${number}?X-Amz-Signature=s` }));
    const stored: Answer = ({ path }) => new Response(null, { headers: { etag: `"${path.slice(1, 2)}"` } });
    const { client, sent } = clientOf([
      Response.json(upload([2], { urls })),
      stored,
      stored,
      Response.json({ id: "d" }),
    ]);
    await client.uploads.send(source, request, { useUrls: true, parallel: 1 });
    expect(sent.slice(1, 3).map(({ url, method, headers }) => [method, url, headers.get("authorization")])).toEqual(
      urls.map(({ url }) => ["PUT", url, null]),
    );
    expect(sent[3]?.body).toBe('{"parts":[{"number":1,"etag":"\\"1\\""},{"number":3,"etag":"\\"3\\""}]}');
    const refused = clientOf([Response.json(upload([2], { urls })), new Response("no", { status: 403 })]);
    const error: unknown = await refused.client.uploads
      .send(source, request, { useUrls: true, parallel: 1 })
      .catch((caught: unknown) => caught);
    expect(error).toMatchObject({ status: 403 });
    expect(String(error)).not.toContain("Signature");
  });

  it("are given up", async () => {
    const { client, sent } = clientOf([new Response(null, { status: 204 })]);
    await client.uploads.abort(id);
    expect(lines(sent)).toEqual(["DELETE /v1/uploads/u"]);
  });
});
