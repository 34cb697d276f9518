import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { createHash } from "node:crypto";
import type { Connection } from "../../shared/api/client/connection.ts";
import { retryAfterMs } from "../../shared/api/client/patience.ts";
import { factFields } from "../../shared/api/client/upload-facts.ts";
import { type ClaimedJob, type ClaimRequest, LEASE_FIELD } from "../../shared/api/jobs.ts";
import { checkpointId, type CheckpointId } from "../../shared/identity.ts";
import type { Claim } from "./agent.ts";
import { CheckpointWays } from "./checkpoint-ways.ts";
import type { LeaseCalls } from "./lease-calls.ts";

export interface Connections {
  /** For what is short: asking for jobs, heartbeats, the log. */
  readonly quick: Connection;
  /** For files. */
  readonly patient: Connection;
}

/** Uploads and registers a checkpoint that does not fit into one request. @returns its id @throws Failure */
export type UploadLarge = (path: string) => Promise<CheckpointId>;

/** Asks for a job. */
export async function claimJob(
  connections: Connections,
  request: ClaimRequest,
  uploadLarge: UploadLarge,
): Promise<Claim> {
  const response = await connections.quick.send("POST", "/v1/jobs/claim", { body: request });
  if (response.status === 204) return { kind: "none", retryAfterSeconds: retryAfterMs(response, Date.now()) / 1_000 };
  const claimed = (await response.json()) as ClaimedJob;
  return { kind: "job", claimed, calls: leaseCalls(connections, claimed, uploadLarge) };
}

function leaseCalls({ quick, patient }: Connections, { job, lease }: ClaimedJob, uploadLarge: UploadLarge): LeaseCalls {
  const path = `/v1/jobs/${job.id}`;
  const headers = { [LEASE_FIELD]: lease.token };
  const outputs = `${path}/outputs`;
  const ways = new CheckpointWays({
    async whole(file) {
      const bytes = new Uint8Array(await readFile(file));
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      const facts = factFields({ sha256, name: basename(file) });
      await patient.json("POST", outputs, { headers: { ...headers, ...facts }, body: bytes });
      return checkpointId.parse(sha256);
    },
    async inParts(file) {
      const checkpoint = await uploadLarge(file);
      await patient.json("POST", outputs, { headers, body: { checkpoint, name: basename(file) } });
      return checkpoint;
    },
  });
  return {
    heartbeat: (progress) =>
      quick.json("POST", `${path}/heartbeat`, { headers, body: progress === undefined ? {} : { progress } }),
    log: ({ offset, bytes }) =>
      quick.json("POST", `${path}/log?offset=${offset}`, {
        headers: { ...headers, "content-type": "text/plain; charset=utf-8" },
        body: bytes,
      }),
    async putFile({ name, bytes, sha256 }) {
      await patient.json("PUT", `${path}/files/${name}`, {
        headers: { ...headers, ...factFields({ sha256 }) },
        body: bytes,
      });
    },
    async getFile({ name }) {
      const response = await patient.send("GET", `${path}/files/${name}`, { headers });
      return new Uint8Array(await response.arrayBuffer());
    },
    putOutput: (file) => ways.send(file),
    async complete(request) {
      await quick.json("POST", `${path}/complete`, { headers, body: request });
    },
  };
}
