/**
 * `npm run bench [-- NAME …]`: timings, each comparing things in one run. Absolute figures depend on the machine and on
 * what else it does; ratios are what to read.
 */
interface Bench {
  readonly summary: string;
  /** Takes minutes: it runs only where it is named. */
  readonly onlyByName?: boolean;
  run(): Promise<unknown>;
}

const BENCHES: Readonly<Record<string, Bench>> = {
  average: {
    summary: "averaging kernels against tfjs element-wise operations and plain loops",
    run: async () => (await import("./averaging.ts")).benchAveraging(),
  },
  methods: {
    summary: "every kind of method against linear, in memory",
    run: async () => (await import("./methods.ts")).benchMethods(),
  },
  train: {
    summary: "training steps: masked, plain, stock tfjs-wasm and PyTorch; and two models in parallel",
    run: async () => (await import("./training.ts")).benchTraining(),
  },
  memory: {
    summary: "what fusing 8 x 2 GiB holds at a time",
    run: async () => (await import("./memory.ts")).benchMemory(),
  },
  serve: {
    summary: "serving models, ranges and 304s over loopback against a bare Hono route that sends as many bytes",
    run: async () => (await import("./serve.ts")).benchServing(),
  },
  "serve-fuse": {
    summary: "fusing two objects through workerd and local R2 against copying one",
    run: async () => (await import("./fuse-through-worker.ts")).benchFuseThroughWorker(),
  },
  "serve-methods": {
    summary: "slerp and TIES through workerd and local R2 against linear over the same files",
    run: async () => (await import("./methods-through-worker.ts")).benchMethodsThroughWorker(),
  },
  probe: {
    summary: "an 11-point probe of two 122 k CNNs on 2000 images: worker, Node, and PyTorch on one core",
    run: async () => (await import("./probe.ts")).benchProbe(),
  },
  jobs: {
    summary: "the queue on local D1: 1000 queued jobs claimed by 50 agents, and their heartbeats",
    run: async () => (await import("./jobs.ts")).benchJobs(),
  },
  large: {
    summary: "3 x 512 MiB in a Workflow that is killed half-way (minutes)",
    onlyByName: true,
    run: async () => (await import("./large-workflow.ts")).benchLargeWorkflow(),
  },
};

const names = process.argv.slice(2);
const unknown = names.filter((name) => !Object.hasOwn(BENCHES, name));
if (unknown.length > 0 || names.includes("--help")) {
  process.stderr.write(`usage: npm run bench [-- NAME …]\n`);
  for (const [name, { summary }] of Object.entries(BENCHES)) process.stderr.write(`  ${name.padEnd(12)}${summary}\n`);
  process.exit(names.includes("--help") ? 0 : 2);
}
let failed = false;
for (const [name, { summary, onlyByName = false, run }] of Object.entries(BENCHES)) {
  if (names.length === 0 ? onlyByName : !names.includes(name)) continue;
  process.stdout.write(`\n${name}: ${summary}\n`);
  try {
    await run();
  } catch (error) {
    // Emscripten's handler of uncaught errors would print its whole source first.
    failed = true;
    process.stderr.write(`${name} failed: ${error instanceof Error ? error.message : String(error)}\n`);
  }
}
process.exit(failed ? 1 : 0);
