/** `npm run dev`: the worker alone, with its data kept in `.edgefuse/dev` between runs. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { PROJECT_ROOT } from "./config.ts";
import { startWorker } from "./start-worker.ts";

const HELP = `Runs the edgefuse worker on this machine: HTTP API, R2, D1 and an S3 endpoint, all local.

Usage: npm run dev -- [--port 8787] [--state DIR] [--quiet]

  --port N     port on 127.0.0.1 (default 8787)
  --state DIR  where buckets and database lie (default .edgefuse/dev)
  --quiet      do not show the server's log

The admin token comes from EDGEFUSE_ADMIN_TOKEN, or is drawn and printed.
Example: EDGEFUSE_ADMIN_TOKEN=secret npm run dev -- --port 9000
`;

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "8787" },
    state: { type: "string", default: join(PROJECT_ROOT, ".edgefuse/dev") },
    quiet: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

if (values.help) {
  process.stdout.write(HELP);
} else {
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    process.stderr.write(`edgefuse: --port ${values.port} is not a port; use 1 to 65535\n`);
    process.exit(2);
  }
  const fromEnvironment = process.env["EDGEFUSE_ADMIN_TOKEN"];
  const worker = await startWorker({
    stateDirectory: values.state,
    port,
    verbose: !values.quiet,
    ...(fromEnvironment ? { adminToken: fromEnvironment } : {}),
  });
  process.stdout.write(
    [
      `edgefuse is at        ${worker.url}`,
      `its S3 endpoint is    ${worker.s3.endpoint} (bucket ${worker.s3.bucket})`,
      `S3 credentials        AWS_ACCESS_KEY_ID=${worker.s3.accessKeyId} AWS_SECRET_ACCESS_KEY=${worker.s3.secretAccessKey}`,
      fromEnvironment
        ? "admin token           from EDGEFUSE_ADMIN_TOKEN"
        : `admin token           ${worker.adminToken} (drawn for this run; set EDGEFUSE_ADMIN_TOKEN to choose one)`,
      "Stop with Ctrl-C.",
      "",
    ].join("\n"),
  );
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => void worker.stop());
  await worker.ended;
}
