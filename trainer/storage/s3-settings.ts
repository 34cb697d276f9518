import { Failure } from "../failure.ts";

/** Where checkpoints are uploaded. Credentials come from the environment alone: arguments show up in process lists. */
export interface S3Settings {
  /** Such as https://<account>.r2.cloudflarestorage.com; undefined for AWS itself. */
  readonly endpoint: string | undefined;
  readonly bucket: string;
  /** `auto` on R2. */
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads EDGEFUSE_S3_ENDPOINT, EDGEFUSE_S3_BUCKET, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY (and, where set,
 * EDGEFUSE_S3_REGION, AWS_SESSION_TOKEN).
 * @throws Failure `usage` naming every variable that is missing
 */
export function s3Settings(environment: Environment): S3Settings {
  const needed = ["EDGEFUSE_S3_ENDPOINT", "EDGEFUSE_S3_BUCKET", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] as const;
  requireVariables(environment, needed);
  const endpoint = environment["EDGEFUSE_S3_ENDPOINT"] ?? "";
  if (!isHttpUrl(endpoint)) {
    throw new Failure(
      "usage",
      `EDGEFUSE_S3_ENDPOINT is ${JSON.stringify(endpoint)}; it is an http(s) URL without the bucket.`,
    );
  }
  return {
    endpoint,
    bucket: environment["EDGEFUSE_S3_BUCKET"] ?? "",
    region: environment["EDGEFUSE_S3_REGION"] || "auto",
    accessKeyId: environment["AWS_ACCESS_KEY_ID"] ?? "",
    secretAccessKey: environment["AWS_SECRET_ACCESS_KEY"] ?? "",
    sessionToken: environment["AWS_SESSION_TOKEN"] || undefined,
  };
}

/** @throws Failure `usage` naming every variable that is unset or empty */
export function requireVariables(environment: Environment, names: readonly string[]): void {
  const missing = names.filter((name) => !environment[name]);
  if (missing.length > 0) {
    throw new Failure("usage", `Set ${missing.join(", ")} in the environment; see edgefuse push --help.`);
  }
}

export function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}
