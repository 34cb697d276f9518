import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type ClaimedJob, MOST_LOG_BYTES } from "../../../shared/api/jobs.ts";
import { forgetOldJobs } from "../../../worker/jobs/forget.ts";
import { sha256Hex } from "../../../worker/objects/digest.ts";
import { linearModel } from "../../support/checkpoint-files.ts";
import { migrate } from "../migrations.ts";
import {
  asHolder,
  beat,
  claimed,
  complete,
  emptyQueue,
  environment,
  json,
  look,
  outcomeOf,
  pass,
  post,
  send,
  sources,
  sweep,
  tokenFor,
  writeLog,
} from "./world.ts";

beforeAll(migrate);
beforeEach(emptyQueue);

const encode = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(new TextEncoder().encode(text));

async function digestField(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `sha-256=:${btoa(String.fromCharCode(...digest))}:`;
}

async function putFile(held: ClaimedJob, name: string, bytes: Uint8Array<ArrayBuffer>, digest?: string) {
  return asHolder(held, `files/${encodeURIComponent(name)}`, {
    method: "PUT",
    body: bytes,
    headers: { "content-length": String(bytes.length), "repr-digest": digest ?? (await digestField(bytes)) },
  });
}

/** The job's agent dies, and another takes it. */
async function takeOver(held: ClaimedJob): Promise<ClaimedJob> {
  await beat(held);
  pass(3_000);
  await sweep();
  pass(60_000);
  return claimed("next");
}

const logOf = async (id: string, query = "") => (await send(`/v1/jobs/${id}/log${query}`)).text();

describe("the log of a job", () => {
  it("is appended to by offset, once, whatever is sent twice", async () => {
    const { id } = await post();
    const held = await claimed();
    expect(await (await writeLog(held, 0, "one\n")).json()).toEqual({ next: 4, truncated: false });
    expect(await (await writeLog(held, 0, "one\n")).json()).toEqual({ next: 4, truncated: false });
    expect(await (await writeLog(held, 0, "one\ntwo\n")).json()).toEqual({ next: 8, truncated: false });
    const gap = await writeLog(held, 9, "four\n");
    expect(await gap.json()).toMatchObject({ status: 409, code: "log-gap", next: 8 });
    expect(await logOf(id)).toBe("one\ntwo\n");
    expect(await logOf(id, "?offset=4")).toBe("two\n");
    expect(await logOf(id, "?offset=400")).toBe("");
    const next = await takeOver(held);
    await writeLog(next, 0, "three\n");
    expect(await logOf(id)).toBe("one\ntwo\nthree\n");
    expect((await send(`/v1/jobs/${id}/log`)).headers.get("edgefuse-log-next")).toBe("14");
  });

  it("keeps its order where many send the same at once", async () => {
    const { id } = await post();
    const held = await claimed();
    const answers = await Promise.all(Array.from({ length: 8 }, () => writeLog(held, 0, "0123456789")));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
    expect(await logOf(id)).toBe("0123456789");
  });

  it("shows no secret, also where one is cut in two, and nothing that moves a cursor", async () => {
    const { id } = await post();
    const held = await claimed();
    const token = `ef_${"k".repeat(43)}`;
    const text = encode(`a ${token} b é\u001b[2J\n`);
    await writeLog(held, 0, text.slice(0, 20));
    await writeLog(held, 20, text.slice(20, 52));
    await writeLog(held, 52, text.slice(52));
    expect(await logOf(id)).toBe(`a ${"*".repeat(46)} b é\\x1b[2J\n`);
    const response = await send(`/v1/jobs/${id}/log`);
    expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    await response.body?.cancel();
  });

  it("takes chunks of a limited size, and not more in all than fits", async () => {
    const { id } = await post();
    const held = await claimed();
    expect(await outcomeOf(await writeLog(held, 0, "x".repeat(65_537)))).toBe("payload-too-large");
    await environment.CATALOG.prepare("UPDATE jobs SET log_bytes = ? WHERE id = ?")
      .bind(MOST_LOG_BYTES - 200, id)
      .run();
    expect(await (await writeLog(held, 0, "y".repeat(1_000))).json()).toEqual({ next: 1_000, truncated: true });
    expect(await (await writeLog(held, 1_000, "z".repeat(1_000))).json()).toEqual({ next: 2_000, truncated: true });
    expect((await look(id)).logBytes).toBeLessThanOrEqual(MOST_LOG_BYTES);
    expect(await logOf(id, `?offset=${MOST_LOG_BYTES - 200}`)).toMatch(
      /^y+\n\[edgefuse: the log is full at \d+ bytes;[^z]+\]\n$/,
    );
  });

  it("is followed as server-sent events, and gone on with where a client was", async () => {
    const { id } = await post();
    const held = await claimed();
    await writeLog(held, 0, encode("one é").slice(0, 5));
    const follow = (headers: Record<string, string> = {}) =>
      send(`/v1/jobs/${id}/log`, { headers: { accept: "text/event-stream", ...headers } });
    const live = await follow();
    expect(live.headers.get("content-type")).toBe("text/event-stream");
    const reader = (live.body as ReadableStream<Uint8Array>).getReader();
    const first = new TextDecoder().decode((await reader.read()).value);
    // The half of a character waits for the other one.
    expect(first).toContain('data: {"offset":0,"next":4,"text":"one "}');
    await reader.cancel();
    await writeLog(held, 5, encode("one é!\n").slice(5));
    await complete(held, { exitCode: 0 });
    const rest = await (await follow({ "last-event-id": "4" })).text();
    expect(rest).toContain('data: {"offset":4,"next":8,"text":"é!\\n"}');
    expect(rest).toContain("event: end");
    expect(rest).toContain('"state":"succeeded"');
    const [, last = ""] = /id: (\d+-end)/.exec(rest) ?? [];
    expect((await follow({ "last-event-id": last })).status).toBe(204);
  });
});

