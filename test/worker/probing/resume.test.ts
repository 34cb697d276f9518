import { beforeAll, describe, expect, it } from "vitest";
import { createProbeRequest, type ProbeQuestion } from "../../../shared/api/probes.ts";
import { addSums } from "../../../shared/evaluation/sums.ts";
import type { ShardId } from "../../../shared/identity.ts";
import { Problem } from "../../../shared/problem.ts";
import { listDone, listParts } from "../../../worker/catalog/probe-parts.ts";
import { claimProbe, findQuestion, insertQuestion } from "../../../worker/catalog/probe-questions.ts";
import type { Environment } from "../../../worker/environment.ts";
import { keptTotals } from "../../../worker/probing/answer.ts";
import { answerInline } from "../../../worker/probing/answer-inline.ts";
import { lookAtProbe, startProbe } from "../../../worker/probing/background.ts";
import { resolveQuestion } from "../../../worker/probing/question.ts";
import { findProbe } from "../../../worker/probing/store.ts";
import { problemDocument } from "../../../worker/problems/render.ts";
import { Superseded } from "../../../worker/workflows/outcome.ts";
import {
  abandonProbe,
  answerFromParts,
  evaluateGroup,
  planProbe,
  type ProbeContext,
} from "../../../worker/workflows/probe-steps.ts";
import { freshModel, freshShard, uploaded } from "../faults/files.ts";
import { ask, succeed } from "../faults/world.ts";
import { bindings, migrate } from "../migrations.ts";

const SHARDS = 5;
let ids: string[];
let shards: string[];

beforeAll(async () => {
  await migrate();
  ids = [await uploaded(freshModel()), await uploaded(freshModel()), await uploaded(freshModel())];
  shards = [];
  for (let index = 0; index < SHARDS; index++) {
    shards.push((await succeed<{ id: ShardId }>({ method: "POST", path: "/v1/shards", body: freshShard() })).id);
  }
});

/** The bindings, with a list of what is read of the bucket; every unit is as small as can be. */
function watched(): { environment: Environment; reads: string[] } {
  const reads: string[] = [];
  const BUCKET = new Proxy(bindings.BUCKET, {
    get: (bucket, name) => {
      if (name === "get") {
        return (key: string, options?: R2GetOptions) => {
          reads.push(key);
          return options === undefined ? bucket.get(key) : bucket.get(key, options);
        };
      }
      const member: unknown = Reflect.get(bucket, name);
      return typeof member === "function" ? member.bind(bucket) : member;
    },
  });
  return { environment: { ...bindings, BUCKET, EDGEFUSE_INLINE_PROBE_OPERATIONS: 1 }, reads };
}

const now = () => new Date("2026-11-23T12:00:00Z");
const shardsIn = (keys: readonly string[]) => keys.filter((key) => key.startsWith("shards/")).length;

async function contextOf(
  environment: Environment,
  request: object,
): Promise<ProbeContext & { question: ProbeQuestion }> {
  const question = createProbeRequest.parse({ shards, ...request });
  const resolved = await resolveQuestion(environment.CATALOG, question);
  await insertQuestion(environment.CATALOG, resolved.id, resolved.question, now().toISOString());
  return { environment, id: resolved.id, attempt: 1, now, question };
}

