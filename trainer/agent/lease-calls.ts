import type { CompleteRequest, HeartbeatAnswer, JobFile, JobProgress, LogWriteAnswer } from "../../shared/api/jobs.ts";
import type { CheckpointId } from "../../shared/identity.ts";
import type { FileVersion } from "./attempt-files.ts";
import type { LogChunk } from "./log-buffer.ts";

/** What an agent asks of the deployment about the job that it has. Each may be asked again without doing harm. */
export interface LeaseCalls {
  heartbeat(progress: JobProgress | undefined): Promise<HeartbeatAnswer>;
  log(chunk: LogChunk): Promise<LogWriteAnswer>;
  putFile(version: FileVersion): Promise<void>;
  getFile(file: JobFile): Promise<Uint8Array<ArrayBuffer>>;
  /** Uploads and registers a checkpoint as made by this job. */
  putOutput(path: string): Promise<CheckpointId>;
  complete(request: CompleteRequest): Promise<void>;
}
