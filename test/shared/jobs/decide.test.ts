import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Decided,
  decide,
  isFinal,
  type JobEvent,
  type JobPolicy,
  type JobStatus,
  MOST_ATTEMPTS,
  newStatus,
} from "../../../shared/jobs/decide.ts";
import { consequenceOf, JOB_REASONS, RETRY_REASONS } from "../../../shared/jobs/reasons.ts";
import { pastDue } from "../../support/job-events.ts";

const POLICY: JobPolicy = {
  timeoutMs: 60_000,
  queueMs: 30_000,
  stopGraceMs: 5_000,
  leaseMs: 10_000,
  attempts: 3,
  retryOn: undefined,
  retryExitCodes: [],
  isOwn: false,
};

const policies = fc.record({
  timeoutMs: fc.integer({ min: 1, max: 100_000 }),
  queueMs: fc.integer({ min: 1, max: 100_000 }),
  stopGraceMs: fc.integer({ min: 1, max: 20_000 }),
  leaseMs: fc.integer({ min: 1, max: 20_000 }),
  attempts: fc.integer({ min: 1, max: 10 }),
  retryOn: fc.option(fc.subarray(RETRY_REASONS), { nil: undefined }),
  retryExitCodes: fc.array(fc.integer({ min: 1, max: 125 }), { maxLength: 3 }),
  isOwn: fc.boolean(),
});

/** Attempts are named relative to the current one, so that many are current and some are zombies'. */
const events = fc.oneof(
  fc.constantFrom<(attempt: number) => JobEvent>(
    () => ({ kind: "claim" }),
    () => ({ kind: "leaseExpired" }),
    () => ({ kind: "timeout" }),
    () => ({ kind: "stopOverdue" }),
    () => ({ kind: "queueExpired" }),
    () => ({ kind: "cancel", reason: "cancelled" }),
    () => ({ kind: "cancel", reason: "parent-ended" }),
  ),
  fc
    .tuple(fc.constantFrom("start", "heartbeat", "progress", "complete" as const), fc.constantFrom(0, 0, 0, -1, 1))
    .map(([kind, off]) => (attempt: number): JobEvent => ({ kind, attempt: attempt + off })),
  fc
    .record({
      reason: fc.constantFrom(...JOB_REASONS.filter((reason) => reason !== "done")),
      exitCode: fc.option(fc.integer({ min: 1, max: 255 })),
      off: fc.constantFrom(0, 0, 0, -1),
    })
    .map(({ reason, exitCode, off }) => (attempt: number): JobEvent => {
      return { kind: "fail", attempt: attempt + off, reason, exitCode };
    }),
);

/** The clock may stand still, jump ahead for days, and be set back. */
const jumps = fc.oneof(
  fc.integer({ min: 0, max: 5_000 }),
  fc.integer({ min: -50_000, max: 200_000 }),
  fc.constant(86_400_000),
);
const histories = fc.array(fc.tuple(events, jumps), { maxLength: 60 });

function applied(status: JobStatus, event: JobEvent, policy: JobPolicy, now: number): Decided {
  const decided = decide(status, event, policy, now);
  if ("refused" in decided) throw new Error(`${event.kind} was refused: ${decided.refused}`);
  return decided;
}