describe("the events of a job", () => {
  it("tell its history, also to a client that comes late, and its end", async () => {
    const { id } = await post();
    const held = await claimed();
    await beat(held, { done: 3, total: 4 });
    await complete(held, { exitCode: 6, message: "loss is NaN" });
    const text = await (await send(`/v1/jobs/${id}/events`)).text();
    const states = [...text.matchAll(/event: state\ndata: (.+)/g)].map(([, data]) => JSON.parse(data ?? "") as object);
    expect(states).toMatchObject([
      { number: 1, state: "queued", attempt: 0, agent: null },
      { number: 2, state: "leased", attempt: 1, agent: "agent-1" },
      { number: 3, state: "running" },
      { number: 4, state: "failed", reason: "diverged", message: "loss is NaN" },
    ]);
    expect(
      states.every((state) => "at" in state && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(String(state.at))),
    ).toBe(true);
    expect(text).toContain('data: {"done":3,"total":4}');
    expect(text).toContain("event: end");
    const late = await (await send(`/v1/jobs/${id}/events`, { headers: { "last-event-id": "3" } })).text();
    expect([...late.matchAll(/event: state/g)]).toHaveLength(1);
    expect((await send(`/v1/jobs/${id}/events`, { headers: { "last-event-id": "4-end" } })).status).toBe(204);
  });
});