describe("a probe that is killed", () => {
  it("goes on without evaluating anything twice, and comes to the same answer", async () => {
    const { environment, reads } = watched();
    const request = { a: ids[0], b: ids[1], points: 3 };
    const context = await contextOf(environment, request);
    const plan = await planProbe(context);
    // Two endpoints are members of the grid; at a unit's size of 1 each point of each shard is a unit.
    expect(plan.groups).toBe(3 * SHARDS);
    for (let group = 0; group < 7; group++) await evaluateGroup(context, plan, group);
    const done = await listDone(bindings.CATALOG, context.id);
    expect(done).toHaveLength(7);
    const parts = await listParts(bindings.CATALOG, context.id, 0, SHARDS);
    reads.length = 0;

    // Everything again, as a Workflow does that has lost its memory.
    expect(await planProbe(context)).toEqual(plan);
    for (let group = 0; group < 7; group++) await evaluateGroup(context, plan, group);
    expect(shardsIn(reads)).toBe(0);
    expect(await listParts(bindings.CATALOG, context.id, 0, SHARDS)).toEqual(parts);
    for (let group = 7; group < plan.groups; group++) await evaluateGroup(context, plan, group);
    expect(shardsIn(reads)).toBe(plan.groups - 7);
    await answerFromParts(context);

    const probe = await findProbe(bindings.BUCKET, context.id);
    // What it kept on the way is gone.
    expect(await listDone(bindings.CATALOG, context.id)).toEqual([]);
    expect(probe).toMatchObject({ kind: "path", samples: 3 * SHARDS, shards });
    await ask(bindings, { method: "DELETE", path: `/v1/probes/${context.id}` });
    const inline = await answerInline(bindings, context.question, now);
    expect(inline).toEqual(probe);
  });

  it("tells the answer over the shards that are done, and only those", async () => {
    const { environment } = watched();
    const context = await contextOf(environment, { kind: "mean", models: ids });
    await planProbe(context);
    const resolved = await resolveQuestion(environment.CATALOG, context.question);
    expect(await keptTotals(environment, resolved)).toEqual({ shardsDone: [], totals: undefined });
    const plan = await planProbe(context);
    // Three members and their mean: two shards are done, the third half-way.
    for (let group = 0; group < 10; group++) await evaluateGroup(context, plan, group);
    const kept = await keptTotals(environment, resolved);
    expect(kept.shardsDone).toEqual([0, 1]);
    const parts = await listParts(bindings.CATALOG, context.id, 0, 1);
    const [first, second] = [0, 1].map((shard) =>
      parts.filter((part) => part.shard === shard).flatMap(({ sums }) => sums),
    );
    expect(kept.totals).toEqual(
      first?.map((sums, point) => {
        const other = second?.[point];
        if (other === undefined) throw new Error("a shard is short of points");
        return addSums(sums, other);
      }),
    );
    const state = await lookAtProbe(environment, context.id, now);
    expect(state).toMatchObject({
      kind: "pending",
      probe: {
        state: "running",
        progress: { shardsDone: 2, shards: SHARDS },
        partial: { kind: "mean", models: ids, samples: 6, shards: shards.slice(0, 2) },
      },
    });
  });

  it("begins anew where what was kept was cut otherwise", async () => {
    const { environment } = watched();
    const context = await contextOf(environment, { a: ids[1], b: ids[2], points: 4 });
    const plan = await planProbe(context);
    for (let group = 0; group < 5; group++) await evaluateGroup(context, plan, group);
    const wider = { ...context, environment: { ...environment, EDGEFUSE_INLINE_PROBE_OPERATIONS: 1e9 } };
    const other = await planProbe(wider);
    expect(other.groups).toBe(1);
    expect(await listDone(bindings.CATALOG, context.id)).toEqual([]);
    await evaluateGroup(wider, other, 0);
    await answerFromParts(wider);
    const probe = await findProbe(bindings.BUCKET, context.id);
    await ask(bindings, { method: "DELETE", path: `/v1/probes/${context.id}` });
    expect(await answerInline(bindings, context.question, now)).toEqual(probe);
  });

  it("is taken over when it is silent for long, and ends when it was alive after all", async () => {
    const { environment } = watched();
    const started: unknown[] = [];
    const PROBE_WORKFLOW = { create: async (options: unknown) => void started.push(options) };
    const watching = { ...environment, PROBE_WORKFLOW } as unknown as Environment;
    const context = await contextOf(environment, { a: ids[2], b: ids[1], points: 2 });
    const plan = await planProbe(context);
    await evaluateGroup(context, plan, 0);
    const later = (seconds: number) => () => new Date(now().getTime() + 1000 * seconds);
    await lookAtProbe(watching, context.id, later(59));
    expect(started).toEqual([]);
    await lookAtProbe(watching, context.id, later(61));
    await lookAtProbe(watching, context.id, later(62));
    await startProbe(watching, context, later(63));
    expect(started).toEqual([{ params: { id: context.id, attempt: 2 } }]);
    await expect(evaluateGroup(context, plan, 1)).rejects.toBeInstanceOf(Superseded);
    expect(await listDone(bindings.CATALOG, context.id)).toHaveLength(1);
    const second = { ...context, attempt: 2 };
    for (let group = 0; group < plan.groups; group++) await evaluateGroup(second, plan, group);
    await answerFromParts(second);
    expect(await lookAtProbe(watching, context.id, now)).toMatchObject({ kind: "answered" });
  });

  it("says why it failed, and begins anew when it is asked for again", async () => {
    const { environment } = watched();
    const started: unknown[] = [];
    const PROBE_WORKFLOW = { create: async (options: unknown) => void started.push(options) };
    const watching = { ...environment, PROBE_WORKFLOW } as unknown as Environment;
    const context = await contextOf(environment, { a: ids[2], b: ids[0], points: 2 });
    const problem = problemDocument(new Problem("non-finite-values", "No numbers.", { sample: 3 }), "/v1/probes/x");
    await abandonProbe(context, problem, "");
    expect(await lookAtProbe(watching, context.id, now)).toMatchObject({
      kind: "failed",
      problem: { code: "non-finite-values", message: "No numbers.", members: { sample: 3 } },
    });
    await startProbe(watching, context, now);
    expect(started).toEqual([{ params: { id: context.id, attempt: 2 } }]);
    expect(await findQuestion(bindings.CATALOG, context.id)).toMatchObject({ attempt: 2, problem: null });
    expect(await claimProbe(bindings.CATALOG, context.id, 1, now().toISOString())).toBe(false);
  });

  it("can be called off", async () => {
    const { environment } = watched();
    const context = await contextOf(environment, { a: ids[0], b: ids[2], points: 2 });
    const plan = await planProbe(context);
    await evaluateGroup(context, plan, 0);
    expect((await ask(bindings, { method: "DELETE", path: `/v1/probes/${context.id}` })).status).toBe(204);
    await expect(evaluateGroup(context, plan, 1)).rejects.toBeInstanceOf(Superseded);
    await expect(answerFromParts(context)).rejects.toBeInstanceOf(Superseded);
    expect(await listDone(bindings.CATALOG, context.id)).toEqual([]);
    expect((await ask(bindings, { method: "GET", path: `/v1/probes/${context.id}` })).status).toBe(404);
    expect((await ask(bindings, { method: "DELETE", path: `/v1/probes/${context.id}` })).status).toBe(404);
  });
});