describe("the life of a job", () => {
  it("loses no job, succeeds once, and explains every end, whatever happens in whatever order", () => {
    fc.assert(
      fc.property(policies, histories, (policy, history) => {
        let now = 1_000_000;
        let status = newStatus(policy, now);
        let ends = 0;
        for (const [eventFor, jump] of history) {
          now += jump;
          const event = eventFor(status.attempt);
          const before = status;
          const decided = decide(status, event, policy, now);
          if ("refused" in decided) continue;
          status = decided.status;
          ends += decided.effects.filter((effect) => effect === "ended").length;
          expect(isFinal(before.state), "what is over stays over").toBe(false);
          expect(status.attempt).toBeGreaterThanOrEqual(before.attempt);
          expect(status.failures).toBeLessThanOrEqual(policy.attempts);
          expect(status.attempt).toBeLessThanOrEqual(MOST_ATTEMPTS);
          const isHeld = status.state === "leased" || status.state === "running";
          expect(status.leaseExpiresAt !== null).toBe(isHeld);
          expect(decided.effects.includes("lease-ended")).toBe(
            (before.state === "leased" || before.state === "running") && !isHeld,
          );
          if ("attempt" in event) expect(event.attempt, "a zombie changes nothing").toBe(before.attempt);
          if (isFinal(status.state)) {
            expect(status.reason).not.toBeNull();
            expect(consequenceOf(status.reason ?? "internal").state).toBe(status.state);
            expect(status.state === "succeeded").toBe(event.kind === "complete");
          }
        }
        expect(ends).toBe(isFinal(status.state) ? 1 : 0);
        // Left alone, every job comes to an end by the clock, and says why.
        for (let round = 0; !isFinal(status.state); round++) {
          expect(round).toBeLessThan(3 * MOST_ATTEMPTS);
          const due = pastDue(status);
          now = Math.max(now, due);
          for (const kind of ["queueExpired", "leaseExpired", "timeout", "stopOverdue"] as const) {
            const decided = decide(status, { kind }, policy, now);
            if ("refused" in decided) continue;
            status = decided.status;
            break;
          }
        }
        expect(consequenceOf(status.reason ?? "internal").state).toBe(status.state);
      }),
      { numRuns: 500 },
    );
  });

  it("gives a job that is retried back to the queue, with a growing pause, until its attempts are used up", () => {
    let status = newStatus(POLICY, 0);
    const pauses: number[] = [];
    let now = 0;
    for (let attempt = 1; attempt <= 3; attempt++) {
      now = status.notBefore;
      expect(decide(status, { kind: "claim" }, POLICY, now - 1)).toEqual({ refused: "not-due" });
      status = applied(status, { kind: "claim" }, POLICY, now).status;
      status = applied(status, { kind: "fail", attempt, reason: "unreachable", exitCode: 5 }, POLICY, now).status;
      if (status.state === "queued") pauses.push(status.notBefore - now);
    }
    expect(pauses).toEqual([5_000, 10_000]);
    expect(status).toMatchObject({ state: "failed", reason: "unreachable", exitCode: 5, failures: 3, attempt: 3 });
  });

  it("does not count what is nobody's fault, and goes on at once, but not for ever", () => {
    let status = newStatus(POLICY, 0);
    for (let attempt = 1; attempt < MOST_ATTEMPTS; attempt++) {
      status = applied(status, { kind: "claim" }, POLICY, 0).status;
      status = applied(status, { kind: "fail", attempt, reason: "agent-stopped", exitCode: 75 }, POLICY, 0).status;
      expect(status).toMatchObject({ state: "queued", failures: 0, notBefore: 0 });
    }
    status = applied(status, { kind: "claim" }, POLICY, 0).status;
    const last: JobEvent = { kind: "fail", attempt: MOST_ATTEMPTS, reason: "agent-stopped", exitCode: 75 };
    expect(applied(status, last, POLICY, 0).status.state).toBe("failed");
  });

  it.each([
    ["diverged", 6],
    ["out-of-memory", 7],
    ["killed", 137],
    ["bad-spec", 2],
    ["gate-refused", 9],
  ] as const)("does not try again what is %s", (reason, exitCode) => {
    const { status } = applied(newStatus(POLICY, 0), { kind: "claim" }, POLICY, 0);
    const failed = applied(status, { kind: "fail", attempt: 1, reason, exitCode }, POLICY, 0);
    expect(failed.status).toMatchObject({ state: "failed", reason, exitCode });
    expect(failed.effects).toEqual(["lease-ended", "ended"]);
  });

  it("tries again what the spec lists by exit code, and only for the reasons that it lists", () => {
    const { status } = applied(newStatus(POLICY, 0), { kind: "claim" }, POLICY, 0);
    const fail = (policy: JobPolicy, reason: "diverged" | "unreachable" | "no-gpu", exitCode: number) =>
      applied(status, { kind: "fail", attempt: 1, reason, exitCode }, policy, 0).status.state;
    expect(fail({ ...POLICY, retryExitCodes: [6] }, "diverged", 6)).toBe("queued");
    expect(fail({ ...POLICY, retryOn: ["no-gpu"] }, "unreachable", 5)).toBe("failed");
    expect(fail({ ...POLICY, retryOn: ["no-gpu"] }, "no-gpu", 8)).toBe("queued");
    const last: JobEvent = { kind: "fail", attempt: 1, reason: "unreachable", exitCode: 5, isLast: true };
    expect(applied(status, last, POLICY, 0).status.state).toBe("failed");
  });

  it("lets an agent that was asked to stop finish in its time, and gives it up after that", () => {
    let { status } = applied(newStatus(POLICY, 0), { kind: "claim" }, POLICY, 0);
    status = applied(status, { kind: "heartbeat", attempt: 1 }, POLICY, 1_000).status;
    status = applied(status, { kind: "cancel", reason: "cancelled" }, POLICY, 2_000).status;
    expect(status).toMatchObject({ state: "running", stop: "cancelled", stopBy: 17_000 });
    expect(applied(status, { kind: "cancel", reason: "parent-ended" }, POLICY, 3_000).status).toBe(status);
    // It saved its state and said so.
    const stopped: JobEvent = { kind: "fail", attempt: 1, reason: "agent-stopped", exitCode: 75 };
    expect(applied(status, stopped, POLICY, 4_000).status).toMatchObject({ state: "cancelled", reason: "cancelled" });
    // It was done just before it heard of it.
    expect(applied(status, { kind: "complete", attempt: 1 }, POLICY, 4_000).status.state).toBe("succeeded");
    // It goes on showing signs of life, and does nothing.
    for (let now = 5_000; now < 17_000; now += 4_000) {
      status = applied(status, { kind: "heartbeat", attempt: 1 }, POLICY, now).status;
      expect(decide(status, { kind: "stopOverdue" }, POLICY, now)).toEqual({ refused: "not-due" });
    }
    expect(applied(status, { kind: "stopOverdue" }, POLICY, 17_000).status.state).toBe("cancelled");
  });

  it("stops an attempt that takes too long, and fails the job for that", () => {
    let { status } = applied(newStatus(POLICY, 0), { kind: "claim" }, POLICY, 0);
    for (let now = 5_000; now < 60_000; now += 5_000) {
      status = applied(status, { kind: "heartbeat", attempt: 1 }, POLICY, now).status;
    }
    expect(decide(status, { kind: "timeout" }, POLICY, 59_999)).toEqual({ refused: "not-due" });
    status = applied(status, { kind: "timeout" }, POLICY, 60_000).status;
    expect(status).toMatchObject({ state: "running", stop: "timed-out" });
    const stopped: JobEvent = { kind: "fail", attempt: 1, reason: "agent-stopped", exitCode: 75 };
    expect(applied(status, stopped, POLICY, 61_000).status).toMatchObject({ state: "failed", reason: "timed-out" });
  });

  it("gives each attempt of an agent its time, and what the deployment does itself one time for all", () => {
    const deadlines = (policy: JobPolicy) => {
      let { status } = applied(newStatus(policy, 0), { kind: "claim" }, policy, 0);
      const found = [status.deadlineAt];
      const handed: JobEvent = { kind: "fail", attempt: 1, reason: "agent-stopped", exitCode: null };
      status = applied(status, handed, policy, 20_000).status;
      status = applied(status, { kind: "claim" }, policy, 21_000).status;
      found.push(status.deadlineAt);
      const failed: JobEvent = { kind: "fail", attempt: 2, reason: "internal", exitCode: null };
      status = applied(status, failed, policy, 30_000).status;
      status = applied(status, { kind: "claim" }, policy, 40_000).status;
      return { status, deadlines: [...found, status.deadlineAt] };
    };
    expect(deadlines(POLICY).deadlines).toEqual([60_000, 81_000, 100_000]);
    const own = deadlines({ ...POLICY, isOwn: true });
    expect(own.deadlines).toEqual([60_000, 60_000, 60_000]);
    expect(applied(own.status, { kind: "timeout" }, POLICY, 60_000).status.stop).toBe("timed-out");
  });

  it("tells an agent that never came from one that was lost", () => {
    const { status } = applied(newStatus(POLICY, 0), { kind: "claim" }, POLICY, 0);
    expect(applied(status, { kind: "leaseExpired" }, POLICY, 10_000).status.reason).toBe("never-started");
    const { status: running } = applied(status, { kind: "start", attempt: 1 }, POLICY, 5_000);
    expect(decide(running, { kind: "leaseExpired" }, POLICY, 14_999)).toEqual({ refused: "not-due" });
    expect(applied(running, { kind: "leaseExpired" }, POLICY, 15_000).status.reason).toBe("lease-lost");
    const own = applied(running, { kind: "leaseExpired" }, { ...POLICY, isOwn: true }, 15_000).status;
    expect(own).toMatchObject({ state: "queued", reason: "agent-stopped", failures: 0 });
  });

  it("takes nothing from a lease when the clock is set back", () => {
    const { status } = applied(newStatus(POLICY, 0), { kind: "claim" }, POLICY, 0);
    const { status: running } = applied(status, { kind: "heartbeat", attempt: 1 }, POLICY, 100_000);
    const { status: later } = applied(running, { kind: "heartbeat", attempt: 1 }, POLICY, 1_000);
    expect(later.leaseExpiresAt).toBe(110_000);
  });
});
