import type { UploadDescription } from "../../shared/api/uploads.ts";
import { listUploadedParts, type UploadRecord } from "../catalog/uploads.ts";
import type { Environment } from "../environment.ts";
import { presignParts } from "./presign.ts";
import { partLayout } from "./upload.ts";

/** An upload as the API shows it, with URLs for the parts that are not there. */
export async function describeUpload(
  environment: Environment,
  upload: UploadRecord,
  at: Date,
): Promise<UploadDescription> {
  const { id, kind, bytes, sha256, name, partBytes, multipartId, result, createdAt, expiresAt } = upload;
  const received = await listUploadedParts(environment.CATALOG, id);
  const { count } = partLayout(upload);
  const there = new Set(received.map(({ number }) => number));
  const others = Array.from({ length: count }, (_, index) => index + 1).filter((number) => !there.has(number));
  const presigned =
    result === null && multipartId !== null
      ? await presignParts(environment, { id, multipartId }, others, at)
      : undefined;
  const self = `/v1/uploads/${id}`;
  return {
    id,
    kind,
    state: result === null ? "open" : "completed",
    bytes,
    sha256,
    name,
    partBytes,
    parts: count,
    received: received.map((part) => ({ number: part.number, bytes: part.bytes, sha256: part.sha256 })),
    ...presigned,
    result: result === null ? null : { id: result, href: `/v1/${kind}s/${result}` },
    createdAt,
    expiresAt,
    links: { self, part: `${self}/parts/{number}`, complete: `${self}/complete` },
  };
}
