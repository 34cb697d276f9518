import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

const JOBS = 1_000;
const AGENTS = 50;
const HEARTBEATS = 3_000;
/** Entered at once; claiming is what is measured, not posting. */
const JOBS_A_BATCH = 50;

/**
 * The queue under load: 50 agents claim 1 000 queued jobs through workerd and local D1, each as fast as it is answered,
 * then show signs of life. Every job is claimed once, or the bench fails.
 */
export async function benchJobs(): Promise<void> {
  const worker = await startWorker({ vars: { EDGEFUSE_HEARTBEAT_SECONDS: "600" } });
  try {
    const posted = await timed(() => postJobs(worker));
    print("posts", JOBS, posted);

    const leases: Lease[] = [];
    const claimed = await timed((latencies) =>
      inParallel(AGENTS, async (agent) => {
        for (;;) {
          const lease = await latency(latencies, () => claim(worker, `agent-${agent}`));
          if (lease === undefined) return;
          leases.push(lease);
        }
      }),
    );
    const distinct = new Set(leases.map(({ id }) => id)).size;
    if (leases.length !== JOBS || distinct !== JOBS) {
      throw new Error(`${leases.length} claims of ${distinct} jobs, where ${JOBS} were queued`);
    }
    print(`claims by ${AGENTS} agents`, JOBS, claimed);

    let beats = 0;
    const beaten = await timed((latencies) =>
      inParallel(AGENTS, async () => {
        for (let number = beats++; number < HEARTBEATS; number = beats++) {
          const lease = leases[number % leases.length];
          if (lease !== undefined) await latency(latencies, () => beat(worker, lease));
        }
      }),
    );
    print("heartbeats of running jobs", HEARTBEATS, beaten);

    const idle = await timed((latencies) =>
      inParallel(AGENTS, async (agent) => {
        for (let number = 0; number < 10; number++) await latency(latencies, () => claim(worker, `agent-${agent}`));
      }),
    );
    print("claims of an empty queue", AGENTS * 10, idle);
  } finally {
    await worker.close();
  }
}

interface Lease {
  readonly id: string;
  readonly token: string;
}

interface Timing {
  readonly seconds: number;
  /** Milliseconds, of each request. */
  readonly latencies: readonly number[];
}

async function postJobs(worker: WorkerHarness): Promise<void> {
  for (let first = 0; first < JOBS; first += JOBS_A_BATCH) {
    await inParallel(JOBS_A_BATCH, async (index) => {
      const spec = { version: 1, kind: "train", labels: { number: String(first + index) } };
      await json(worker, "/v1/jobs", { spec });
    });
  }
}

async function claim(worker: WorkerHarness, agent: string): Promise<Lease | undefined> {
  const capabilities = { backends: ["wasm"], memoryBytes: 2 ** 30, labels: ["bench"] };
  const answer = await json<{ job: { id: string }; lease: { token: string } }>(worker, "/v1/jobs/claim", {
    agent,
    capabilities,
  });
  return answer === undefined ? undefined : { id: answer.job.id, token: answer.lease.token };
}

async function beat(worker: WorkerHarness, { id, token }: Lease): Promise<void> {
  const body = { progress: { done: 1, total: 10, unit: "epochs" } };
  await json(worker, `/v1/jobs/${id}/heartbeat`, body, { "edgefuse-lease": token });
}

/** @returns undefined for 204 */
async function json<Answer>(
  worker: WorkerHarness,
  path: string,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer | undefined> {
  const response = await worker.fetch(path, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.status === 204 ? undefined : ((await response.json()) as Answer);
}

async function timed(work: (latencies: number[]) => Promise<void>): Promise<Timing> {
  const latencies: number[] = [];
  const begin = performance.now();
  await work(latencies);
  return { seconds: (performance.now() - begin) / 1_000, latencies };
}

async function latency<Value>(latencies: number[], work: () => Promise<Value>): Promise<Value> {
  const begin = performance.now();
  const value = await work();
  latencies.push(performance.now() - begin);
  return value;
}

async function inParallel(count: number, work: (index: number) => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, index) => work(index)));
}

function print(what: string, count: number, { seconds, latencies }: Timing): void {
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  const quantiles =
    sorted.length === 0
      ? ""
      : `   p50 ${at(0.5).toFixed(0)} ms   p99 ${at(0.99).toFixed(0)} ms   max ${at(1).toFixed(0)} ms`;
  process.stdout.write(`  ${what.padEnd(28)}${(count / seconds).toFixed(0).padStart(6)} a second${quantiles}\n`);
}
