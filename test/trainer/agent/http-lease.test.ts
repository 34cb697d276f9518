import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Connection } from "../../../shared/api/client/connection.ts";
import { ApiError } from "../../../shared/api/index.ts";
import type { JobFileName } from "../../../shared/api/jobs.ts";
import type { CheckpointId } from "../../../shared/identity.ts";
import { claimJob } from "../../../trainer/agent/http-lease.ts";
import type { LeaseCalls } from "../../../trainer/agent/lease-calls.ts";
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

const REQUEST = { agent: "box", capabilities: { backends: ["wasm" as const], memoryBytes: 1 } };
const given = claimed({ version: 1, kind: "train" });

/** A deployment that gives out one job, and answers what is asked about it from a list. */
async function lease(answers: Response[], large: string[] = []): Promise<{ calls: LeaseCalls; sent: Sent[] }> {
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
    return "0".repeat(64) as CheckpointId;
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

  it("posts a checkpoint by its digest and name, and one that is too large another way", async () => {
    const path = join(folder, "fam-1.safetensors");
    await writeFile(path, "checkpoint");
    const id = sha256(Buffer.from("checkpoint"));
    const large: string[] = [];
    const { calls, sent } = await lease(
      [Response.json({ id }), problem(413, "payload-too-large"), Response.json({})],
      large,
    );
    expect(await calls.putOutput(path)).toBe(id);
    expect(sent[1]?.line).toBe(`POST /v1/jobs/${JOB}/outputs`);
    expect(sent[1]?.headers.get("content-disposition")).toContain("fam-1.safetensors");
    expect(large).toEqual([]);
    await calls.putOutput(path);
    expect(large).toEqual([path]);
    expect(JSON.parse(String(sent[3]?.body))).toEqual({ checkpoint: "0".repeat(64), name: "fam-1.safetensors" });
  });

  it("passes on why something is refused", async () => {
    const { calls } = await lease([problem(409, "lease-lost")]);
    const refused = await calls.heartbeat(undefined).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ApiError);
    expect(refused).toMatchObject({ code: "lease-lost", status: 409 });
  });
});
