import type { S3Client } from "@aws-sdk/client-s3";
import { readFusionInput } from "../../shared/fusion/index.ts";
import type { CheckpointId } from "../../shared/identity.ts";
import type { CommandContext } from "../command-line/command.ts";
import { asFailure, Failure } from "../failure.ts";
import { ByteProgress } from "../fusing/byte-progress.ts";
import { digestSource } from "../fusing/digest-source.ts";
import { type OpenFile, openFile } from "../fusing/file-source.ts";
import { connectWorker, type WorkerAccess, workerAccess } from "../remote/connect.ts";
import { uploadCheckpoint } from "../remote/upload-checkpoint.ts";
import { registerCheckpoint } from "./register.ts";
import { connectS3, uploadObject } from "./s3.ts";
import { type S3Settings, s3Settings } from "./s3-settings.ts";

/** Where checkpoints are pushed to: a bucket, and the worker to register with unless it is `undefined`; or the worker. */
export type PushTarget =
  | { readonly via: "s3"; readonly settings: S3Settings; readonly access: WorkerAccess | undefined }
  | { readonly via: "api"; readonly access: WorkerAccess };

export interface Pushed {
  readonly path: string;
  readonly sha256: string;
  /** `checkpoints/<sha256>.safetensors`: the name says the content. */
  readonly key: string;
  readonly bytes: number;
  readonly upload: "uploaded" | "exists";
  readonly registered: "no" | "known" | "new";
  readonly via: PushTarget["via"];
}

/** A target that is connected. */
export interface Pusher {
  /** For messages: where files go, and which way. */
  readonly where: string;
  /**
   * Uploads a checkpoint, unless it is there, and registers it with the worker. Doing it again does nothing new.
   * @throws Failure `bad-input` where it is no checkpoint; `refused`, `unreachable`
   */
  push(path: string): Promise<Pushed>;
  close(): void;
}

/** A header is read without knowing whose it is. */
const STAND_IN = "0".repeat(64) as CheckpointId;

/** Variables whose presence says that there is a bucket to push to. */
const S3_VARIABLES = ["EDGEFUSE_S3_ENDPOINT", "EDGEFUSE_S3_BUCKET"] as const;

/**
 * Reads where to push from the environment.
 * @param via `auto`: the bucket where its settings are there, else the worker's API
 * @throws Failure `usage` naming every variable that is missing
 */
export function pushTarget(
  environment: CommandContext["environment"],
  { uploadOnly, via = "auto" }: { readonly uploadOnly: boolean; readonly via?: "auto" | PushTarget["via"] },
): PushTarget {
  if (via === "api" && uploadOnly) {
    throw new Failure("usage", "--upload-only is for S3: what goes through the API is registered.");
  }
  const isThroughS3 = via === "s3" || uploadOnly || (via === "auto" && S3_VARIABLES.some((name) => environment[name]));
  if (!isThroughS3) return { via: "api", access: workerAccess(environment) };
  return { via: "s3", settings: s3Settings(environment), access: uploadOnly ? undefined : workerAccess(environment) };
}

/** Connects to a target; the caller closes it. */
export function openPusher(target: PushTarget, context: CommandContext): Pusher {
  switch (target.via) {
    case "api":
      return throughApi(target, context);
    case "s3":
      return throughS3(target, context);
    default:
      return target satisfies never;
  }
}

/** A line about a file that was pushed. */
export function pushedText({ path, sha256, upload, registered }: Pushed): string {
  return `${sha256}  ${path}  ${upload}${registered === "no" ? "" : `, ${registered} to the worker`}`;
}

function throughApi({ access }: PushTarget & { readonly via: "api" }, context: CommandContext): Pusher {
  const { terminal, environment, signal, fetch } = context;
  const worker = connectWorker(access, { fetch, signal });
  const progress = new ByteProgress(terminal, () => performance.now());
  return {
    where: `${worker.origin} through its API`,
    async push(path) {
      const { id, bytes, upload } = await uploadCheckpoint(worker, path, { environment, signal, progress });
      const registered = upload === "exists" ? "known" : "new";
      return { path, sha256: id, key: checkpointKey(id), bytes, upload, registered, via: "api" };
    },
    close: () => undefined,
  };
}

function throughS3({ settings, access }: PushTarget & { readonly via: "s3" }, context: CommandContext): Pusher {
  const client = connectS3(settings);
  return {
    where: `the bucket ${settings.bucket} through S3`,
    push: (path) => pushThroughS3(client, { settings, access }, path, context),
    close: () => client.destroy(),
  };
}

async function pushThroughS3(
  client: S3Client,
  { settings, access }: { readonly settings: S3Settings; readonly access: WorkerAccess | undefined },
  path: string,
  { fetch, signal }: CommandContext,
): Promise<Pushed> {
  const file = await openFile(path);
  let pushed: Omit<Pushed, "registered">;
  try {
    await checkCheckpoint(file);
    const sha256 = await digestSource(file, file.bytes, { signal });
    const key = checkpointKey(sha256);
    const upload = await uploadObject(client, settings.bucket, key, file, { signal });
    pushed = { path, sha256, key, bytes: file.bytes, upload, via: "s3" };
  } finally {
    await file.close();
  }
  const { key, sha256 } = pushed;
  if (access === undefined) return { ...pushed, registered: "no" };
  const registration = await registerCheckpoint(access, key, { fetch, signal });
  if (registration.id !== sha256) {
    throw new Failure("refused", `${path}: the worker registered ${registration.id}, the file is ${sha256}.`);
  }
  return { ...pushed, registered: registration.known ? "known" : "new" };
}

/** Checks that a file is safetensors, before anything is sent anywhere. */
async function checkCheckpoint(file: OpenFile): Promise<void> {
  try {
    await readFusionInput(STAND_IN, file, file.bytes);
  } catch (error) {
    const { kind, message } = asFailure(error);
    throw new Failure(kind, message.includes(file.path) ? message : `${file.path}: ${message}`, { cause: error });
  }
}

const checkpointKey = (sha256: string): string => `checkpoints/${sha256}.safetensors`;
