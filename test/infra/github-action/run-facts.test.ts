import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readRunFacts } from "../../../infra/github-action/src/run-facts.ts";
import { labelsOf } from "../../../infra/github-action/src/submission.ts";
import { jobSpec } from "../../../shared/jobs/spec.ts";
import { runEnvironment } from "../../support/action-world.ts";
import { SPEC } from "../../support/job-descriptions.ts";

const read = (path: string) => readFile(path, "utf8");

const factsOf = (event: string, more: Record<string, string> = {}) => {
  const environment = { ...runEnvironment("/runner", "push"), ...more };
  return readRunFacts({
    environment: { ...environment, GITHUB_EVENT_PATH: join(import.meta.dirname, "events", `${event}.json`) },
    readFile: read,
  });
};

const HEAD = "abcdef0123456789abcdef0123456789abcdef01";
const PUSHED = "0000000000000000000000000000000000000002";

describe("facts of a run", () => {
  it.each([
    ["pull-request", { GITHUB_REF: "refs/pull/12/merge" }, HEAD, 12],
    ["push", {}, PUSHED, undefined],
    ["workflow-run", {}, HEAD, 31],
    ["issue-comment", {}, PUSHED, 8],
    ["issue", {}, PUSHED, undefined],
    ["none-such", {}, PUSHED, undefined],
    ["none-such", { GITHUB_REF: "refs/pull/12/merge" }, PUSHED, 12],
  ])("are of the commit and the pull request that people see: %s %j", async (event, more, commit, pullRequest) => {
    expect(await factsOf(event, more)).toMatchObject({
      repository: "owner/name",
      runUrl: "https://github.com/owner/name/actions/runs/1234567890",
      workflowFile: "train.yml",
      commit,
      pullRequest,
    });
  });

  it("become labels that a deployment takes, whatever is in them", async () => {
    const workflow = `--out=/etc\u0000 \u202ex${"y".repeat(300)}`;
    const labels = labelsOf(await factsOf("push", { GITHUB_WORKFLOW: workflow, GITHUB_RUN_ID: "" }));
    expect(labels).not.toHaveProperty("run");
    expect(labels).not.toHaveProperty("pr");
    expect(jobSpec.safeParse({ ...SPEC, labels }).error).toBeUndefined();
  });
});
