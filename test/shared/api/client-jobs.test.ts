import { describe, expect, it } from "vitest";
import { jobId } from "../../../shared/jobs/job-id.ts";
import { listOf } from "../../support/collect.ts";
import { clientOf, lost } from "../../support/scripted-client.ts";

const id = jobId.parse("01ARYZ6S41ZZZZZZZZZZZZZZZZ");
const job = (state: string) => Response.json({ id, state });
const request = { spec: { version: 1, kind: "train", options: { models: 2 } } } as const;

describe("jobs", () => {
  it("are posted once though an answer is lost, and once for a key of the caller's", async () => {
    const { client, sent } = clientOf([lost(), job("queued"), job("queued")]);
    await client.jobs.create(request);
    await client.jobs.create({ ...request, deduplicate: true }, "run-12");
    expect(sent.map(({ headers }) => headers.get("idempotency-key"))).toEqual(["key-1", "key-1", "run-12"]);
    expect(sent.map(({ method, path }) => `${method} ${path}`)[2]).toBe("POST /v1/jobs");
    expect(JSON.parse(String(sent[2]?.body))).toEqual({ ...request, deduplicate: true });
  });

  it("are waited for to their end, and told about on the way", async () => {
    const { client, sent } = clientOf([job("queued"), job("running"), job("failed")]);
    const seen: string[] = [];
    expect(await client.jobs.wait(id, ({ state }) => seen.push(state))).toMatchObject({ state: "failed" });
    expect(seen).toEqual(["queued", "running", "failed"]);
    expect(sent.map(({ headers }) => headers.get("prefer"))).toEqual(["wait=2", "wait=2", "wait=2"]);
  });

  it("are listed page by page, cancelled, and their logs read on from where one was", async () => {
    const { client, sent } = clientOf([
      Response.json({ items: [{ id }], next: "7" }),
      Response.json({ items: [{ id }], next: null }),
      job("cancelled"),
      new Response("two\n", { headers: { "edgefuse-log-next": "8" } }),
    ]);
    expect(await listOf(client.jobs.list({ label: "pr=1", state: "queued" }))).toHaveLength(2);
    await client.jobs.cancel(id);
    expect(await client.jobs.log(id, 4)).toEqual({ text: "two\n", next: 8 });
    expect(sent.map(({ method, path }) => `${method} ${path}`)).toEqual([
      "GET /v1/jobs?label=pr%3D1&state=queued",
      "GET /v1/jobs?label=pr%3D1&state=queued&cursor=7",
      `DELETE /v1/jobs/${id}`,
      `GET /v1/jobs/${id}/log?offset=4`,
    ]);
  });
});
