import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bundleAction } from "../../../infra/github-action/bundle-action.ts";
import { jobSpec } from "../../../shared/jobs/spec.ts";
import { FakeRunner } from "../../support/action-world.ts";
import { type FakeGitHub, startFakeGitHub } from "../../support/fake-github.ts";
import { CANCELLED, PARENT, PASSED, pipeline } from "../../support/job-descriptions.ts";
import { type ScriptedDeployment, startScriptedDeployment } from "../../support/scripted-deployment.ts";

const root = join(import.meta.dirname, "../../..");
const action = join(root, "infra/github-action");
const ENTRY = join(action, "dist/index.js");

describe("the committed bundle", () => {
  it("is what the sources come to: `npm run action` changes nothing", async () => {
    const files = await bundleAction(root);
    expect((await readdir(join(action, "dist"))).sort()).toEqual(files.map(({ name }) => name).sort());
    for (const { name, text } of files) {
      // Not toBe: the difference of two bundles is of no use in a log.
      expect((await readFile(join(action, "dist", name), "utf8")) === text, `dist/${name} is old: npm run action`).toBe(
        true,
      );
    }
  });

  it("has nothing of this machine in it, and takes nothing but Node", async () => {
    const text = await readFile(ENTRY, "utf8");
    expect(text).not.toContain(root);
    const imports = [...text.matchAll(/(?:^|[;}\n])import\b[^;"]*"([^"]+)"/g)].map(([, name]) => name);
    expect(imports.length).toBeGreaterThan(0);
    expect(imports.filter((name) => !name?.startsWith("node:"))).toEqual([]);
  });
});

describe("the bundle as a process", () => {
  let github: FakeGitHub;
  let deployment: ScriptedDeployment;
  let runner: FakeRunner;
  beforeEach(async () => {
    github = await startFakeGitHub(() => Promise.resolve("an.identity.token"));
    deployment = await startScriptedDeployment();
    runner = await FakeRunner.open(deployment.url, github);
  });
  afterEach(async () => {
    await Promise.all([github.close(), deployment.close(), runner.close()]);
  });

  const start = () => {
    const step = spawn(process.execPath, [ENTRY], { env: runner.environment, stdio: ["ignore", "pipe", "inherit"] });
    step.stdout.setEncoding("utf8").on("data", (text: string) => (runner.log += text));
    return { step, ended: once(step, "close") as Promise<[number | null]> };
  };

  it("does a step, and nothing in the post step", async () => {
    deployment.looks = [pipeline(), PASSED];
    expect(await start().ended, runner.log).toEqual([0, null]);
    expect(github.comments.get(12)).toHaveLength(1);
    await runner.toPostStep();
    const before = deployment.requests.length;
    expect(await start().ended).toEqual([0, null]);
    expect(deployment.requests).toHaveLength(before);
  });

  it.each(["SIGINT", "SIGTERM"] as const)(
    "cancels the job on %s, and ends within the runner's patience",
    async (signal) => {
      deployment.looks = [pipeline()];
      deployment.afterCancel = [pipeline({ cancelRequested: true })];
      const { step, ended } = start();
      await expect
        .poll(() => deployment.lines().filter((line) => line === `GET /v1/jobs/${PARENT}`).length, { timeout: 20_000 })
        .toBeGreaterThan(0);
      step.kill(signal);
      // The runner asks a second time.
      await expect.poll(() => deployment.lines(), { timeout: 20_000 }).toContain(`DELETE /v1/jobs/${PARENT}`);
      step.kill("SIGTERM");
      expect(await ended, runner.log).toEqual([130, null]);
      deployment.afterCancel = [CANCELLED];
      await runner.toPostStep();
      expect(await start().ended).toEqual([0, null]);
      expect(github.comments.get(12)?.[0]?.body).toContain("The pipeline was cancelled");
    },
  );
});

describe("the description of the action", () => {
  const section = (text: string, name: string) =>
    new RegExp(`^${name}:\\n((?: .*\\n|\\n)+)`, "m").exec(text)?.[1] ?? "";
  const keys = (text: string) => [...text.matchAll(/^ {2}([\w-]+):/gm)].map(([, key]) => key);

  it("names the inputs and outputs that there are", async () => {
    const text = await readFile(join(action, "action.yml"), "utf8");
    expect(keys(section(text, "inputs"))).toEqual(["url", "spec", "audience", "comment", "timeout", "github-token"]);
    const { outputsOf } = await import("../../../infra/github-action/src/tell.ts");
    expect(keys(section(text, "outputs"))).toEqual(Object.keys(outputsOf(PASSED, "ended", "https://fuse.example")));
    expect(text).toMatch(/using: node24\n {2}main: dist\/index\.js\n/);
    expect(text).toMatch(/post: dist\/index\.js\n {2}post-if: always\(\)\n/);
  });

  it("is used rightly by the example workflows, whose specs are specs", async () => {
    const text = await readFile(join(action, "action.yml"), "utf8");
    const inputs = keys(section(text, "inputs"));
    const outputs = keys(section(text, "outputs"));
    const names = await readdir(join(action, "examples"));
    for (const name of names.filter((file) => file.endsWith(".yml"))) {
      const workflow = await readFile(join(action, "examples", name), "utf8");
      expect(workflow, name).toMatch(/uses: owner\/edgefuse\/infra\/github-action@v1/);
      expect(workflow, name).toMatch(/^permissions:\n(?: {2}.*\n)*? {2}id-token: write\n/m);
      expect(workflow, name).not.toMatch(/secrets\./);
      expect(workflow, name).not.toContain("\t");
      const [, given = ""] = /infra\/github-action@v1\n +with:\n((?: {10}.*\n)+)/.exec(workflow) ?? [];
      const used = [...given.matchAll(/^ +([\w-]+):/gm)].map(([, key]) => key);
      expect(used, name).toEqual(expect.arrayContaining(["url", "spec"]));
      expect(inputs, name).toEqual(expect.arrayContaining(used));
      for (const [, output] of workflow.matchAll(/steps\.\w+\.outputs\.([\w-]+)/g)) expect(outputs).toContain(output);
      for (const [, spec = ""] of workflow.matchAll(/training\/([\w.-]+\.json)/g)) expect(names).toContain(spec);
    }
    for (const name of names.filter((file) => file.endsWith(".json"))) {
      const spec: unknown = JSON.parse(await readFile(join(action, "examples", name), "utf8"));
      expect(jobSpec.safeParse(spec).error, name).toBeUndefined();
    }
  });
});
