import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { parseCommand, shellWords } from "../support/parse-command.ts";
import { readYaml } from "../support/yaml-files.ts";

const ROOT = join(import.meta.dirname, "../..");
const PATH = join(ROOT, "infra/skypilot/agent.yaml");
const variable = z.string().regex(/^[A-Z_][A-Z0-9_]*$/);

/** The fields of a task that are used, after SkyPilot's YAML reference (0.10); an unknown one is a mistake. */
const task = z.strictObject({
  name: z.string().regex(/^[a-z]([a-z0-9-]*[a-z0-9])?$/),
  resources: z.strictObject({
    accelerators: z.array(z.string().regex(/^[A-Za-z0-9-]+:\d+$/)).min(1),
    cpus: z.string().regex(/^\d+\+?$/),
    memory: z.string().regex(/^\d+\+?$/),
    disk_size: z.int().min(32),
    use_spot: z.boolean(),
    job_recovery: z.strictObject({
      strategy: z.enum(["FAILOVER", "EAGER_NEXT_REGION"]),
      max_restarts_on_errors: z.int().min(0),
    }),
  }),
  envs: z.record(variable, z.string()),
  // Null: to be given with --secret, which takes it from the environment.
  secrets: z.record(variable, z.null()),
  file_mounts: z.record(z.string().startsWith("~/"), z.string()),
  setup: z.string(),
  run: z.string(),
});

const [given, ...more] = await readYaml(PATH);

describe("the SkyPilot task", () => {
  const { envs, secrets, file_mounts: mounts, setup, run, resources } = task.parse(given);

  it("is one task, of fields that SkyPilot has", () => {
    expect(more).toEqual([]);
    expect(task.safeParse({ ...(given as object), resource: {} }).success).toBe(false);
  });

  it("starts an agent with options that it has, which ends when there is nothing to do", async () => {
    const [exec, program = "", ...words] = shellWords(run.trim());
    expect(exec).toBe("exec");
    const { command, values } = await parseCommand(words);
    expect(command).toBe("agent");
    expect(values).toMatchObject({ backend: "webgpu", label: ["gpu"], once: false, "max-idle": 600_000 });
    const [[target = "", source] = []] = Object.entries(mounts);
    expect(program).toBe(`${target}/edgefuse`);
    // What `npm run bundle` makes, relative to where the command is given.
    expect(await readFile(join(ROOT, "infra/bundle/main.ts"), "utf8")).toContain(`"${source}"`);
  });

  it("is sound shell", () => {
    for (const script of [setup, run]) {
      const { status, stderr } = spawnSync("/bin/sh", ["-n"], { input: script, encoding: "utf8" });
      expect(status, stderr).toBe(0);
    }
  });

  it("takes the token as a secret, and has none itself", () => {
    expect(secrets).toEqual({ EDGEFUSE_TOKEN: null });
    expect(Object.keys(envs)).toEqual(["EDGEFUSE_URL"]);
    expect(run + setup).not.toMatch(/TOKEN|ef_/);
  });

  it("rents what may be taken back, and does not rent again for a mistake", () => {
    expect(resources.use_spot).toBe(true);
    expect(resources.job_recovery.max_restarts_on_errors).toBe(0);
  });
});
