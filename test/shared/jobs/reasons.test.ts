import { describe, expect, it } from "vitest";
import {
  AGENT_REASONS,
  consequenceOf,
  exitCodeOfJob,
  JOB_REASONS,
  reasonOfExitCode,
  RETRY_REASONS,
} from "../../../shared/jobs/reasons.ts";
import { EXIT_CODES } from "../../../trainer/failure.ts";

describe("reasons", () => {
  it("all have a consequence, and nothing that succeeded or was cancelled is tried again", () => {
    for (const reason of JOB_REASONS) {
      const { state, retryable, exitCode } = consequenceOf(reason);
      expect(exitCode === 0).toBe(state === "succeeded");
      if (state !== "failed") expect(retryable, reason).toBe(false);
    }
    expect(RETRY_REASONS).not.toContain("killed");
    expect(RETRY_REASONS).not.toContain("out-of-memory");
    expect(AGENT_REASONS).not.toContain("cancelled");
  });

  it("know every exit code of the trainer, and give it back", () => {
    for (const [outcome, { code }] of Object.entries(EXIT_CODES)) {
      // Of those who wait for a job, not of its process.
      if (outcome === "timed-out") continue;
      const reason = reasonOfExitCode(code);
      if (outcome === "ok") expect(reason).toBe("done");
      else if (["resume-me", "interrupted", "terminated"].includes(outcome)) expect(reason).toBe("agent-stopped");
      else expect(consequenceOf(reason).exitCode, outcome).toBe(code);
    }
    expect(reasonOfExitCode(137)).toBe("killed");
    expect(reasonOfExitCode(139)).toBe("crashed");
  });

  it("give a waiting step of CI the process's exit code, or one that says why there is none", () => {
    expect(exitCodeOfJob({ state: "succeeded", reason: "done", exitCode: 0 })).toBe(0);
    expect(exitCodeOfJob({ state: "failed", reason: "diverged", exitCode: 6 })).toBe(6);
    expect(exitCodeOfJob({ state: "failed", reason: "crashed", exitCode: 139 })).toBe(139);
    expect(exitCodeOfJob({ state: "failed", reason: "timed-out", exitCode: 75 })).toBe(124);
    expect(exitCodeOfJob({ state: "cancelled", reason: "cancelled", exitCode: 75 })).toBe(130);
    expect(exitCodeOfJob({ state: "expired", reason: "queue-expired", exitCode: null })).toBe(124);
    expect(exitCodeOfJob({ state: "failed", reason: "gate-refused", exitCode: null })).toBe(9);
    expect(exitCodeOfJob({ state: "failed", reason: null, exitCode: null })).toBe(1);
  });
});
