/**
 * Serving over loopback: requests a second and their times, each kind beside a bare Hono route of a worker of its own that
 * sends as many bytes. The two take turns, in one run.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { createTestHarness } from "wrangler";
import { EdgefuseClient } from "../../shared/api/index.ts";
import { largeCheckpoint } from "../support/checkpoint-files.ts";
import { workerConfig } from "./fuse-through-worker.ts";
import { type Load, type LoadFigures, makeLoad } from "./load.ts";

const ROOT = join(import.meta.dirname, "../..");
const ROUNDS = 3;
const SECONDS = 2;
const WARM_SECONDS = 1;
const CONNECTIONS = 8;
/** Each computes, and books memory while it does. */
const LAZY_CONNECTIONS = 4;

interface Case {
  readonly name: string;
  readonly served: Load;
  readonly bare: Load;
}

export interface ServeFigures {
  readonly name: string;
  /** Of the round with the median rate. */
  readonly served: LoadFigures;
  readonly bare: LoadFigures;
}

export async function measureServing(): Promise<ServeFigures[]> {
  const token = randomBytes(24).toString("hex");
  const service = createTestHarness({
    root: ROOT,
    workers: [workerConfig(join(ROOT, "wrangler.toml"), { EDGEFUSE_ADMIN_TOKEN: token })],
  });
  const bare = createTestHarness({
    root: ROOT,
    workers: [workerConfig(join(import.meta.dirname, "bare-worker/wrangler.toml"), {})],
  });
  try {
    const [{ url }, { url: bareUrl }] = [await service.listen(), await bare.listen()];
    await service.getWorker().applyD1Migrations("CATALOG");
    const cases = await casesOf(new EdgefuseClient({ url, token }), url, bareUrl);
    const figures: ServeFigures[] = [];
    for (const one of cases) figures.push(await measure(one));
    return figures;
  } finally {
    await service.close();
    await bare.close();
  }
}

async function casesOf(client: EdgefuseClient, url: URL, bareUrl: URL): Promise<Case[]> {
  const fuse = async (bytes: number, materialize: "eager" | "lazy") => {
    const inputs = [];
    for (const seed of [1, 2]) {
      inputs.push({ checkpoint: (await client.uploadCheckpoint(largeCheckpoint(bytes / 4, seed + bytes))).id });
    }
    return client.createFusion({ recipe: { method: "linear", inputs }, materialize });
  };
  const stored = await fuse(1_000_000, "eager");
  const lazy = await fuse(5_000_000, "lazy");
  const etag = await etagOf(new URL(stored.links.model, url));
  const load = (at: URL, path: string, status: number, bytes: number, headers = {}, connections = CONNECTIONS) => ({
    url: new URL(path, at).href,
    headers,
    connections,
    seconds: SECONDS,
    expected: { status, bytes },
  });
  const { model } = stored.links;
  // All but a byte: a read of the whole would store the model, and the next would not be lazy.
  const lazyBytes = lazy.bytes - 1;
  const lazyRange = { range: `bytes=0-${lazyBytes - 1}` };
  return [
    {
      name: "cached model, 1 MB",
      served: load(url, model, 200, stored.bytes),
      bare: load(bareUrl, `/bytes/${stored.bytes}`, 200, stored.bytes),
    },
    {
      name: "304 Not Modified",
      served: load(url, model, 304, 0, { "if-none-match": etag }),
      bare: load(bareUrl, "/unchanged", 304, 0),
    },
    {
      name: "range of 64 KB",
      served: load(url, model, 206, 65_536, { range: "bytes=131072-196607" }),
      bare: load(bareUrl, "/bytes/65536", 200, 65_536),
    },
    {
      name: "lazy fusion, 5 MB",
      served: load(url, lazy.links.model, 206, lazyBytes, lazyRange, LAZY_CONNECTIONS),
      bare: load(bareUrl, `/bytes/${lazyBytes}`, 200, lazyBytes, {}, LAZY_CONNECTIONS),
    },
  ];
}

async function etagOf(url: URL): Promise<string> {
  const response = await fetch(url);
  await response.arrayBuffer();
  return response.headers.get("etag") ?? "";
}

async function measure({ name, served, bare }: Case): Promise<ServeFigures> {
  for (const load of [served, bare]) await makeLoad({ ...load, seconds: WARM_SECONDS });
  const rounds: { served: LoadFigures[]; bare: LoadFigures[] } = { served: [], bare: [] };
  for (let round = 0; round < ROUNDS; round++) {
    rounds.served.push(await makeLoad(served));
    rounds.bare.push(await makeLoad(bare));
  }
  return { name, served: medianOf(rounds.served), bare: medianOf(rounds.bare) };
}

function medianOf(rounds: readonly LoadFigures[]): LoadFigures {
  const [median] = rounds.toSorted((a, b) => a.requestsPerSecond - b.requestsPerSecond).slice(rounds.length >> 1);
  if (median === undefined) throw new Error("there was no round");
  return median;
}

/** Prints the figures: requests a second, and milliseconds of which half and 99 in 100 take no more. */
export async function benchServing(): Promise<void> {
  const row = (cells: readonly string[]) =>
    `  ${cells.map((cell, column) => (column === 0 ? cell.padEnd(20) : cell.padStart(9))).join("")}\n`;
  const cells = ({ requestsPerSecond, p50, p99 }: LoadFigures) => [
    requestsPerSecond.toFixed(0),
    p50.toFixed(1),
    p99.toFixed(1),
  ];
  const measured = await measureServing();
  process.stdout.write(row(["", "req/s", "p50 ms", "p99 ms", "bare /s", "p50 ms", "p99 ms", "of bare"]));
  for (const { name, served, bare } of measured) {
    const share = served.requestsPerSecond / bare.requestsPerSecond;
    process.stdout.write(row([name, ...cells(served), ...cells(bare), `${(100 * share).toFixed(0)} %`]));
  }
}
