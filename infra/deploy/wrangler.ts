import { spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";

export const PROJECT_ROOT = resolve(import.meta.dirname, "../..");
const WRANGLER = join(PROJECT_ROOT, "node_modules/wrangler/bin/wrangler.js");

export interface WranglerRun {
  readonly code: number;
  /** Standard output, and standard error after it. */
  readonly output: string;
}

export type RunWrangler = (wranglerArguments: readonly string[]) => Promise<WranglerRun>;

/** Runs the project's own wrangler in its root, never asking anything. */
export const runWrangler: RunWrangler = async (wranglerArguments) => {
  const child = spawn(process.execPath, [WRANGLER, ...wranglerArguments], {
    cwd: PROJECT_ROOT,
    env: { ...process.env, CI: "true", NO_COLOR: "1", WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const out: string[] = [];
  const errors: string[] = [];
  child.stdout.setEncoding("utf8").on("data", (text: string) => out.push(text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => errors.push(text));
  const [code] = (await once(child, "close")) as [number | null];
  return { code: code ?? 1, output: out.join("") + errors.join("") };
};

/** The same, for steps that must succeed. @throws Error with what wrangler said */
export async function mustRun(run: RunWrangler, wranglerArguments: readonly string[]): Promise<string> {
  const { code, output } = await run(wranglerArguments);
  if (code !== 0) throw new Error(`\`wrangler ${wranglerArguments.join(" ")}\` failed:\n${output.trim()}`);
  return output;
}
