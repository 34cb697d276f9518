import { S3ServiceException } from "@aws-sdk/client-s3";
import { Failure } from "../failure.ts";

/** HTTP status of an SDK error, where the service answered at all. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}

/** One line about what went wrong with an object and what to do, with the kind that decides the exit code. */
export function s3Failure(error: unknown, bucket: string, key: string): Failure {
  if (error instanceof Failure) return error;
  const status = statusOf(error);
  const what = error instanceof Error ? describe(error) : String(error);
  if (status === 401 || status === 403) {
    const advice = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what they may do";
    return new Failure("refused", `The bucket ${bucket} refused ${key} (${status} ${what}): ${advice}.`, {
      cause: error,
    });
  }
  if (status === 404) {
    return new Failure(
      "refused",
      `There is no bucket ${bucket} at this endpoint (${what}): check EDGEFUSE_S3_BUCKET.`,
      {
        cause: error,
      },
    );
  }
  if (status !== undefined && status < 500 && status !== 408 && status !== 429) {
    return new Failure("refused", `The bucket ${bucket} refused ${key}: ${status} ${what}.`, { cause: error });
  }
  const answer = status === undefined ? what : `${status} ${what}`;
  return new Failure(
    "unreachable",
    `${key} could not be uploaded to ${bucket} (${answer}); push again when storage answers.`,
    {
      cause: error,
    },
  );
}

function describe(error: Error): string {
  // A refused connection to a host of two addresses is an AggregateError with an empty message.
  if (error instanceof AggregateError && error.message === "") {
    return error.errors.map((each) => (each instanceof Error ? each.message : String(each))).join(", ");
  }
  return error.name === "Error" || error.message.includes(error.name)
    ? error.message
    : `${error.name}: ${error.message}`;
}
