import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { decide, isFinal, type JobEvent, type JobPolicy, newStatus, policyOf } from "../../../shared/jobs/decide.ts";
import { JOB_ID_RANDOM_BYTES, newJobId } from "../../../shared/jobs/job-id.ts";
import { type JobSpec, jobSpec } from "../../../shared/jobs/spec.ts";
import { claimForWorkflow, claimJob, touchJob } from "../../../worker/catalog/job-claims.ts";
import { insertJob, writeStatus } from "../../../worker/catalog/job-changes.ts";
import { findJob } from "../../../worker/catalog/jobs.ts";
import { bindings, migrate } from "../migrations.ts";

const { CATALOG } = bindings;
const LEASE_MS = 1_000;
const limits = { version: 1, timeoutSeconds: 5, queueSeconds: 8, stopGraceSeconds: 1 };
const training = jobSpec.parse({ ...limits, kind: "train" });
const pipeline = jobSpec.parse({ ...limits, kind: "pipeline", train: { models: 2 } });
const capabilities = { kinds: ["train" as const], backends: ["wasm" as const], memoryBytes: 0, labels: [] };

beforeAll(migrate);

async function entered(spec: JobSpec, at: number) {
  await CATALOG.prepare("DELETE FROM jobs").run();
  const id = newJobId(new Date(at), crypto.getRandomValues(new Uint8Array(JOB_ID_RANDOM_BYTES)));
  const status = newStatus(policyOf(spec, LEASE_MS), at);
  await insertJob(CATALOG, { id, spec, status, parent: null, member: null, createdBy: "test", at }, false);
  return id;
}

const kinds = ["claim", "heartbeat", "zombie", "complete", "fail", "cancel"] as const;
const times = ["leaseExpired", "timeout", "stopOverdue", "queueExpired"] as const;
const steps = fc.array(fc.tuple(fc.constantFrom(...kinds, ...times), fc.integer({ min: 0, max: 1_500 })), {
  maxLength: 25,
});

/** An attempt is lost, and the next one goes on until the time is over. */
const HANDED_OVER: [(typeof kinds)[number] | (typeof times)[number], number][] = [
  ["claim", 0],
  ["heartbeat", 500],
  ["leaseExpired", 1_500],
  ["claim", 6_000],
  ["timeout", 0],
];

describe("the catalog of jobs", () => {
  it.each([
    ["an agent does", training],
    ["the deployment does itself", pipeline],
  ])("does in SQL what the state machine decides of what %s, step by step", async (_who, spec) => {
    const policy: JobPolicy = policyOf(spec, LEASE_MS);
    await fc.assert(
      fc.asyncProperty(steps, async (history) => {
        let now = 1_000_000;
        const id = await entered(spec, now);
        let status = newStatus(policy, now);
        for (const [kind, jump] of history) {
          now += jump;
          const { attempt } = status;
          const seen = await findJob(CATALOG, id);
          if (seen === undefined) throw new Error("it is gone");
          expect(seen.status).toEqual(status);
          const event: JobEvent =
            kind === "fail"
              ? { kind, attempt, reason: "unreachable", exitCode: 5 }
              : kind === "zombie"
                ? { kind: "heartbeat", attempt: attempt - 1 }
                : kind === "cancel"
                  ? { kind, reason: "cancelled" }
                  : { kind, attempt };
          const decided = decide(status, event, policy, now);
          const isDone = !("refused" in decided);
          if (kind === "claim") {
            const lease = `lease of ${attempt + 1}`;
            const claim = { agent: "a", capabilities, lease, leaseMs: LEASE_MS, at: now };
            const got = await (policy.isOwn ? claimForWorkflow(CATALOG, id, claim) : claimJob(CATALOG, claim));
            expect(got !== undefined).toBe(isDone);
          } else if (kind === "heartbeat" || kind === "zombie") {
            const lease = `lease of ${kind === "zombie" ? attempt - 1 : attempt}`;
            const got = await touchJob(CATALOG, id, { lease, leaseMs: LEASE_MS, at: now });
            expect(got !== undefined).toBe(isDone);
          } else if (!("refused" in decided)) {
            const endsLease = decided.effects.includes("lease-ended");
            expect(await writeStatus(CATALOG, seen, { status: decided.status, at: now, endsLease })).toBe(true);
            expect(await writeStatus(CATALOG, seen, { status: decided.status, at: now, endsLease })).toBe(false);
          }
          if (!("refused" in decided)) status = decided.status;
        }
        const job = await findJob(CATALOG, id);
        expect(job?.status).toEqual(status);
        expect(job?.finishedAt === null).toBe(!isFinal(status.state));
        expect(job?.changes.map(({ number }) => number)).toEqual(job?.changes.map((_, at) => at + 1));
        const { state, attempt, stop, reason } = status;
        const told = isFinal(state) ? reason : (stop ?? reason);
        expect(job?.changes.at(-1)).toMatchObject({ state, attempt, reason: told });
      }),
      { numRuns: 25, examples: [[HANDED_OVER]] },
    );
  });

  it("gives each of 100 who claim at once another job, in the order of the queue", async () => {
    const at = 1_000_000;
    await entered(training, at);
    for (let number = 1; number < 60; number++) {
      const id = newJobId(new Date(at), crypto.getRandomValues(new Uint8Array(JOB_ID_RANDOM_BYTES)));
      const status = newStatus(policyOf(training, LEASE_MS), at);
      const entry = { id, spec: training, status, parent: null, member: null, createdBy: "test", at };
      await insertJob(CATALOG, entry, false);
    }
    const claims = await Promise.all(
      Array.from({ length: 100 }, (_, number) =>
        claimJob(CATALOG, { agent: `a${number}`, capabilities, lease: `l${number}`, leaseMs: LEASE_MS, at }),
      ),
    );
    const got = claims.filter((job) => job !== undefined);
    expect(got).toHaveLength(60);
    expect(new Set(got.map(({ id }) => id)).size).toBe(60);
    expect(new Set(got.map(({ lease }) => lease)).size).toBe(60);
  });
});
