import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { AdapterDescription } from "./adapter.ts";
import { type AdapterChoice, prepareVulkan } from "./dawn.ts";
import { NoGpu } from "./no-gpu.ts";

/** What the probing process prints. */
export type ProbeAnswer = { readonly adapter: AdapterDescription } | { readonly reason: string };

const PROBE = new URL("./probe-process.ts", import.meta.url);

/**
 * Looks for an adapter of this machine, in a process of its own: drivers that do not work write pages to stderr, and some
 * crash. Where it is plain that there is none, no process is started.
 * @throws NoGpu where there is no adapter that counts
 */
export async function probeAdapter(choice: AdapterChoice): Promise<AdapterDescription> {
  prepareVulkan(choice);
  const answer = await askProcess(choice);
  if ("reason" in answer) throw new NoGpu(answer.reason);
  return answer.adapter;
}

function askProcess({ allowSoftware }: AdapterChoice): Promise<ProbeAnswer> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [fileURLToPath(PROBE), String(allowSoftware)], {
      stdio: ["ignore", "pipe", process.env["EDGEFUSE_DEBUG"] === "1" ? "inherit" : "ignore"],
    });
    let printed = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text));
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const crash = `its driver crashed (${signal ?? `exit code ${code}`}); EDGEFUSE_DEBUG=1 shows what it said`;
      resolve(code === 0 ? (JSON.parse(printed) as ProbeAnswer) : { reason: crash });
    });
  });
}
