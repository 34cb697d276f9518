import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cleanUp } from "../../../infra/github-action/src/clean-up.ts";
import { runStep } from "../../../infra/github-action/src/run-step.ts";
import { FakeRunner } from "../../support/action-world.ts";
import { type FakeGitHub, startFakeGitHub } from "../../support/fake-github.ts";
import {
  ALL_TRAINED,
  CANCELLED,
  DIVERGED,
  MEMBERS,
  MODEL,
  PARENT,
  PASSED,
  pipeline,
  PROBE,
  REFUSED,
  trained,
} from "../../support/job-descriptions.ts";
import { problem, type ScriptedDeployment, startScriptedDeployment } from "../../support/scripted-deployment.ts";

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
const QUEUED = pipeline({ state: "queued", attempt: 0, children: [] });

describe("the step", () => {
  it("posts the job, follows it, tells of it, and exits as it does", async () => {
    deployment.looks = [QUEUED, pipeline(), pipeline({}, [trained(1)]), pipeline({}, ALL_TRAINED), PASSED];
    expect(await runStep(runner.world)).toBe(0);
    expect(await runner.values("output")).toEqual({
      job: PARENT,
      state: "succeeded",
      reason: "done",
      "exit-code": "0",
      checkpoints: JSON.stringify(MEMBERS),
      model: MODEL,
      "model-url": `${deployment.url}/models/${MODEL}/model.safetensors`,
      probe: PROBE,
      gate: "passed",
      alias: "digits",
      "alias-version": "3",
    });
    expect(await runner.text("summary")).toContain("`digits` is now version 3");
    expect(commentBody()).toContain("`digits` is now version 3");
    expect(commentBody()).toContain(`](${deployment.url}/models/${MODEL}/barrier.svg)`);
    expect(runner.log).toContain("::notice title=edgefuse::The model passed its gate; digits is now version 3.\n");
    expect(await runner.values("state")).toMatchObject({ begun: "true", job: PARENT, done: "true" });
  });

  it("says in the job where it comes from, and posts it under one key", async () => {
    deployment.looks = [PASSED];
    await runStep(runner.world);
    const post = deployment.requests.find(({ line }) => line === "POST /v1/jobs");
    const { spec } = JSON.parse(post?.body ?? "") as { spec: Record<string, unknown> };
    expect(spec["commit"]).toBe("abcdef0123456789abcdef0123456789abcdef01");
    expect(spec["labels"]).toEqual({
      repo: "owner/name",
      sha: "abcdef0123456789abcdef0123456789abcdef01",
      pr: "12",
      run: "1234567890",
      attempt: "1",
      workflow: "Candidate",
    });
    const key = post?.headers["idempotency-key"];
    expect(key).toMatch(/^github-[0-9a-f]{40}$/);
    expect((await runner.values("state"))["key"]).toBe(key);

    // Another attempt of the run asks for another job.
    const other = await FakeRunner.open(deployment.url, github);
    other.environment["GITHUB_RUN_ATTEMPT"] = "2";
    await runStep(other.world);
    await other.close();
    const posts = deployment.requests.filter(({ line }) => line === "POST /v1/jobs");
    expect(posts[1]?.headers["idempotency-key"]).not.toBe(key);
  });

  it.each([
    ["a gate that refuses", REFUSED, 9, "The gate refused the model"],
    ["training that diverges", DIVERGED, 6, "training diverged"],
    ["a job that was cancelled elsewhere", CANCELLED, 130, "The pipeline was cancelled"],
    ["a spec's own time", pipeline({ state: "failed", reason: "timed-out" }), 124, "longer than its spec allows"],
    ["no agent", pipeline({ state: "expired", reason: "queue-expired" }), 124, "No agent took the pipeline in time"],
    ["agents that were lost", pipeline({ state: "failed", reason: "lease-lost" }), 75, "was not heard of any more"],
    ["a process that was killed", pipeline({ state: "failed", reason: "killed", exitCode: 137 }), 137, "SIGKILL"],
  ])("exits with the code of %s", async (_, job, code, words) => {
    deployment.looks = [pipeline(), job];
    expect(await runStep(runner.world)).toBe(code);
    expect((await runner.values("output"))["exit-code"]).toBe(String(code));
    expect(runner.log).toMatch(new RegExp(`^::error title=edgefuse::.*${words}`, "m"));
    expect(runner.log).not.toContain("::notice");
    // All is said, so the post step has nothing to do.
    await runner.toPostStep();
    const before = deployment.requests.length;
    expect(await cleanUp(runner.world)).toBe(0);
    expect(deployment.requests).toHaveLength(before);
  });

  it("cancels the job when its own time is over, and exits with 124", async () => {
    runner.environment["INPUT_TIMEOUT"] = "90s";
    deployment.looks = [pipeline()];
    deployment.afterCancel = [pipeline({ cancelRequested: true }), CANCELLED];
    const begun = runner.time;
    expect(await runStep(runner.world)).toBe(124);
    expect(runner.time - begun).toBeGreaterThanOrEqual(90_000);
    expect(runner.time - begun).toBeLessThan(95_000);
    expect(deployment.lines()).toContain(`DELETE /v1/jobs/${PARENT}`);
    expect(commentBody()).toContain("took longer than the step allows");
    expect(await runner.values("output")).toMatchObject({ state: "cancelled", "exit-code": "124" });
  });

  it("tells how the job ended where that was in the very moment of the timeout", async () => {
    runner.environment["INPUT_TIMEOUT"] = "90s";
    deployment.looks = [pipeline()];
    deployment.afterCancel = [PASSED];
    expect(await runStep(runner.world)).toBe(0);
    expect((await runner.values("output"))["alias-version"]).toBe("3");
  });

  it("cancels the job when the run is cancelled; the post step waits for its end and tells of it", async () => {
    deployment.looks = [pipeline()];
    deployment.afterCancel = [...Array.from({ length: 9 }, () => pipeline({ cancelRequested: true })), CANCELLED];
    let interruptedAt = Infinity;
    runner.onWait = () => {
      if (deployment.requests.length <= 6) return;
      interruptedAt = Math.min(interruptedAt, runner.time);
      runner.interrupt();
    };
    expect(await runStep(runner.world)).toBe(130);
    // The runner kills after 7.5 s.
    expect(runner.time - interruptedAt).toBeLessThan(5_000);
    expect(deployment.lines().filter((line) => line.startsWith("DELETE"))).toHaveLength(1);
    expect(await runner.text("summary")).toBe("");
    expect(commentBody()).toContain("The pipeline is running");
    expect(await runner.values("state")).not.toHaveProperty("done");

    await runner.toPostStep();
    expect(await cleanUp(runner.world)).toBe(0);
    expect(await runner.text("summary")).toContain("The pipeline was cancelled");
    expect(commentBody()).toContain("The pipeline was cancelled");
    expect(github.comments.get(12)).toHaveLength(1);
  });

  it("shows the log of each member as it grows, in groups, and obeys no command in it", async () => {
    const [one, two] = pipeline().children;
    deployment.logs.set(one?.id ?? "", "begins\n::set-output name=model::stolen\n::error::no\nhalf a li");
    deployment.logs.set(two?.id ?? "", "##[group]x\r\nred \u001b[31m\n");
    const logged = (id = "") => Buffer.byteLength(deployment.logs.get(id) ?? "");
    deployment.looks = [
      pipeline(),
      pipeline({}, [
        { state: "running", logBytes: logged(one?.id) },
        { state: "running", logBytes: logged(two?.id) },
      ]),
      pipeline({}, [{ state: "running", logBytes: logged(one?.id) + 3 }, trained(2)]),
      PASSED,
    ];
    deployment.meddle = ({ line }) => {
      if (line.endsWith(`${one?.id}/log`) && deployment.looks.length === 1) return false;
      if (deployment.looks.length === 2 && !deployment.logs.get(one?.id ?? "")?.endsWith("ne\n")) {
        deployment.logs.set(one?.id ?? "", `${deployment.logs.get(one?.id ?? "")}ne\n`);
      }
      return false;
    };
    expect(await runStep(runner.world)).toBe(0);
    expect(runner.log).toContain("::group::Log: pipeline running: 0 of 4 members done\n");
    expect(runner.log).toContain("member 1 | half a line\n");
    expect(runner.log).toContain(String.raw`member 2 | red \x1b[31m`);
    // What a runner would obey: every line that is not within a pause.
    const commands: string[] = [];
    let pause: string | undefined;
    for (const line of runner.log.split("\n")) {
      if (pause !== undefined) pause = line === `::${pause}::` ? undefined : pause;
      else if (line.startsWith("::stop-commands::")) pause = line.slice("::stop-commands::".length);
      else commands.push(line);
    }
    expect(pause).toBeUndefined();
    expect(commands.filter((line) => !/^::(add-mask|group|endgroup|notice)\b|^$/.test(line))).toEqual([]);
    expect(commands.filter((line) => line.startsWith("::group"))).toHaveLength(
      commands.filter((line) => line.startsWith("::endgroup")).length,
    );
  });

  it("masks its tokens before anything else is said, and replaces them before they end", async () => {
    deployment.looks = [pipeline()];
    let looks = 0;
    deployment.meddle = ({ line }) => {
      if (line.startsWith("GET /v1/jobs/") && ++looks === 120) deployment.looks = [PASSED];
      return false;
    };
    expect(await runStep(runner.world)).toBe(0);
    const shown = deployment.requests
      .map(({ headers }) => headers.authorization)
      .filter((field) => field !== undefined);
    const used = [...new Set(shown)];
    expect(used.length).toBeGreaterThan(1);
    expect(used).toHaveLength(tokens);
    for (const token of [...used.map((field) => field.slice("Bearer ".length)), github.token]) {
      expect(runner.log.split(token)).toHaveLength(2);
      expect(runner.log).toContain(`::add-mask::${token}\n`);
    }
    expect([...new Set(github.audiences)]).toEqual(["edgefuse"]);
  });

  it("asks with a new token where one is refused that was good until now", async () => {
    deployment.looks = [pipeline(), pipeline(), pipeline(), PASSED];
    const refused = new Set<string>();
    deployment.meddle = ({ line, headers }, response) => {
      if (!line.startsWith("GET /v1/jobs/") || deployment.looks.length > 2 || refused.size > 0) {
        return headers.authorization !== undefined && refused.has(headers.authorization)
          ? (problem(response, 401, "invalid-token"), true)
          : false;
      }
      refused.add(headers.authorization ?? "");
      problem(response, 401, "invalid-token");
      return true;
    };
    runner.onWait = () => (runner.time += 5_000);
    expect(await runStep(runner.world)).toBe(0);
    expect(tokens).toBe(2);
  });

  it("waits through an outage of the deployment, and says so once", async () => {
    deployment.looks = [pipeline(), pipeline(), PASSED];
    let failures = 0;
    deployment.meddle = ({ line }, response) => {
      if (!line.startsWith("GET /v1/jobs/") || deployment.looks.length > 1 || ++failures > 30) return false;
      problem(response, 503, "over-capacity");
      return true;
    };
    expect(await runStep(runner.world)).toBe(0);
    expect(runner.log.match(/::warning::/g)).toHaveLength(1);
    expect(runner.log).toContain("The deployment answers again.");
  });

  it("gives up on a deployment that stays away, and the post step cancels the job", async () => {
    deployment.looks = [pipeline()];
    let isAway = false;
    deployment.meddle = ({ line }, response) => {
      isAway ||= line.startsWith("GET /v1/jobs/");
      if (isAway) problem(response, 502, "unexpected-response");
      return isAway;
    };
    expect(await runStep(runner.world)).toBe(5);
    deployment.meddle = () => false;
    deployment.afterCancel = [CANCELLED];
    await runner.toPostStep();
    expect(await cleanUp(runner.world)).toBe(0);
    expect(deployment.lines()).toContain(`DELETE /v1/jobs/${PARENT}`);
  });
});

