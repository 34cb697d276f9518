import { describe, expect, it } from "vitest";
import { ApiError, EdgefuseClient } from "../../../shared/api/index.ts";

interface Sent {
  readonly url: string;
  readonly method: string | undefined;
  readonly headers: Headers;
  readonly body: unknown;
}

/** A client whose requests are answered from a list, and what it sent and waited for. */
function clientOf(answers: Response[], url = "http://host.example/") {
  const sent: Sent[] = [];
  const waits: number[] = [];
  const client = new EdgefuseClient({
    url,
    token: "t",
    fetch: async (input, init) => {
      sent.push({ url: String(input), method: init?.method, headers: new Headers(init?.headers), body: init?.body });
      const answer = answers.shift();
      if (answer === undefined) throw new Error("one request too many");
      return answer;
    },
    wait: async (milliseconds) => void waits.push(milliseconds),
  });
  return { client, sent, waits };
}

const problem = (status: number, code: string, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify({ type: "x", title: "t", status, code, detail: "why", differences: [1] }), {
    status,
    headers: { "content-type": "application/problem+json", ...headers },
  });

describe("the client", () => {
  it("sends the token, files as bytes and all else as JSON, below the deployment's path", async () => {
    const { client, sent } = clientOf([Response.json({}), Response.json({})], "http://host.example/base/");
    const file = new Uint8Array([1]);
    await client.uploadCheckpoint(file);
    await client.putDataset("a/b", { shards: [] });
    expect(sent.map(({ url, method, body }) => [url, method, body])).toEqual([
      ["http://host.example/base/v1/checkpoints", "POST", file],
      ["http://host.example/base/v1/datasets/a%2Fb", "PUT", '{"shards":[]}'],
    ]);
    expect(sent.map(({ headers }) => headers.get("content-type"))).toEqual([
      "application/octet-stream",
      "application/json",
    ]);
    expect(sent[0]?.headers.get("authorization")).toBe("Bearer t");
  });

  it("throws problems with code, status and particulars", async () => {
    const error = await clientOf([problem(422, "incompatible-inputs")])
      .client.registerCheckpoint("k")
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({
      code: "incompatible-inputs",
      status: 422,
      detail: "why",
      problem: { differences: [1] },
      message: "POST /v1/checkpoints: why",
    });
  });

  it("does not take another server's error page for a problem", async () => {
    const { client } = clientOf([new Response("<html>", { status: 502 })]);
    await expect(client.registerCheckpoint("k")).rejects.toMatchObject({ code: "unexpected-response", status: 502 });
  });

  it("waits as long as a busy deployment asks, but not for ever", async () => {
    const busy = () => problem(503, "over-budget", { "retry-after": "3" });
    const patient = clientOf([busy(), problem(503, "over-budget"), Response.json({ id: "x" })]);
    expect(await patient.client.createProbe({ a: "a", b: "b", dataset: "d" })).toEqual({ id: "x" });
    expect(patient.waits).toEqual([3000, 2000]);
    const endless = clientOf(Array.from({ length: 6 }, busy));
    await expect(endless.client.registerCheckpoint("k")).rejects.toMatchObject({ code: "over-budget" });
    expect(endless.waits).toHaveLength(5);
  });

  it("follows pages to the last", async () => {
    const { client, sent } = clientOf([
      Response.json({ items: [{ id: 1 }, { id: 2 }], next: "7" }),
      Response.json({ items: [{ id: 3 }], next: null }),
    ]);
    const ids = [];
    for await (const { id } of client.listCheckpoints(2)) ids.push(id);
    expect(ids).toEqual([1, 2, 3]);
    expect(sent.map(({ url }) => new URL(url).search)).toEqual(["?limit=2", "?limit=2&cursor=7"]);
  });
});
