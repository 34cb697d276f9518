import * as z from "zod";
import { checkpointDescription } from "./checkpoints.ts";
import { shardDescription } from "./datasets.ts";

export const uploadId = z.uuid().brand<"UploadId">();
export type UploadId = z.infer<typeof uploadId>;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "a SHA-256 in lower-case hex (64 digits)");

/** What R2 stores with one `put`, into which a verified file goes. */
export const MAX_UPLOAD_BYTES = 5 * 2 ** 30 - 5 * 2 ** 20;

/** Announces a file that will come in parts. */
export const createUploadRequest = z
  .strictObject({
    kind: z.enum(["checkpoint", "shard"]).default("checkpoint"),
    bytes: z.int().min(1).describe(`Length of the whole file; at most ${MAX_UPLOAD_BYTES}. Larger models come sharded`),
    sha256: sha256.optional().describe("Of the whole file. What arrives is refused unless it has this digest"),
    name: z.string().min(1).max(1024).optional().describe("What the file is called; shown in lists and manifests"),
  })
  .meta({ id: "CreateUploadRequest" });

export const uploadPart = z
  .object({
    number: z.int().min(1),
    bytes: z.int(),
    sha256: z.string().describe("Of the part, lower-case hex"),
  })
  .meta({ id: "UploadPart" });

/** An upload under way, or done. */
export const uploadDescription = z
  .object({
    id: uploadId,
    kind: z.enum(["checkpoint", "shard"]),
    state: z.enum(["open", "completed"]),
    bytes: z.int(),
    sha256: z.string().nullable().describe("As announced"),
    name: z.string().nullable(),
    partBytes: z.int().describe("Of every part but the last"),
    parts: z.int().describe("Number of parts"),
    received: z.array(uploadPart).describe("Parts that came through this API, in order"),
    urls: z
      .array(z.object({ number: z.int(), url: z.string() }))
      .optional()
      .describe(
        "Presigned S3 URLs to PUT the other parts to, where the deployment has S3 credentials. Whoever uses them names " +
          "each part's ETag when completing",
      ),
    urlsExpireAt: z.string().optional(),
    result: z
      .object({ id: z.string(), href: z.string() })
      .nullable()
      .describe("The checkpoint or shard, once the upload is completed"),
    createdAt: z.string(),
    expiresAt: z.string().describe("Moves on with every part"),
    links: z.object({
      self: z.string(),
      part: z.string().describe("URI template (RFC 6570) with `number`"),
      complete: z.string(),
    }),
  })
  .meta({ id: "Upload" });

/** Ends an upload. Parts that came through this API need not be named. */
export const completeUploadRequest = z
  .strictObject({
    parts: z
      .array(z.strictObject({ number: z.int().min(1).max(10_000), etag: z.string().min(1).max(1024) }))
      .max(10_000)
      .optional()
      .describe("Parts that were sent to presigned URLs, with the `ETag` that S3 answered"),
  })
  .meta({ id: "CompleteUploadRequest" });

/** What an upload has become: as if the file had been posted to `/v1/checkpoints` or `/v1/shards`. */
export const uploadResult = z.union([checkpointDescription, shardDescription]).meta({ id: "UploadResult" });

export type CreateUploadRequest = z.input<typeof createUploadRequest>;
export type UploadPart = z.infer<typeof uploadPart>;
export type UploadDescription = z.infer<typeof uploadDescription>;
export type CompleteUploadRequest = z.input<typeof completeUploadRequest>;
export type UploadResult = z.infer<typeof uploadResult>;
