import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Connection } from "../../../shared/api/client/connection.ts";
import { ApiError } from "../../../shared/api/index.ts";
import type { JobFileName } from "../../../shared/api/jobs.ts";
import type { CheckpointId } from "../../../shared/identity.ts";
import { claimJob } from "../../../trainer/agent/http-lease.ts";
import type { LeaseCalls } from "../../../trainer/agent/lease-calls.ts";
import { Failure } from "../../../trainer/failure.ts";
import { problem } from "../../support/scripted-client.ts";
import { claimed, JOB, sha256 } from "./fake-lease.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "edgefuse-lease-"));
});
afterEach(() => rm(folder, { recursive: true }));

interface Sent {
  readonly line: string;
  readonly headers: Headers;
  readonly body: unknown;
}

/** What a checkpoint that goes up in parts is registered as. */
const PARTS_ID = "0".repeat(64) as CheckpointId;
const REQUEST = { agent: "box", capabilities: { backends: ["wasm" as const], memoryBytes: 1 } };
const given = claimed({ version: 1, kind: "train" });

/**
 * A deployment that gives out one job, and answers what is asked about it from a list.
 * @param large gets the paths of what goes up in parts
 * @param refused what comes of every upload in parts
 */
async function lease(
  answers: Response[],
  large: string[] = [],
  refused?: Error,
): Promise<{ calls: LeaseCalls; sent: Sent[] }> {
  const sent: Sent[] = [];
  const connection = new Connection({
    url: "http://host.example",
    token: "t",
    wait: () => Promise.resolve(),
    fetch: async (input, init) => {
      const { pathname, search } = new URL(String(input));
      sent.push({
        line: `${init?.method} ${pathname}${search}`,
        headers: new Headers(init?.headers),
        body: init?.body,
      });
      return sent.length === 1 ? Response.json(given) : (answers.shift() ?? Response.json({}));
    },
  });
  const claim = await claimJob({ quick: connection, patient: connection }, REQUEST, async (path) => {
    large.push(path);
    if (refused !== undefined) throw refused;
    return PARTS_ID;
  });
  if (claim.kind !== "job") throw new Error("no job");
  return { calls: claim.calls, sent };
}

