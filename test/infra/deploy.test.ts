import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { measureWorker, MOST_START_MS, MOST_STARTS, overBudget } from "../../infra/deploy/budgets.ts";
import { checkEnvironment, readConfiguration } from "../../infra/deploy/environments.ts";
import { deploy, newSecrets } from "../../infra/deploy/steps.ts";
import type { RunWrangler } from "../../infra/deploy/wrangler.ts";

const ROOT = join(import.meta.dirname, "../..");
const TOKEN = "0123456789abcdef0123456789abcdef";
const configuration = await readConfiguration(ROOT);

describe("the environments of wrangler.toml", () => {
  it("are staging and production, right but for what every account fills in itself", () => {
    expect(Object.keys(configuration.env)).toEqual(["staging", "production"]);
    const texts = (name: string) => checkEnvironment(configuration, name).map(({ kind, text }) => `${kind}: ${text}`);
    expect(texts("staging")).toEqual([expect.stringContaining("placeholder: the database_id of CATALOG")]);
    expect(texts("production")).toEqual([
      expect.stringContaining("placeholder: the database_id of CATALOG"),
      expect.stringContaining("placeholder: the host edgefuse.example.com"),
    ]);
  });

  it("are refused where a binding is missing, a store is shared, or nobody could reach them", () => {
    const production = configuration.env["production"];
    if (production === undefined) throw new Error("there is no production");
    const mistakes = (changed: Partial<typeof production>) =>
      checkEnvironment(
        { ...configuration, env: { ...configuration.env, production: { ...production, ...changed } } },
        "production",
      )
        .filter(({ kind }) => kind === "mistake")
        .map(({ text }) => text);
    expect(mistakes({})).toEqual([]);
    expect(mistakes({ workflows: production.workflows.slice(1) })).toEqual([expect.stringContaining("FUSE_WORKFLOW")]);
    expect(mistakes({ r2_buckets: configuration.r2_buckets })).toEqual([expect.stringContaining("shares BUCKET")]);
    expect(mistakes({ routes: [] })).toEqual([expect.stringContaining("neither routes nor workers_dev")]);
    expect(mistakes({ secrets: { required: [] } })).toEqual([expect.stringContaining("EDGEFUSE_ADMIN_TOKEN")]);
    expect(checkEnvironment(configuration, "nowhere")).toMatchObject([{ kind: "mistake" }]);
  });

  it("have rules that end multipart uploads after a week, and touch nothing that the catalog knows", async () => {
    const { rules } = JSON.parse(await readFile(join(ROOT, "infra/deploy/lifecycle.json"), "utf8")) as {
      rules: {
        conditions: { prefix: string };
        deleteObjectsTransition?: unknown;
        abortMultipartUploadsTransition?: { condition: { maxAge: number } };
      }[];
    };
    const everything = rules.find(({ conditions }) => conditions.prefix === "");
    expect(everything?.abortMultipartUploadsTransition?.condition.maxAge).toBe(7 * 86_400);
    const deleting = rules.filter(({ deleteObjectsTransition }) => deleteObjectsTransition !== undefined);
    expect(deleting.map(({ conditions }) => conditions.prefix)).toEqual(["staging/", "incoming/"]);
  });
});

describe("secrets", () => {
  const required = ["EDGEFUSE_ADMIN_TOKEN"];

  it("are taken from the environment where the deployment has none, and needed", () => {
    expect(newSecrets(required, new Set(), { EDGEFUSE_ADMIN_TOKEN: TOKEN })).toEqual({ EDGEFUSE_ADMIN_TOKEN: TOKEN });
    expect(newSecrets(required, new Set(required), {})).toEqual({});
    for (const variables of [{}, { EDGEFUSE_ADMIN_TOKEN: "" }]) {
      expect(() => newSecrets(required, new Set(), variables)).toThrow("EDGEFUSE_ADMIN_TOKEN");
    }
  });

  it("are refused where they are short, or half a pair", () => {
    expect(() => newSecrets(required, new Set(), { EDGEFUSE_ADMIN_TOKEN: "secret" })).toThrow("fewer than 32");
    expect(() => newSecrets(required, new Set(required), { EDGEFUSE_S3_ACCESS_KEY_ID: "id" })).toThrow("together");
  });
});

