import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { PROJECT_ROOT, type S3Access, writeLocalConfig } from "./config.ts";
import { freePort } from "./free-port.ts";

/** The worker under `wrangler dev`, with R2, D1 and the S3 endpoint on this machine alone. */
export interface LocalWorker {
  readonly url: string;
  readonly adminToken: string;
  readonly s3: S3Access;
  /** Resolves when the server has ended, by itself or through {@link stop}. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
  /** Ends the server and all it started as a crash would, with SIGKILL. */
  kill(): Promise<void>;
}

export interface LocalWorkerOptions {
  /** Where buckets, database and configuration lie; made if missing, kept afterwards. */
  readonly stateDirectory: string;
  /** Any free port where left out. */
  readonly port?: number;
  /** Drawn at random where left out. */
  readonly adminToken?: string;
  /** Variables of the deployment, such as EDGEFUSE_INLINE_BYTES. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Give the worker the S3 endpoint's credentials, so that it signs URLs for the parts of uploads. */
  readonly presign?: boolean;
  /** Show the server's log on standard error. */
  readonly verbose?: boolean;
}

const WRANGLER = join(PROJECT_ROOT, "node_modules/wrangler/bin/wrangler.js");
const START_PATIENCE_MILLISECONDS = 120_000;

/**
 * Starts the worker on loopback and waits until it answers. It ends with this process at the latest.
 * @throws Error with the server's own last words where it does not start
 */
export async function startWorker(options: LocalWorkerOptions): Promise<LocalWorker> {
  const { stateDirectory, verbose = false } = options;
  const adminToken = options.adminToken ?? randomBytes(32).toString("base64url");
  const port = options.port ?? (await freePort());
  const { file, database, s3 } = await writeLocalConfig(stateDirectory);
  const common = ["--config", file, "--persist-to", stateDirectory];

  const migrate = run(["d1", "migrations", "apply", database, "--local", ...common], environment(), verbose);
  const [code] = (await once(migrate.process, "exit")) as [number | null];
  if (code !== 0) throw new Error(`the catalog's migrations did not apply:\n${migrate.output()}`);

  const url = `http://127.0.0.1:${port}`;
  const endpoint = `${url}/cdn-cgi/local/r2/s3`;
  const signing = {
    EDGEFUSE_S3_ENDPOINT: endpoint,
    EDGEFUSE_S3_BUCKET: s3.bucket,
    EDGEFUSE_S3_ACCESS_KEY_ID: s3.accessKeyId,
    EDGEFUSE_S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
  };

  const server = run(
    ["dev", ...common, "--ip", "127.0.0.1", "--port", String(port), "--show-interactive-dev-session=false"],
    {
      ...environment(),
      ...(options.presign === true ? signing : {}),
      ...options.variables,
      EDGEFUSE_ADMIN_TOKEN: adminToken,
    },
    verbose,
  );
  const ended = once(server.process, "exit").then(() => undefined);
  const stop = async () => {
    server.process.stdin?.end();
    await ended;
  };
  const kill = async () => {
    server.process.kill("SIGUSR2");
    await ended;
  };
  try {
    await untilHealthy(url, server);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, adminToken, s3: { endpoint, ...s3 }, ended, stop, kill };
}

/**
 * What the server may see of our environment: enough to run, nothing secret. Wrangler hands the worker everything it
 * sees, so the token travels this way and not on a command line.
 */
function environment(): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env;
  return {
    ...(PATH === undefined ? {} : { PATH }),
    ...(HOME === undefined ? {} : { HOME }),
    ...(TMPDIR === undefined ? {} : { TMPDIR }),
    CI: "true",
    NO_COLOR: "1",
    WRANGLER_SEND_METRICS: "false",
    CLOUDFLARE_INCLUDE_PROCESS_ENV: "true",
  };
}

function run(
  wranglerArguments: readonly string[],
  env: NodeJS.ProcessEnv,
  verbose: boolean,
): { process: ChildProcess; output(): string } {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, "supervisor.ts"), process.execPath, WRANGLER, ...wranglerArguments],
    { cwd: PROJECT_ROOT, env, stdio: ["pipe", "pipe", "pipe"] },
  );
  let recent = "";
  const keep = (chunk: Buffer) => {
    recent = (recent + chunk.toString()).slice(-4_000);
    if (verbose) process.stderr.write(chunk);
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  return { process: child, output: () => recent };
}

async function untilHealthy(url: string, server: { process: ChildProcess; output(): string }): Promise<void> {
  const deadline = Date.now() + START_PATIENCE_MILLISECONDS;
  while (Date.now() < deadline) {
    if (server.process.exitCode !== null) throw new Error(`the worker did not start:\n${server.output()}`);
    try {
      if ((await fetch(`${url}/healthz`)).ok) return;
    } catch {
      // Not listening yet.
    }
    await sleep(200);
  }
  throw new Error(`the worker did not answer in time:\n${server.output()}`);
}
