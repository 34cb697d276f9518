import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runStep } from "../../../infra/github-action/src/run-step.ts";
import { FakeRunner } from "../../support/action-world.ts";
import { type FakeGitHub, startFakeGitHub } from "../../support/fake-github.ts";
import { PASSED, PROBE, REFUSED } from "../../support/job-descriptions.ts";
import { type ScriptedDeployment, startScriptedDeployment } from "../../support/scripted-deployment.ts";

let github: FakeGitHub;
let deployment: ScriptedDeployment;
let runner: FakeRunner;
let tokens = 0;

const claims = (life: number) => Buffer.from(JSON.stringify({ iat: 1000, exp: 1000 + life })).toString("base64url");

beforeEach(async () => {
  tokens = 0;
  github = await startFakeGitHub(() => Promise.resolve(`eyJ.${claims(300)}.token-${++tokens}`));
  deployment = await startScriptedDeployment();
  runner = await FakeRunner.open(deployment.url, github);
});
afterEach(async () => {
  await Promise.all([github.close(), deployment.close(), runner.close()]);
});

const commentBody = () => github.comments.get(12)?.[0]?.body ?? "";

describe("the comment on the pull request", () => {
  it("changes one comment from run to run, which remembers the runs before", async () => {
    github.comments.set(
      12,
      Array.from({ length: 150 }, (_, id) => ({
        id,
        body: id === 3 ? "<!-- edgefuse-report train.yml job.json -->\nnot ours" : "hello",
        user: { type: "User", login: "stranger" },
        author_association: "NONE",
      })),
    );
    deployment.looks = [REFUSED];
    await runStep(runner.world);
    const next = await FakeRunner.open(deployment.url, github);
    Object.assign(next.environment, { GITHUB_RUN_ID: "1234567999", GITHUB_RUN_NUMBER: "42" });
    deployment.looks = [PASSED];
    await runStep(next.world);
    await next.close();
    const written = github.comments.get(12)?.slice(150) ?? [];
    expect(written).toHaveLength(1);
    expect(written[0]?.body).toContain("`digits` is now version 3");
    expect(written[0]?.body).toContain(
      "| abcdef0 | ⛔ refused | 70.25 % | -27.00 points | [41](https://github.com/owner/name/actions/runs/1234567890) |\n\n</details>",
    );
    expect(github.comments.get(12)?.[3]?.body).toMatch(/not ours$/);
    // Nobody reads every comment each time one is written anew.
    expect(github.requests.filter((line) => line.startsWith("POST"))).toHaveLength(1);
  });

  it("goes on where the comment cannot be written", async () => {
    github.refuseWrites(403);
    deployment.looks = [PASSED];
    expect(await runStep(runner.world)).toBe(0);
    expect(runner.log).toMatch(/::warning::The comment could not be written: .*pull-requests: write/);
  });

  it("writes no comment where none is wanted, or where there is no pull request", async () => {
    deployment.looks = [PASSED];
    runner.environment["INPUT_COMMENT"] = "false";
    expect(await runStep(runner.world)).toBe(0);
    const onPush = await FakeRunner.open(deployment.url, github, "push");
    expect(await runStep(onPush.world)).toBe(0);
    expect(await onPush.text("summary")).toContain("`digits` is now version 3");
    await onPush.close();
    expect(github.requests.filter((line) => line.includes("/repos/"))).toEqual([]);
  });

  it("shows no picture that strangers cannot see", async () => {
    deployment.hasPicture = false;
    deployment.looks = [PASSED];
    await runStep(runner.world);
    expect(commentBody()).not.toContain("barrier.svg");
    expect(commentBody()).toContain("```mermaid\nxychart-beta\n");
    // For the points of a path, where the run may read them.
    expect(deployment.lines()).toContain(`GET /v1/probes/${PROBE}`);
  });
});
