import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { decodeSafetensors } from "../../shared/safetensors/index.ts";
import { defineCommand } from "../command-line/command.ts";
import { flag } from "../command-line/options.ts";
import { asFailure, Failure } from "../failure.ts";
import { registerCheckpoint, workerAccess } from "../storage/register.ts";
import { connectS3, uploadObject } from "../storage/s3.ts";
import { s3Settings } from "../storage/s3-settings.ts";

interface LocalCheckpoint {
  readonly path: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly sha256: string;
  /** `checkpoints/<sha256>.safetensors`: the name says the content. */
  readonly key: string;
}

export const push = defineCommand({
  name: "push",
  summary: "upload checkpoints to S3 and register them",
  description:
    "Uploads safetensors files to the bucket as checkpoints/<sha256>.safetensors (skipping those already there) and\n" +
    "registers them with the worker. Settings come from the environment, never from arguments:\n" +
    "EDGEFUSE_S3_ENDPOINT, EDGEFUSE_S3_BUCKET, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, EDGEFUSE_URL, EDGEFUSE_TOKEN.",
  operands: { placeholder: "FILE...", help: "safetensors files", least: 1 },
  options: {
    "upload-only": flag("do not register (EDGEFUSE_URL and EDGEFUSE_TOKEN are not needed then)"),
  },
  examples: [
    { what: "everything a training run wrote", line: "edgefuse push checkpoints/*.safetensors" },
    { what: "to the bucket only", line: "edgefuse push --upload-only checkpoints/a.safetensors --json" },
  ],
  async run(values, paths, { environment, fetch, signal, terminal }) {
    const settings = s3Settings(environment);
    const access = values["upload-only"] ? undefined : workerAccess(environment);
    const client = connectS3(settings);
    try {
      for (const path of paths) {
        signal.throwIfAborted();
        const { bytes, sha256, key } = await readCheckpoint(path);
        terminal.note(`${path}: ${(bytes.length / 1e6).toFixed(1)} MB to ${settings.bucket}/${key}`);
        const upload = await uploadObject(client, settings.bucket, key, bytes, { signal });
        const registration =
          access === undefined ? undefined : await registerCheckpoint(access, key, { fetch, signal });
        if (registration !== undefined && registration.id !== sha256) {
          throw new Failure("refused", `${path}: the worker registered ${registration.id}, the file is ${sha256}.`);
        }
        const registered = registration === undefined ? "no" : registration.known ? "known" : "new";
        const value = { event: "pushed", path, sha256, key, bytes: bytes.length, upload, registered };
        terminal.result(value, `${sha256}  ${path}  ${upload}${registration ? `, ${registered} to the worker` : ""}`);
      }
    } finally {
      client.destroy();
    }
  },
});

/** Reads a file and checks that it is safetensors, before anything is sent anywhere. */
async function readCheckpoint(path: string): Promise<LocalCheckpoint> {
  const bytes = new Uint8Array(await readFile(path));
  try {
    decodeSafetensors(bytes);
  } catch (error) {
    const { kind, message } = asFailure(error);
    throw new Failure(kind, `${path}: ${message}`, { cause: error });
  }
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { path, bytes, sha256, key: `checkpoints/${sha256}.safetensors` };
}