describe("a deployment", () => {
  const environment = configuration.env["staging"];
  if (environment === undefined) throw new Error("there is no staging");

  /** A wrangler that does nothing but remember, and look into the file of secrets while it is there. */
  function recorder(answers: (command: string) => { code: number; output: string } | undefined = () => undefined) {
    const commands: string[] = [];
    let secrets: { text: string; mode: number; file: string } | undefined;
    const run: RunWrangler = async (given) => {
      const at = given.indexOf("--secrets-file");
      const file = given[at + 1];
      if (at >= 0 && file !== undefined) {
        secrets = { text: await readFile(file, "utf8"), mode: (await stat(file)).mode & 0o777, file };
      }
      const command = given.filter((_, index) => at < 0 || index !== at + 1).join(" ");
      commands.push(command);
      return answers(command) ?? { code: 0, output: "[]" };
    };
    return { commands, run, secrets: () => secrets };
  }

  const deployWith = (run: RunWrangler, variables: Record<string, string>) =>
    deploy({ name: "staging", environment, variables, run, say: () => undefined });

  it("does all steps in order, and hands the secret over in a file that is gone afterwards", async () => {
    const { commands, run, secrets } = recorder((command) =>
      command.startsWith("r2 bucket info") ? { code: 1, output: "no such bucket" } : undefined,
    );
    await deployWith(run, { EDGEFUSE_ADMIN_TOKEN: TOKEN });
    expect(commands).toEqual([
      "whoami",
      "secret list --format json --env staging",
      "r2 bucket info edgefuse-staging",
      "r2 bucket create edgefuse-staging",
      "r2 bucket lifecycle set edgefuse-staging --file infra/deploy/lifecycle.json --force",
      "d1 migrations apply CATALOG --remote --env staging",
      "deploy --env staging --secrets-file",
    ]);
    expect(secrets()).toMatchObject({ text: JSON.stringify({ EDGEFUSE_ADMIN_TOKEN: TOKEN }), mode: 0o600 });
    await expect(stat(secrets()?.file ?? "")).rejects.toThrow("ENOENT");
    expect(commands.join()).not.toContain(TOKEN);
  });

  it("keeps the secrets that are there", async () => {
    const { commands, run } = recorder((command) =>
      command.startsWith("secret list")
        ? { code: 0, output: 'note\n[{"name":"EDGEFUSE_ADMIN_TOKEN","type":"secret_text"}]\n' }
        : undefined,
    );
    await deployWith(run, {});
    expect(commands.at(-1)).toBe("deploy --env staging");
  });

  it("changes nothing without its admin secret, or without an account", async () => {
    const withoutSecret = recorder();
    await expect(deployWith(withoutSecret.run, {})).rejects.toThrow("EDGEFUSE_ADMIN_TOKEN");
    expect(withoutSecret.commands).toEqual(["whoami", "secret list --format json --env staging"]);
    const withoutAccount = recorder(() => ({ code: 1, output: "not logged in" }));
    await expect(deployWith(withoutAccount.run, { EDGEFUSE_ADMIN_TOKEN: TOKEN })).rejects.toThrow("not logged in");
    expect(withoutAccount.commands).toEqual(["whoami"]);
  });

  it("stops at the step that fails", async () => {
    const { commands, run } = recorder((command) =>
      command.startsWith("d1 migrations") ? { code: 1, output: "no such database" } : undefined,
    );
    await expect(deployWith(run, { EDGEFUSE_ADMIN_TOKEN: TOKEN })).rejects.toThrow("no such database");
    expect(commands.at(-1)).toMatch(/^d1 migrations/);
  });
});

describe("the budgets", () => {
  const answering = (...starts: (number | undefined)[]): RunWrangler => {
    const left = [...starts];
    return async ([command]) => {
      if (command === "deploy") return { code: 0, output: "Total Upload: 1977.30 KiB / gzip: 550.59 KiB" };
      const start = left.shift();
      return start === undefined
        ? { code: 1, output: "Worker startup profiling timed out after 10 seconds." }
        : { code: 0, output: `  Active: ${start.toFixed(1)} ms (including 2.0 ms garbage collection)` };
    };
  };

  it("take the fastest start, and measure no more than it takes", async () => {
    const size = await measureWorker(answering(400, undefined, 120, 90));
    expect(size).toEqual({ gzipBytes: 550.59 * 1024, starts: [400, Infinity, 120] });
    expect(overBudget(size)).toEqual([]);
  });

  it("are exceeded by a start that is never fast enough, and by a bundle that is too large", async () => {
    const size = await measureWorker(answering(...Array.from({ length: MOST_STARTS }, () => MOST_START_MS + 1)));
    expect(size.starts).toHaveLength(MOST_STARTS);
    expect(overBudget(size)).toEqual([expect.stringContaining("151 ms")]);
    expect(overBudget({ gzipBytes: 700_001, starts: [1] })).toEqual([expect.stringContaining("bundle")]);
  });
});
