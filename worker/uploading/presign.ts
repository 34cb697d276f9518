import { AwsClient } from "aws4fetch";
import type { UploadId } from "../../shared/api/uploads.ts";
import type { Environment } from "../environment.ts";
import { uploadKey } from "./upload.ts";

/** Long enough for a slow line, short enough for a leaked log. */
const LIFE_SECONDS = 3600;

/** How S3 clients reach the bucket. */
interface S3Access {
  readonly endpoint: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** Undefined where the deployment has no S3 credentials: then parts go through the API alone. */
function accessOf(environment: Environment): S3Access | undefined {
  const {
    EDGEFUSE_S3_ENDPOINT: endpoint,
    EDGEFUSE_S3_BUCKET: bucket,
    EDGEFUSE_S3_ACCESS_KEY_ID: accessKeyId,
    EDGEFUSE_S3_SECRET_ACCESS_KEY: secretAccessKey,
  } = environment;
  return endpoint && bucket && accessKeyId && secretAccessKey
    ? { endpoint: endpoint.replace(/\/$/, ""), bucket, accessKeyId, secretAccessKey }
    : undefined;
}

export interface PresignedParts {
  readonly urls: { number: number; url: string }[];
  readonly urlsExpireAt: string;
}

/**
 * URLs to which parts can be PUT without passing through the worker (SigV4 in the query). Each is for one part of one
 * upload and for nothing else.
 * @see https://developers.cloudflare.com/r2/api/s3/presigned-urls/
 */
export async function presignParts(
  environment: Environment,
  upload: { readonly id: UploadId; readonly multipartId: string },
  numbers: readonly number[],
  at: Date,
): Promise<PresignedParts | undefined> {
  const access = accessOf(environment);
  if (access === undefined) return undefined;
  const { endpoint, bucket, accessKeyId, secretAccessKey } = access;
  const client = new AwsClient({ accessKeyId, secretAccessKey, service: "s3", region: "auto" });
  const datetime = at.toISOString().replaceAll(/[:-]|\.\d{3}/g, "");
  const urls = await Promise.all(
    numbers.map(async (number) => {
      const url = new URL(`${endpoint}/${bucket}/${uploadKey(upload.id)}`);
      url.searchParams.set("partNumber", String(number));
      url.searchParams.set("uploadId", upload.multipartId);
      url.searchParams.set("X-Amz-Expires", String(LIFE_SECONDS));
      const signed = await client.sign(url.href, { method: "PUT", aws: { signQuery: true, datetime } });
      return { number, url: signed.url };
    }),
  );
  return { urls, urlsExpireAt: new Date(at.getTime() + LIFE_SECONDS * 1000).toISOString() };
}