describe("a step that cannot begin", () => {
  it("says which spec is not taken, and why", async () => {
    deployment.meddle = (_, response) => {
      problem(response, 422, "malformed-request", "spec.train.models: a number, at least 2");
      return true;
    };
    expect(await runStep(runner.world)).toBe(3);
    expect(runner.log).toContain("::error title=edgefuse,file=job.json::Could not post the job: spec.train.models:");
  });

  it.each([
    [{ INPUT_URL: "http://fuse.example" }, "https address"],
    [{ INPUT_URL: "https://user:secret@fuse.example" }, "https address"],
    [{ INPUT_URL: "" }, "input url is missing"],
    [{ INPUT_TIMEOUT: "soon" }, "input timeout"],
    [{ INPUT_COMMENT: "maybe" }, "input comment"],
    [{ ACTIONS_ID_TOKEN_REQUEST_TOKEN: "" }, "id-token: write"],
  ])("exits with 2 for %j", async (environment, words) => {
    Object.assign(runner.environment, environment);
    expect(await runStep(runner.world)).toBe(2);
    expect(runner.log).toContain(words);
    expect(deployment.requests).toEqual([]);
    await runner.toPostStep();
    expect(await cleanUp(runner.world)).toBe(0);
  });

  it.each(["{", "[]"])("exits with 3 for the spec %s", async (text) => {
    await writeFile(join(runner.folder, "job.json"), text);
    expect(await runStep(runner.world)).toBe(3);
    expect(deployment.requests).toEqual([]);
  });

  it("exits with 4 where it is not let in", async () => {
    deployment.meddle = (_, response) => {
      problem(response, 403, "insufficient-scope");
      return true;
    };
    expect(await runStep(runner.world)).toBe(4);
  });
});

describe("the post step", () => {
  it("finds a job by its key that the main step posted without hearing of it", async () => {
    deployment.looks = [pipeline()];
    deployment.afterCancel = [CANCELLED];
    await runStep({
      ...runner.world,
      fetch: (input, init) => {
        if (init?.method === "POST") throw new Error("killed in the middle");
        return fetch(input, init);
      },
    });
    await runner.toPostStep();
    expect(runner.environment).not.toHaveProperty("STATE_job");
    expect(await cleanUp(runner.world)).toBe(0);
    expect(deployment.lines().slice(0, 2)).toEqual(["POST /v1/jobs", `DELETE /v1/jobs/${PARENT}`]);
    expect(deployment.requests[0]?.headers["idempotency-key"]).toBe(runner.environment["STATE_key"]);
  });

  it("says where the job may go on", async () => {
    Object.assign(runner.environment, { STATE_begun: "true", STATE_key: "k", STATE_job: PARENT });
    deployment.meddle = (_, response) => {
      problem(response, 500, "internal");
      return true;
    };
    expect(await cleanUp(runner.world)).toBe(5);
    expect(runner.log).toContain("It may go on until its time is over.");
  });
});
