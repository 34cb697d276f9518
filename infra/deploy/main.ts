/** `npm run deploy`: see HELP. */
import { parseArgs } from "node:util";
import { describeSize, measureWorker, overBudget } from "./budgets.ts";
import { checkEnvironment, readConfiguration } from "./environments.ts";
import { deploy } from "./steps.ts";
import { PROJECT_ROOT, runWrangler } from "./wrangler.ts";

const HELP = `Deploys the worker to Cloudflare.

Usage: npm run deploy -- --env staging|production [--dry-run]

  --env NAME  an environment of wrangler.toml; with --dry-run all of them where it is left out
  --dry-run   builds and checks what would be deployed, offline, and changes nothing

Secrets that the deployment does not have yet are taken from the environment: EDGEFUSE_ADMIN_TOKEN (required),
EDGEFUSE_LINK_SECRET, EDGEFUSE_S3_ACCESS_KEY_ID and EDGEFUSE_S3_SECRET_ACCESS_KEY. See docs/deployment.md.
`;

const { values } = parseArgs({
  options: {
    env: { type: "string" },
    "dry-run": { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

const say = (line: string) => process.stdout.write(`${line}\n`);

if (values.help) {
  process.stdout.write(HELP);
} else {
  try {
    await main(values.env, values["dry-run"]);
  } catch (error) {
    process.stderr.write(`edgefuse: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}

async function main(env: string | undefined, isDryRun: boolean): Promise<void> {
  const configuration = await readConfiguration(PROJECT_ROOT);
  if (env === undefined && !isDryRun) throw new Error("name an environment: --env staging or --env production");
  const names = env === undefined ? Object.keys(configuration.env) : [env];
  for (const name of names) {
    say(`${name}`);
    const findings = checkEnvironment(configuration, name);
    for (const { kind, text } of findings) say(`  ${kind === "mistake" ? "mistake" : "to be filled in"}: ${text}`);
    if (findings.some(({ kind }) => kind === "mistake")) throw new Error(`wrangler.toml is not right for ${name}`);
    const size = await measureWorker(runWrangler, name);
    say(`  ${describeSize(size)}`);
    const [excess] = overBudget(size);
    if (excess !== undefined) throw new Error(excess);
    const environment = configuration.env[name];
    say(`  secrets it needs: ${environment?.secrets.required.join(", ")}`);
    if (isDryRun || environment === undefined) continue;
    if (findings.length > 0) throw new Error(`fill in wrangler.toml for ${name} first`);
    const run = { name, environment, variables: process.env, run: runWrangler };
    await deploy({ ...run, say: (line) => say(`  ${line}`) });
    say(`  deployed${environment.routes.map(({ pattern }) => `: https://${pattern}/healthz says whether it is up`)}`);
  }
  if (isDryRun) say("nothing was changed");
}
