import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { hostname, tmpdir, totalmem } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { claimRequest, type ParsedClaim } from "../../shared/api/jobs.ts";
import { jobLabel } from "../../shared/jobs/spec.ts";
import { runAgent } from "../agent/agent.ts";
import type { AgentWorld } from "../agent/agent-world.ts";
import { startChild } from "../agent/child.ts";
import { connectAgent } from "../agent/connect-agent.ts";
import type { JobBackend } from "../agent/job-words.ts";
import { BACKEND_CHOICES, type ChosenBackend, chooseBackend } from "../backend/choose-backend.ts";
import { defineCommand } from "../command-line/command.ts";
import { choice, flag, optional, repeated, text, type ValueOption } from "../command-line/options.ts";
import { DATASET_NAMES } from "../data/registry.ts";
import { Failure } from "../failure.ts";
import { workerAccess } from "../remote/connect.ts";

const MILLISECONDS = { s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** `90s`, `10m`, `2h`, as milliseconds. */
function timeSpan(description: { readonly help: string; readonly fallback?: string }): ValueOption<number> {
  return {
    kind: "value",
    placeholder: "TIME",
    ...description,
    parse(given) {
      const [, digits = "", unit = ""] = /^(\d{1,6})([smh])$/.exec(given) ?? [];
      const milliseconds = Number(digits) * (MILLISECONDS[unit as keyof typeof MILLISECONDS] ?? Number.NaN);
      if (!(milliseconds > 0)) throw new Error("a time such as 90s, 10m or 2h");
      return milliseconds;
    },
  };
}

const label: ValueOption<string> = {
  kind: "value",
  placeholder: "LABEL",
  help: "what this agent has; jobs that ask for labels go to agents that have them all",
  parse(given) {
    const parsed = jobLabel.safeParse(given);
    if (!parsed.success) throw new Error(parsed.error.issues[0]?.message ?? "a label");
    return parsed.data;
  },
};

/** `mnist=/data/mnist`. */
const dataFolder: ValueOption<readonly [string, string]> = {
  kind: "value",
  placeholder: "NAME=DIR",
  help: "folder of a dataset on this machine; jobs name datasets, never folders",
  parse(given) {
    const [, name = "", folder = ""] = /^([^=]+)=(.+)$/s.exec(given) ?? [];
    if (!DATASET_NAMES.includes(name)) throw new Error(`a dataset and its folder, such as mnist=DIR`);
    return [name, resolve(folder)];
  },
};

export const agent = defineCommand({
  name: "agent",
  summary: "do jobs that a worker gives out",
  description:
    "Asks the worker at EDGEFUSE_URL for jobs, with EDGEFUSE_TOKEN (scope agent), and runs the trainer for each in a\n" +
    "process of its own, which sees neither token nor credentials. Sends log, progress and states on the way; a job whose\n" +
    "agent is gone goes on with another from its last state, to the same bytes. A cancel reaches the process within one\n" +
    "heartbeat: it saves its state and ends, or is killed after the grace that its spec gives.\n\n" +
    "SIGTERM and Ctrl-C hand the job back and end the agent: with 0, or with 75 where it was to do just that one job\n" +
    "(--once). A second signal ends everything at once. A supervisor must send the signal to the agent alone\n" +
    "(systemd: KillMode=mixed), and allow for the grace of the jobs.",
  options: {
    url: optional(text({ help: "address of the worker, instead of EDGEFUSE_URL", placeholder: "URL" })),
    once: flag("end after one job"),
    "max-idle": optional(timeSpan({ help: "end after so long without a job (default: stay)" })),
    backend: choice(BACKEND_CHOICES, {
      help: "what jobs may compute on; auto: a GPU if there is one, and the CPU",
      fallback: "auto",
    }),
    label: repeated(label),
    name: optional(text({ help: "of this agent, unlike any other's (default: host and a random number)" })),
    "work-dir": optional(text({ help: "folder for what jobs write (default: a temporary one)", placeholder: "DIR" })),
    data: repeated(dataFolder),
    "state-every": timeSpan({ help: "how often a changed state is uploaded", fallback: "60s" }),
    patience: timeSpan({ help: "how long a job goes on while the worker does not answer", fallback: "15m" }),
  },
  examples: [
    { what: "on a GPU box, for good", line: "edgefuse agent --url https://fuse.example --backend webgpu --label gpu" },
    { what: "one job of a queue, as a container", line: "edgefuse agent --once --max-idle 10m" },
    { what: "with data that is there already", line: "edgefuse agent --data mnist=/data/mnist" },
  ],
  async run(values, _operands, context) {
    const { terminal, signal } = context;
    const { url, once } = values;
    const environment = url === undefined ? context.environment : { ...context.environment, EDGEFUSE_URL: url };
    const access = workerAccess(environment);
    const { origin } = new URL(access.url);
    const backend = await chooseBackend(values.backend);
    const backends = backendsOf(values.backend, backend);
    const request = requestOf(values.name, backends, values.label);
    const folder = await openWorkFolder(values["work-dir"], request.agent);
    terminal.note(`${request.agent}: jobs of ${origin} on ${backends.join(", ")}; ${backend.reason}`);
    const world: AgentWorld = {
      backends,
      data: new Map(values.data),
      workFolder: folder.path,
      environment,
      startChild,
      stateInterval: values["state-every"],
      logInterval: 1_000,
      patience: values.patience,
      wait: (milliseconds, until) => sleep(milliseconds, undefined, { signal: until }).catch(() => undefined),
      now: () => performance.now(),
      note: (line) => terminal.note(line),
      stop: signal,
    };
    const deployment = connectAgent(access, { ...context, environment }, request);
    try {
      const { ends, reached } = await deployment.ask(() =>
        runAgent(deployment.claim, { once, maxIdle: values["max-idle"] }, world, Math.random),
      );
      if (!reached && !signal.aborted) throw new Failure("unreachable", `${origin} did not answer.`);
      const count = `${ends.length} job${ends.length === 1 ? "" : "s"}`;
      terminal.result({ event: "ended", agent: request.agent, jobs: ends }, `${request.agent} ended after ${count}`);
      if (once && ends.some(({ kind }) => kind === "handed-back")) {
        throw new Failure("resume-me", "Stopped: the job was handed back, and goes on with another agent.");
      }
    } finally {
      await folder.close();
    }
  },
});

/** With `auto`, an agent that has a GPU also does jobs that ask for the CPU. */
function backendsOf(asked: (typeof BACKEND_CHOICES)[number], { name }: ChosenBackend): JobBackend[] {
  return asked === "auto" && name === "webgpu" ? ["webgpu", "wasm"] : [name];
}

/** @throws Failure `usage` */
function requestOf(name: string | undefined, backends: JobBackend[], labels: readonly string[]): ParsedClaim {
  const host = hostname()
    .replaceAll(/[^A-Za-z0-9._-]/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "")
    .slice(0, 80);
  const request = claimRequest.safeParse({
    agent: name ?? `${host || "agent"}-${randomBytes(4).toString("hex")}`,
    capabilities: { backends, memoryBytes: memoryBytes(), labels: [...new Set(labels)] },
  });
  if (request.success) return request.data;
  const [issue] = request.error.issues;
  throw new Failure("usage", `--${issue?.path[0] === "agent" ? "name" : "label"}: ${issue?.message ?? "not valid"}.`);
}

/** Of this machine, or what its container may take of it. */
function memoryBytes(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

const JOB_FOLDER = /^[0-9A-Z]{26}-\d+$/;

/** The folder for this agent's jobs. What a former life of the agent left there goes: jobs go on from what was uploaded. */
async function openWorkFolder(
  given: string | undefined,
  name: string,
): Promise<{ readonly path: string; close(): Promise<void> }> {
  if (given === undefined) {
    const path = await mkdtemp(join(tmpdir(), "edgefuse-agent-"));
    return { path, close: () => rm(path, { recursive: true, force: true }) };
  }
  const path = resolve(given, name.replaceAll(":", "_"));
  await mkdir(path, { recursive: true, mode: 0o700 });
  for (const left of await readdir(path)) {
    if (JOB_FOLDER.test(left)) await rm(join(path, left), { recursive: true, force: true });
  }
  return { path, close: () => Promise.resolve() };
}
