import { createHash } from "node:crypto";
import { expect } from "vitest";
import type { CreateUploadRequest, UploadDescription } from "../../shared/api/uploads.ts";
import type { WorkerHarness } from "./worker-harness.ts";

export const MIB = 2 ** 20;

export const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** Part `number`, from 1, of a file that is sent in parts of `bytes`. */
export const partOf = (file: Uint8Array<ArrayBuffer>, number: number, bytes = 8 * MIB) =>
  file.slice((number - 1) * bytes, number * bytes);

export const json = (body: unknown): RequestInit => ({
  method: "POST",
  body: JSON.stringify(body),
  headers: { "content-type": "application/json" },
});

export async function beginUpload(
  request: CreateUploadRequest,
  on: Pick<WorkerHarness, "fetch">,
): Promise<UploadDescription> {
  const response = await on.fetch("/v1/uploads", json(request));
  expect(response.status).toBe(201);
  const upload = (await response.json()) as UploadDescription;
  expect(response.headers.get("location")).toBe(upload.links.self);
  return upload;
}

export const problemOf = async (response: Response) =>
  (await response.json()) as { code: string; status: number } & Record<string, unknown>;
