import { beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { newStatus, policyOf } from "../../../shared/jobs/decide.ts";
import { JOB_ID_RANDOM_BYTES, newJobId } from "../../../shared/jobs/job-id.ts";
import { jobSpec, type SpecOf } from "../../../shared/jobs/spec.ts";
import { insertJob, writeStatus } from "../../../worker/catalog/job-changes.ts";
import { claimForWorkflow, claimJob } from "../../../worker/catalog/job-claims.ts";
import { childrenOf, type JobRecord, requireJob } from "../../../worker/catalog/jobs.ts";
import { cancelJob } from "../../../worker/jobs/apply.ts";
import { postMembers } from "../../../worker/jobs/pipeline-members.ts";
import { sweepJobs } from "../../../worker/jobs/sweep.ts";
import { bindings, migrate } from "../migrations.ts";

const { CATALOG, JOB_WORKFLOW } = bindings;
const LEASE = "a Workflow's lease";
const now = () => new Date();
const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const sources = { now, randomBytes };
const capabilities = { kinds: ["train" as const], backends: ["wasm" as const], memoryBytes: 0, labels: [] };

beforeAll(migrate);
beforeEach(() => CATALOG.prepare("DELETE FROM jobs").run());

type Pipeline = JobRecord & { readonly spec: SpecOf<"pipeline"> };

/** A pipeline that a Workflow has; the Workflow is not begun. */
async function leasedPipeline(): Promise<Pipeline> {
  const spec = jobSpec.parse({ version: 1, kind: "pipeline", train: { models: 3 } });
  const id = newJobId(now(), randomBytes(JOB_ID_RANDOM_BYTES));
  const at = now().getTime();
  const status = newStatus(policyOf(spec, 1_000), at);
  await insertJob(CATALOG, { id, spec, status, parent: null, member: null, createdBy: "test", at }, false);
  const job = await claimForWorkflow(CATALOG, id, { lease: LEASE, leaseMs: 60_000, at });
  if (job?.spec.kind !== "pipeline") throw new Error("it was not to be had");
  return { ...job, spec: job.spec };
}

/** Begins the Workflow, and waits for its end. */
async function runToItsEnd({ id, status: { attempt } }: JobRecord): Promise<void> {
  const instance = await JOB_WORKFLOW.create({ id: `${id}-${attempt}`, params: { id, attempt, lease: LEASE } });
  await vi.waitFor(async () => expect((await instance.status()).status).toBe("complete"), { timeout: 30_000 });
}

/** Writes a job's end, and does nothing of what follows from it: whoever ends it dies in between. */
async function endAndDie(job: JobRecord, reason: "cancelled" | "internal"): Promise<void> {
  const state = reason === "cancelled" ? reason : "failed";
  const status = { ...job.status, state, reason, leaseExpiresAt: null, deadlineAt: null } as const;
  expect(await writeStatus(CATALOG, job, { status, at: now().getTime(), endsLease: true })).toBe(true);
}

const statesOf = async ({ id }: JobRecord) =>
  (await childrenOf(CATALOG, id)).map(({ status: { state, stop, reason } }) => [state, stop ?? reason]);

const CANCELLED = ["cancelled", "parent-ended"];

describe("the members of a pipeline that is over", () => {
  it("are cancelled by the next sweep where they were posted while it was cancelled", async () => {
    const pipeline = await leasedPipeline();
    await cancelJob(bindings, await requireJob(CATALOG, pipeline.id), now);
    await postMembers(bindings, pipeline, sources);
    expect(await sweepJobs(bindings, sources)).toBe(3);
    expect(await statesOf(pipeline)).toEqual([CANCELLED, CANCELLED, CANCELLED]);
    expect(await sweepJobs(bindings, sources), "once").toBe(0);
  });

  it("are stopped where whoever ended it died before that; those of others go on", async () => {
    const [pipeline, other] = [await leasedPipeline(), await leasedPipeline()];
    await postMembers(bindings, pipeline, sources);
    await postMembers(bindings, other, sources);
    const claim = { agent: "a", capabilities, lease: "an agent's", leaseMs: 60_000, at: now().getTime() };
    expect((await claimJob(CATALOG, claim))?.parent).toBe(pipeline.id);
    await endAndDie(pipeline, "cancelled");
    expect(await sweepJobs(bindings, sources)).toBe(3);
    expect(await statesOf(pipeline)).toEqual([["leased", "parent-ended"], CANCELLED, CANCELLED]);
    expect(await sweepJobs(bindings, sources), "its agent has time to stop").toBe(0);
    expect((await statesOf(other)).map(([state]) => state)).toEqual(["queued", "queued", "queued"]);
  });

  it("are cancelled by its Workflow as soon as that finds out", async () => {
    const pipeline = await leasedPipeline();
    await endAndDie(pipeline, "cancelled");
    await postMembers(bindings, pipeline, sources);
    await runToItsEnd(pipeline);
    expect(await statesOf(pipeline)).toEqual([CANCELLED, CANCELLED, CANCELLED]);
  });
});

describe("a pipeline", () => {
  it("is not tried again where a member is over, also where edgefuse itself failed there", async () => {
    const pipeline = await leasedPipeline();
    await postMembers(bindings, pipeline, sources);
    const [first] = await childrenOf(CATALOG, pipeline.id);
    if (first === undefined) throw new Error("it has no members");
    await endAndDie(first, "internal");
    await runToItsEnd(pipeline);
    const { status, message } = await requireJob(CATALOG, pipeline.id);
    expect(status).toMatchObject({ state: "failed", reason: "internal", attempt: 1 });
    expect(message).toContain(`Member 1 (job ${first.id}) failed, internal`);
    expect(await statesOf(pipeline)).toEqual([["failed", "internal"], CANCELLED, CANCELLED]);
  });
});