describe("the files of a job", () => {
  it("pass from one attempt to the next, the newest of each name", async () => {
    const { id } = await post();
    const held = await claimed();
    expect((await putFile(held, ".x-1.state.safetensors", encode("first"))).status).toBe(200);
    expect((await putFile(held, ".x-1.state.safetensors", encode("second!"))).status).toBe(200);
    expect((await putFile(held, "metrics.jsonl", encode("{}\n"))).status).toBe(200);
    const next = await takeOver(held);
    expect(next.resume.files).toEqual([
      { name: ".x-1.state.safetensors", bytes: 7, attempt: 1, sha256: await sha256Hex(encode("second!")) },
      { name: "metrics.jsonl", bytes: 3, attempt: 1, sha256: await sha256Hex(encode("{}\n")) },
    ]);
    expect(await (await asHolder(next, "files/.x-1.state.safetensors", {})).text()).toBe("second!");
    await putFile(next, ".x-1.state.safetensors", encode("third"));
    expect(await outcomeOf(await putFile(held, "late", encode("zombie")))).toBe("lease-lost");
    expect((await look(id)).files.map(({ name, attempt }) => [name, attempt])).toEqual([
      [".x-1.state.safetensors", 2],
      ["metrics.jsonl", 1],
    ]);
    const { objects } = await environment.BUCKET.list({ prefix: `jobs/${id}/` });
    expect(objects.map(({ key }) => key.split("/").at(-1)).toSorted()).toEqual([
      ".x-1.state.safetensors",
      ".x-1.state.safetensors",
      "metrics.jsonl",
    ]);
    const answer = await send(`/v1/jobs/${id}/files/metrics.jsonl`, {}, await tokenFor("jobs"));
    expect(answer.headers.get("content-disposition")).toContain("attachment");
    expect(await answer.text()).toBe("{}\n");
  });

  it.each([
    ["a path", "../x"],
    ["another path", "a/b"],
    ["a hidden path", "..x"],
    ["a control character", "a\nb"],
    ["a name that is too long", "x".repeat(200)],
  ])("have no %s for a name", async (_, name) => {
    await post();
    const held = await claimed();
    expect((await putFile(held, name, encode("x"))).ok).toBe(false);
    expect(await environment.BUCKET.list({ prefix: `jobs/${held.job.id}/` })).toMatchObject({ objects: [] });
  });

  it("are what they were announced as, or are not kept", async () => {
    await post();
    const held = await claimed();
    const other = await digestField(encode("other"));
    expect(await outcomeOf(await putFile(held, "x", encode("this"), other))).toBe("digest-mismatch");
    expect(await outcomeOf(await asHolder(held, "files/x", { method: "PUT", body: "this" }))).toBe("malformed-request");
    expect((await look(held.job.id)).files).toEqual([]);
  });

  it("go a month after the job ended, with its log; the job stays", async () => {
    const { id } = await post();
    const held = await claimed();
    await putFile(held, "old.state", encode("state"));
    await writeLog(held, 0, "line\n");
    await complete(held, { exitCode: 0 });
    const at = (days: number) => new Date(sources.now().getTime() + days * 86_400_000);
    expect(await forgetOldJobs(environment, at(29))).toBe(0);
    expect(await forgetOldJobs(environment, at(31))).toBe(1);
    expect(await forgetOldJobs(environment, at(31))).toBe(0);
    expect((await environment.BUCKET.list({ prefix: `jobs/${id}/` })).objects).toEqual([]);
    expect(await look(id)).toMatchObject({ state: "succeeded", files: [] });
    expect(await logOf(id)).toBe("");
  });

  it("of an attempt that loses the job while it sends are not kept", async () => {
    const { id } = await post();
    const held = await claimed();
    await beat(held);
    const bytes = encode("half of it, and then the rest");
    let go: () => void = () => undefined;
    const gone = new Promise<void>((resolve) => (go = resolve));
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(bytes.subarray(0, 10));
        await gone;
        controller.enqueue(bytes.subarray(10));
        controller.close();
      },
    });
    const headers = { "content-length": String(bytes.length), "repr-digest": await digestField(bytes) };
    const sent = asHolder(held, "files/slow", { method: "PUT", body, headers });
    pass(3_000);
    await sweep();
    expect((await look(id)).state).toBe("queued");
    go();
    expect(await outcomeOf(await sent)).toBe("lease-lost");
    expect((await look(id)).files).toEqual([]);
    expect((await environment.BUCKET.list({ prefix: `jobs/${id}/` })).objects).toEqual([]);
  });
});

describe("the outputs of a job", () => {
  const octets = { "content-type": "application/octet-stream" };

  it("are registered as checkpoints, and belong to the job", async () => {
    const { id } = await post();
    const held = await claimed();
    const file = linearModel([1, 2, 3, 4, 5, 6, 7, 8], [0, 1]);
    const agent = await tokenFor("agent");
    const named = { ...octets, "content-disposition": 'attachment; filename="glyphs-1.safetensors"' };
    const answer = await asHolder(held, "outputs", { method: "POST", body: file, headers: named }, agent);
    expect(answer.status).toBe(201);
    const checkpoint = await sha256Hex(file);
    expect(await answer.json()).toMatchObject({ id: checkpoint });
    expect((await send(`/v1/checkpoints/${checkpoint}`)).status).toBe(200);
    const again = await asHolder(held, "outputs", json("POST", { checkpoint, name: "glyphs-1.safetensors" }), agent);
    expect(again.status).toBe(200);
    const unknown = { exitCode: 0, outputs: ["0".repeat(64)] };
    expect(await outcomeOf(await complete(held, unknown))).toBe("checkpoint-not-found");
    await complete(held, { exitCode: 0, outputs: [checkpoint] });
    expect(await look(id)).toMatchObject({
      state: "succeeded",
      outputs: [{ checkpoint, name: "glyphs-1.safetensors", attempt: 1, bytes: file.length }],
    });
  });

  it("of a zombie are refused, and leave nothing", async () => {
    await post();
    const zombie = await claimed();
    await takeOver(zombie);
    const file = linearModel([9, 2, 3, 4, 5, 6, 7, 9], [3, 1]);
    const late = await asHolder(zombie, "outputs", { method: "POST", body: file, headers: octets });
    expect(await outcomeOf(late)).toBe("lease-lost");
    expect((await send(`/v1/checkpoints/${await sha256Hex(file)}`)).status).toBe(404);
  });

  it("are whole safetensors files", async () => {
    await post();
    const held = await claimed();
    const broken = linearModel([1, 2, 3, 4, 5, 6, 7, 8], [0, 1]).slice(0, -3);
    const answer = await asHolder(held, "outputs", { method: "POST", body: broken, headers: octets });
    expect(answer.status).toBe(422);
    expect((await look(held.job.id)).outputs).toEqual([]);
  });
});
