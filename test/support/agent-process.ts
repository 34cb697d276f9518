import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { JobDescription } from "../../shared/api/jobs.ts";
import type { TrainOptions } from "../../shared/jobs/train-options.ts";
import { MAIN, runCli } from "../trainer/commands/run-cli.ts";

/** A deployment, and where agents of this machine have their things. */
export interface AgentPlace {
  readonly url: string;
  readonly token: string;
  /** Folder of the dataset `shards`. */
  readonly data: string;
  readonly workFolder: string;
}

/** `edgefuse agent` in a process of its own, as it is deployed. */
export class AgentProcess {
  readonly #process: ChildProcess;
  /** Its exit code. */
  readonly ended: Promise<number | null>;
  /** What it has printed. */
  output = "";

  /** @param words more of its command line */
  constructor({ url, token, data, workFolder }: AgentPlace, ...words: readonly string[]) {
    const place = ["--data", `shards=${data}`, "--backend", "wasm", "--work-dir", workFolder, "--state-every", "1s"];
    this.#process = spawn(process.execPath, [MAIN, "agent", ...place, ...words], {
      env: { PATH: process.env["PATH"] ?? "", EDGEFUSE_URL: url, EDGEFUSE_TOKEN: token },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => (this.output += text));
    }
    this.ended = new Promise((resolve) => {
      this.#process.on("close", (code) => resolve(code));
    });
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name);
  }

  /** Ends it outright, if it has not ended. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.ended;
  }
}

/** What is trained: long enough to be caught in the middle, since the state is saved at every step. */
export const LONG_TRAINING = {
  dataset: "shards",
  models: 1,
  name: "fam",
  hidden: "24,16",
  batch: 8,
  epochs: 25,
  optimizer: "adamw",
  schedule: "cosine",
  warmup: 9,
  "checkpoint-every": "1",
  "keep-best": true,
} as const satisfies TrainOptions;

/** Steps of {@link LONG_TRAINING}. */
export const LONG_STEPS = 750;

export const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/**
 * Runs the command line of {@link LONG_TRAINING} by hand; where something is there already, it goes on from that.
 * @returns SHA-256 of each checkpoint by its file name
 */
export async function trainByHand(
  { data }: Pick<AgentPlace, "data">,
  out: string,
  { epochs = LONG_TRAINING.epochs }: { readonly epochs?: number } = {},
): Promise<{ readonly digests: Record<string, string>; readonly stderr: string }> {
  const words = Object.entries({ ...LONG_TRAINING, epochs }).map(([name, value]) =>
    value === true ? `--${name}` : `--${name}=${value}`,
  );
  const { code, stderr } = await runCli(["train", ...words, "--data-dir", data, "--backend", "wasm", "--out", out]);
  if (code !== 0) throw new Error(stderr);
  const names = (await readdir(out)).filter((name) => name.endsWith(".safetensors") && !name.startsWith("."));
  const files = names.map(async (name) => [name, sha256(await readFile(join(out, name)))] as const);
  return { digests: Object.fromEntries(await Promise.all(files)), stderr };
}

/** Waits until a job is as asked; a test's own time limit is the limit. */
export async function jobWhere(
  look: () => Promise<JobDescription>,
  holds: (job: JobDescription) => boolean,
): Promise<JobDescription> {
  for (;;) {
    const job = await look();
    if (holds(job)) return job;
    await sleep(100);
  }
}

export const isOver = ({ state }: JobDescription) => !["queued", "leased", "running"].includes(state);
export const hasState = ({ files }: JobDescription) => files.some(({ name }) => name.endsWith(".state.safetensors"));

/** SHA-256 of each checkpoint that a job made, by its file name. */
export const madeBy = ({ outputs }: JobDescription): Record<string, string> =>
  Object.fromEntries(outputs.map(({ name, checkpoint }) => [name ?? "", String(checkpoint)]));
