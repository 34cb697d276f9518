import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { JobChange } from "../../../shared/api/jobs.ts";
import { migrate } from "../migrations.ts";
import {
  asHolder,
  beat,
  claim,
  claimed,
  complete,
  emptyQueue,
  json,
  look,
  outcomeOf,
  pass,
  post,
  send,
  sweep,
  tokenFor,
} from "./world.ts";

beforeAll(migrate);
beforeEach(emptyQueue);

describe("a job", () => {
  it("goes from the queue to an agent to its end, and says so", async () => {
    const created = await post({ labels: { pr: "12" }, commit: "0123abc" });
    expect(created).toMatchObject({ state: "queued", attempt: 0, labels: { pr: "12" }, commit: "0123abc" });
    const held = await claimed("gpu-box");
    expect(held.job).toMatchObject({ id: created.id, kind: "train", attempt: 1 });
    expect(held.lease).toMatchObject({ attempt: 1, heartbeatSeconds: 1 });
    expect(await claim("gpu-box-2")).toBeUndefined();
    expect((await look(created.id)).state).toBe("leased");
    pass(1_000);
    expect(await (await beat(held, { done: 1, total: 4, unit: "epochs" })).json()).toMatchObject({ cancel: false });
    expect(await look(created.id)).toMatchObject({ state: "running", progress: { done: 1 }, agent: "gpu-box" });
    expect((await complete(held, { exitCode: 0 })).status).toBe(200);
    const job = await look(created.id);
    expect(job).toMatchObject({ state: "succeeded", reason: "done", exitCode: 0, attempt: 1, failures: 0 });
    expect(job.finishedAt).not.toBeNull();
    expect(await outcomeOf(await beat(held))).toBe("lease-lost");
    // Its agent may not have heard the answer.
    expect((await complete(held, { exitCode: 0 })).status).toBe(200);
  });

  it("is posted once, however often it is asked for with one key; another spec takes another key", async () => {
    const request = json("POST", { spec: { version: 1, kind: "train" } }, { "idempotency-key": "run-1" });
    const answers = [await send("/v1/jobs", request), await send("/v1/jobs", request)];
    expect(answers.map(({ status }) => status)).toEqual([201, 201]);
    const [first, second] = (await Promise.all(answers.map((answer) => answer.json()))) as { id: string }[];
    expect(second?.id).toBe(first?.id);
    const other = json("POST", { spec: { version: 1, kind: "experiment" } }, { "idempotency-key": "run-1" });
    expect(await outcomeOf(await send("/v1/jobs", other))).toBe("idempotency-conflict");
    const { items } = (await (await send("/v1/jobs")).json()) as { items: object[] };
    expect(items).toHaveLength(1);
  });

  it("is not made twice where that is wanted: of many at once, one is made", async () => {
    const all = await Promise.all(
      Array.from({ length: 10 }, (_, run) => post({ labels: { run: String(run) } }, { deduplicate: true })),
    );
    expect(new Set(all.map(({ id }) => id)).size).toBe(1);
    const held = await claimed();
    expect((await post({}, { deduplicate: true })).id).toBe(held.job.id);
    await complete(held, { exitCode: 6 });
    // A failure is no reason not to try.
    expect((await post({}, { deduplicate: true })).id).not.toBe(held.job.id);
  });

  it("goes to the agents that can do it, in the order of the queue", async () => {
    const gpu = await post({ resources: { backend: "webgpu" } });
    const large = await post({ resources: { memoryBytes: 2 ** 40 } });
    const labelled = await post({ resources: { labels: ["a", "b"] } });
    const study = await post({ kind: "experiment" });
    const any = await post();
    expect((await claimed("1", { kinds: ["train"] })).job.id).toBe(any.id);
    expect(await claim("1", { kinds: ["train"], labels: ["a"] })).toBeUndefined();
    expect((await claimed("2", { labels: ["b", "c", "a"] })).job.id).toBe(labelled.id);
    expect((await claimed("3", { backends: ["wasm", "webgpu"] })).job.id).toBe(gpu.id);
    expect((await claimed("4", { memoryBytes: 2 ** 41 })).job.id).toBe(large.id);
    expect((await claimed("5")).job.id).toBe(study.id);
  });

  it("is one agent's at a time: of 20 who ask at once, each gets another", async () => {
    const jobs = await Promise.all(Array.from({ length: 12 }, () => post()));
    const answers = await Promise.all(Array.from({ length: 20 }, (_, agent) => claim(`agent-${agent}`)));
    const taken = answers.filter((answer) => answer !== undefined).map(({ job }) => job.id);
    expect(taken.toSorted()).toEqual(jobs.map(({ id }) => id).toSorted());
  });

  it("is taken from an agent that is not heard of, and nothing of that one counts any more", async () => {
    const { id } = await post();
    const zombie = await claimed("zombie");
    await beat(zombie);
    pass(2_499);
    await sweep();
    expect((await look(id)).state).toBe("running");
    pass(1);
    await sweep();
    expect(await look(id)).toMatchObject({ state: "queued", reason: "lease-lost", failures: 1 });
    expect(await outcomeOf(await beat(zombie))).toBe("lease-lost");
    expect(await claim("early"), "there is a pause").toBeUndefined();
    pass(5_000);
    const next = await claimed("next");
    expect(next.lease.attempt).toBe(2);
    expect(await outcomeOf(await beat(zombie))).toBe("lease-lost");
    expect(await outcomeOf(await complete(zombie, { exitCode: 0 }))).toBe("lease-lost");
    expect(await outcomeOf(await asHolder(zombie, "log?offset=0", { method: "POST", body: "x" }))).toBe("lease-lost");
    await complete(next, { exitCode: 0 });
    expect(await outcomeOf(await complete(zombie, { exitCode: 0 }))).toBe("lease-lost");
    expect(await look(id)).toMatchObject({ state: "succeeded", agent: "next", attempt: 2 });
  });

  it("stays with an agent whose heartbeat was late, as long as nobody noticed", async () => {
    await post();
    const held = await claimed();
    pass(60_000);
    expect((await beat(held)).status).toBe(200);
  });

  it("survives a clock that jumps", async () => {
    const { id } = await post();
    const held = await claimed();
    await beat(held);
    pass(-3_600_000);
    await sweep();
    expect((await beat(held)).status).toBe(200);
    expect((await look(id)).state).toBe("running");
    pass(3_600_000 + 86_400_000);
    await sweep();
    expect(await look(id)).toMatchObject({ state: "queued", reason: "lease-lost" });
    pass(5_000);
    const next = await claimed();
    await complete(next, { exitCode: 0 });
    expect((await look(id)).state).toBe("succeeded");
  });

  it("is cancelled at once while it waits, and with its agent's next heartbeat when it runs", async () => {
    const waiting = await post();
    const cancelled = await (await send(`/v1/jobs/${waiting.id}`, { method: "DELETE" })).json();
    expect(cancelled).toMatchObject({ state: "cancelled", reason: "cancelled" });
    expect(await claim()).toBeUndefined();

    const running = await post();
    const held = await claimed();
    await beat(held);
    const asked = await (await send(`/v1/jobs/${running.id}`, { method: "DELETE" })).json();
    expect(asked).toMatchObject({ state: "running", cancelRequested: true });
    expect(await (await beat(held)).json()).toMatchObject({ cancel: true, reason: "cancelled" });
    await complete(held, { exitCode: 75, message: "stopped\nin good \u001b[31morder" });
    const job = await look(running.id);
    expect(job).toMatchObject({ state: "cancelled", exitCode: 75, message: "stopped in good \\x1b[31morder" });
    // Once more is no error: CI does it in any case.
    expect((await send(`/v1/jobs/${running.id}`, { method: "DELETE" })).status).toBe(200);
    expect((await look(running.id)).state).toBe("cancelled");
  });

  it("that was done just before it heard that it shall stop has succeeded, and its history says so", async () => {
    const { id } = await post();
    const held = await claimed();
    await beat(held);
    await send(`/v1/jobs/${id}`, { method: "DELETE" });
    await complete(held, { exitCode: 0 });
    expect(await look(id)).toMatchObject({ state: "succeeded", reason: "done" });
    const text = await (await send(`/v1/jobs/${id}/events`)).text();
    const told = [...text.matchAll(/event: state\ndata: (.+)/g)].map(([, data]) => {
      const { state, reason } = JSON.parse(data ?? "") as JobChange;
      return [state, reason];
    });
    expect(told).toEqual([
      ["queued", null],
      ["leased", null],
      ["running", null],
      ["running", "cancelled"],
      ["succeeded", "done"],
    ]);
  });

  it("is stopped when it takes too long", async () => {
    const { id } = await post({ timeoutSeconds: 10, stopGraceSeconds: 5 });
    const held = await claimed();
    for (let second = 0; second < 5; second++) {
      pass(2_000);
      const { cancel } = (await (await beat(held)).json()) as { cancel: boolean };
      expect(cancel).toBe(second === 4);
    }
    // It does not listen.
    for (let second = 0; second < 8; second++) {
      pass(1_000);
      await beat(held);
      await sweep();
    }
    expect(await look(id)).toMatchObject({ state: "failed", reason: "timed-out" });
    expect(await outcomeOf(await beat(held))).toBe("lease-lost");
  });

  it("expires where nobody takes it", async () => {
    const { id } = await post({ queueSeconds: 60, resources: { labels: ["nobody-has-this"] } });
    pass(60_000);
    await sweep();
    expect(await look(id)).toMatchObject({ state: "expired", reason: "queue-expired" });
  });

  it("is tried again as the spec and the table of reasons say", async () => {
    const { id } = await post({ retry: { attempts: 2 } });
    await complete(await claimed(), { exitCode: 75 });
    expect(await look(id)).toMatchObject({ state: "queued", reason: "agent-stopped", failures: 0 });
    await complete(await claimed(), { exitCode: 5 });
    expect(await look(id)).toMatchObject({ state: "queued", reason: "unreachable", failures: 1 });
    pass(5_000);
    await complete(await claimed(), { exitCode: 0, reason: "unreachable", message: "could not upload" });
    expect(await look(id)).toMatchObject({
      state: "failed",
      reason: "unreachable",
      attempt: 3,
      message: "could not upload",
    });

    await post({});
    await complete(await claimed(), { exitCode: 7 });
    await post({});
    const killed = await claimed();
    await complete(killed, { exitCode: 137, reason: "done" });
    expect(await look(killed.job.id)).toMatchObject({ state: "failed", reason: "killed" });
  });

  it("is listed by state, kind, label and parent, page by page", async () => {
    for (const pr of ["1", "2", "2"]) await post({ labels: { pr } });
    await post({ kind: "experiment" });
    await claimed("a", { kinds: ["train"] });
    const ids = async (query: string) => {
      const page = (await (await send(`/v1/jobs?${query}`)).json()) as { items: { id: string }[]; next: string | null };
      return { count: page.items.length, next: page.next };
    };
    expect(await ids("label=pr%3D2")).toMatchObject({ count: 2 });
    expect(await ids("state=leased")).toMatchObject({ count: 1 });
    expect(await ids("kind=experiment")).toMatchObject({ count: 1 });
    expect(await ids(`parent=${"0".repeat(26)}`)).toMatchObject({ count: 0 });
    const first = await ids("limit=3");
    expect(first.count).toBe(3);
    expect(await ids(`limit=3&cursor=${first.next}`)).toEqual({ count: 1, next: null });
  });

  it("is counted for autoscalers by what an agent could do", async () => {
    await post();
    await post({ resources: { labels: ["a"] } });
    await post({ resources: { backend: "webgpu" } });
    await claimed("counted");
    pass(2_000);
    const metrics = async (query = "") => (await send(`/v1/queue${query}`)).json();
    expect(await metrics()).toMatchObject({ queued: 2, running: 1, oldestQueuedSeconds: 2 });
    expect(await metrics("?label=b")).toMatchObject({ queued: 1 });
    expect(await metrics("?label=b&label=a")).toMatchObject({ queued: 2 });
    expect(await metrics("?label=a&backend=wasm")).toMatchObject({ queued: 1 });
    const { agents } = (await metrics()) as { agents: number };
    expect(agents).toBeGreaterThanOrEqual(1);
  });

  it("takes scopes: `jobs` posts, `agent` does, and neither does more", async () => {
    const [jobs, agent, read] = [await tokenFor("jobs"), await tokenFor("agent"), await tokenFor("read")];
    const { id } = await post({}, {}, jobs);
    const spec = { version: 1, kind: "train" };
    expect(await outcomeOf(await send("/v1/jobs", json("POST", { spec }), agent))).toBe("insufficient-scope");
    for (const path of ["/v1/jobs", `/v1/jobs/${id}`, `/v1/jobs/${id}/log`, "/v1/checkpoints"]) {
      expect(await outcomeOf(await send(path, {}, agent)), path).toBe("insufficient-scope");
    }
    expect(await outcomeOf(await send(`/v1/jobs/${id}`, { method: "DELETE" }, read))).toBe("insufficient-scope");
    expect(await outcomeOf(await send(`/v1/jobs/${id}/files/x`, {}, agent))).toBe("insufficient-scope");
    const fuse = { version: 1, kind: "pipeline", train: { models: 2 } };
    expect(await outcomeOf(await send("/v1/jobs", json("POST", { spec: fuse }), jobs))).toBe("insufficient-scope");
    const both = await tokenFor("jobs", "fuse");
    const named = { ...fuse, alias: "digits" };
    expect(await outcomeOf(await send("/v1/jobs", json("POST", { spec: named }), both))).toBe("insufficient-scope");
    const probe = { version: 1, kind: "probe", question: { a: "0".repeat(64), b: "1".repeat(64), dataset: "x" } };
    expect(await outcomeOf(await send("/v1/jobs", json("POST", { spec: probe }), both))).toBe("insufficient-scope");
  });

  it("is written to by the lease of its own attempt and no other", async () => {
    await post();
    await post();
    const [mine, theirs] = [await claimed("mine"), await claimed("theirs")];
    const agent = await tokenFor("agent");
    const mixed = { job: theirs.job, lease: mine.lease, resume: mine.resume };
    expect(await outcomeOf(await asHolder(mixed, "heartbeat", json("POST", {}), agent))).toBe("lease-lost");
    expect(await outcomeOf(await asHolder(mixed, "files/x", {}, agent))).toBe("lease-lost");
    expect(await outcomeOf(await asHolder(mixed, "complete", json("POST", { exitCode: 0 }), agent))).toBe("lease-lost");
    const headers = { "edgefuse-lease": "lease_guess" };
    expect(await outcomeOf(await send(`/v1/jobs/${mine.job.id}/heartbeat`, json("POST", {}, headers)))).toBe(
      "lease-lost",
    );
    expect(await outcomeOf(await send(`/v1/jobs/${mine.job.id}/heartbeat`, json("POST", {})))).toBe("lease-lost");
    expect((await asHolder(mine, "heartbeat", json("POST", {}), agent)).status).toBe(200);
  });

  it("refuses a spec that could run something or write somewhere, and callbacks to this network", async () => {
    const refusals = [
      { options: { out: "/etc" } },
      { options: { model: "--push" } },
      { command: ["sh"] },
      { callback: "https://127.0.0.1/x" },
      { callback: "https://localhost/x" },
      { callback: "https://[::1]/x" },
      { callback: "https://0x7f000001/x" },
      { callback: "https://169.254.169.254/latest" },
      { callback: "https://metadata.google.internal/" },
      { callback: "http://example.com/" },
      { callback: "https://user:pass@example.com/" },
    ];
    for (const spec of refusals) {
      const response = await send("/v1/jobs", json("POST", { spec: { version: 1, kind: "train", ...spec } }));
      expect(await outcomeOf(response), JSON.stringify(spec)).toBe("malformed-request");
    }
  });
});
