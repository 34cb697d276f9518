import { expect, it } from "vitest";
import type { ProbeId } from "../../../shared/identity.ts";
import { listOf } from "../../support/collect.ts";
import { clientOf } from "../../support/scripted-client.ts";

const running = (shardsDone: number) =>
  Response.json({ id: "p", state: "running", progress: { shardsDone, shards: 3 } }, { status: 202 });

it("waits for a probe that takes longer than a request, and tells how far it is", async () => {
  const answer = { kind: "mean", id: "p" };
  const { client, sent, waits } = clientOf([running(0), running(2), Response.json(answer)]);
  const seen: number[] = [];
  const probe = await client.probes.create({ kind: "mean", models: ["a", "b", "c"], dataset: "d" }, ({ progress }) =>
    seen.push(progress.shardsDone),
  );
  expect(probe).toEqual(answer);
  expect(seen).toEqual([0, 2]);
  expect(sent.map(({ method, path, headers }) => [method, path, headers.get("prefer")])).toEqual([
    ["POST", "/v1/probes", null],
    ["GET", "/v1/probes/p", "wait=1"],
    ["GET", "/v1/probes/p", "wait=1"],
  ]);
  expect(waits).toHaveLength(1);
});

it("takes an answer that comes at once", async () => {
  const { client, waits } = clientOf([Response.json({ id: "p", points: [] })]);
  expect(await client.createProbe({ a: "a", b: "b", dataset: "d" })).toEqual({ id: "p", points: [] });
  expect(waits).toEqual([]);
});

it("fetches pictures by their name", async () => {
  const { client, sent } = clientOf([new Response("<svg/>"), new Response("<svg/>")]);
  for (const name of ["matrix", "badge"] as const) {
    expect(await client.probes.picture("p" as ProbeId, name)).toBe("<svg/>");
  }
  expect(sent.map(({ path }) => path)).toEqual(["/v1/probes/p/matrix.svg", "/v1/probes/p/badge.svg"]);
});

it("waits for a soup, decision by decision", async () => {
  const soup = (state: string, decisions: number) =>
    Response.json({ id: "s", state, trace: Array.from({ length: decisions }) });
  const { client, sent, waits } = clientOf([soup("running", 0), soup("running", 1), soup("succeeded", 3)]);
  const { id } = await client.soups.create({ checkpoints: ["a", "b"], dataset: "d" });
  const seen: number[] = [];
  const made = await client.soups.wait(id, ({ trace }) => seen.push(trace.length));
  expect([made.state, seen]).toEqual(["succeeded", [1, 3]]);
  expect(sent.map(({ method, path }) => [method, path])).toEqual([
    ["POST", "/v1/soups"],
    ["GET", "/v1/soups/s"],
    ["GET", "/v1/soups/s"],
  ]);
  expect(waits).toHaveLength(1);
});

it("lists soups, gates and topologies by what is asked", async () => {
  const page = () => Response.json({ items: [], next: null });
  const { client, sent } = clientOf([page(), page(), page()]);
  await listOf(client.soups.list({ state: "failed" }));
  await listOf(client.gates.list({ state: "refused" }));
  await listOf(client.topologies.list());
  expect(sent.map(({ path }) => path)).toEqual(["/v1/soups?state=failed", "/v1/gates?state=refused", "/v1/topologies"]);
});