describe("a lease over HTTP", () => {
  it("is asked for with what the agent can do; nothing to do is no error", async () => {
    const { sent } = await lease([]);
    expect(sent[0]?.line).toBe("POST /v1/jobs/claim");
    expect(JSON.parse(String(sent[0]?.body))).toEqual(REQUEST);
    const idle = new Connection({
      url: "http://host.example",
      fetch: async () => new Response(null, { status: 204, headers: { "retry-after": "7" } }),
    });
    expect(await claimJob({ quick: idle, patient: idle }, REQUEST, () => expect.unreachable())).toEqual({
      ...{ kind: "none", retryAfterSeconds: 7 },
    });
  });

  it("shows its token with everything about the job, and nowhere else", async () => {
    const file = {
      name: "metrics.jsonl" as JobFileName,
      bytes: new Uint8Array([1]),
      sha256: sha256(new Uint8Array([1])),
    };
    const { calls, sent } = await lease([]);
    await calls.heartbeat({ done: 1 });
    await calls.heartbeat(undefined);
    await calls.log({ offset: 7, bytes: new Uint8Array([104, 105]) });
    await calls.putFile(file);
    await calls.getFile({ ...file, bytes: 1, attempt: 1 });
    await calls.complete({ exitCode: 0 });
    expect(sent.slice(1).map(({ line }) => line)).toEqual([
      `POST /v1/jobs/${JOB}/heartbeat`,
      `POST /v1/jobs/${JOB}/heartbeat`,
      `POST /v1/jobs/${JOB}/log?offset=7`,
      `PUT /v1/jobs/${JOB}/files/metrics.jsonl`,
      `GET /v1/jobs/${JOB}/files/metrics.jsonl`,
      `POST /v1/jobs/${JOB}/complete`,
    ]);
    expect(sent.slice(1).every(({ headers }) => headers.get("edgefuse-lease") === given.lease.token)).toBe(true);
    expect(sent[0]?.headers.has("edgefuse-lease")).toBe(false);
    expect(sent[3]?.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(sent[4]?.headers.get("repr-digest")).toMatch(/^sha-256=:.{44}:$/);
  });

  it("posts a checkpoint by its digest and name", async () => {
    const path = join(folder, "fam-1.safetensors");
    await writeFile(path, "checkpoint");
    const id = sha256(Buffer.from("checkpoint"));
    const large: string[] = [];
    const { calls, sent } = await lease([Response.json({ id })], large);
    expect(await calls.putOutput(path)).toBe(id);
    expect(sent[1]?.line).toBe(`POST /v1/jobs/${JOB}/outputs`);
    expect(sent[1]?.headers.get("content-disposition")).toContain("fam-1.safetensors");
    expect(large).toEqual([]);
  });

  it.each([
    ["the deployment", problem(413, "payload-too-large")],
    ["what stands before it", new Response("<html>413 Payload Too Large</html>", { status: 413 })],
  ])("sends a checkpoint in parts that %s finds too large, and those of its size from then on", async (_, answer) => {
    const path = join(folder, "fam-1.safetensors");
    await writeFile(path, "checkpoint");
    const large: string[] = [];
    const { calls, sent } = await lease([answer], large);
    expect(await calls.putOutput(path)).toBe(PARTS_ID);
    expect(large).toEqual([path]);
    expect(sent).toHaveLength(3);
    expect(JSON.parse(String(sent[2]?.body))).toEqual({ checkpoint: PARTS_ID, name: "fam-1.safetensors" });
    expect(await calls.putOutput(path)).toBe(PARTS_ID);
    expect(large).toEqual([path, path]);
    expect(sent).toHaveLength(4);
    await writeFile(path, "shorter");
    expect(await calls.putOutput(path)).toBe(sha256(Buffer.from("shorter")));
  });

  it("says why parts are refused where the whole is too large", async () => {
    const path = join(folder, "fam-1.safetensors");
    await writeFile(path, "checkpoint");
    const refused = new Failure("refused", "the token has not the scope write");
    const { calls } = await lease([problem(413, "payload-too-large")], [], refused);
    await expect(calls.putOutput(path)).rejects.toBe(refused);
  });

  describe("with a checkpoint above what most deployments take", () => {
    let path: string;
    beforeEach(async () => {
      path = join(folder, "fam-1.safetensors");
      await writeFile(path, "");
      await truncate(path, 100_000_001);
    });

    it("sends it in parts at once", async () => {
      const large: string[] = [];
      const { calls, sent } = await lease([], large);
      expect(await calls.putOutput(path)).toBe(PARTS_ID);
      expect(large).toEqual([path]);
      expect(JSON.parse(String(sent[1]?.body))).toEqual({ checkpoint: PARTS_ID, name: "fam-1.safetensors" });
    });

    it("sends it whole where it may not send parts, and says why where that fails too", async () => {
      const refused = new Failure("refused", "the token has not the scope write");
      const { calls, sent } = await lease([Response.json({}), new Response("", { status: 413 })], [], refused);
      expect(await calls.putOutput(path)).toMatch(/^[0-9a-f]{64}$/);
      expect(sent[1]?.body).toHaveLength(100_000_001);
      await expect(calls.putOutput(path)).rejects.toBe(refused);
    });

    it("leaves it to be sent again while nobody answers", async () => {
      const away = new Failure("unreachable", "S3 is away");
      const { calls, sent } = await lease([], [], away);
      await expect(calls.putOutput(path)).rejects.toBe(away);
      expect(sent).toHaveLength(1);
    });
  });

  it("passes on why something is refused", async () => {
    const { calls } = await lease([problem(409, "lease-lost")]);
    const refused = await calls.heartbeat(undefined).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ApiError);
    expect(refused).toMatchObject({ code: "lease-lost", status: 409 });
  });
});
