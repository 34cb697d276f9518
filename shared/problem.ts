/**
 * Every error edgefuse reports on purpose: a stable code, an HTTP status, what was wrong and what to do.
 *
 * Core code throws {@link Problem}; the worker renders it as RFC 9457 `application/problem+json`, the command line as
 * one line with an exit code. Codes are part of the public contract: they are added, never renamed.
 */
export const PROBLEMS = {
  "malformed-request": { status: 400, title: "The request is not well formed" },
  unauthorized: { status: 401, title: "A bearer token is required" },
  "invalid-token": { status: 401, title: "The bearer token is not valid, or not any longer" },
  forbidden: { status: 403, title: "This token is not accepted here" },
  "insufficient-scope": { status: 403, title: "The token does not have the scope that this takes" },
  "invalid-link": { status: 403, title: "The signed link is not valid, or not any longer" },
  "not-found": { status: 404, title: "There is nothing at this address" },
  "checkpoint-not-found": { status: 404, title: "No such checkpoint" },
  "model-not-found": { status: 404, title: "No such model" },
  "alias-not-found": { status: 404, title: "No such alias" },
  "shard-not-found": { status: 404, title: "No such shard" },
  "dataset-not-found": { status: 404, title: "No such dataset" },
  "probe-not-found": { status: 404, title: "No such probe" },
  "topology-not-found": { status: 404, title: "No such topology" },
  "gate-not-found": { status: 404, title: "No such gate" },
  "soup-not-found": { status: 404, title: "No such soup" },
  "token-not-found": { status: 404, title: "No such token" },
  "upload-not-found": { status: 404, title: "No such upload" },
  "job-not-found": { status: 404, title: "No such job" },
  "object-not-found": { status: 404, title: "No such object in the bucket" },
  "method-not-allowed": { status: 405, title: "This address does not take that method" },
  "form-unavailable": { status: 409, title: "The model cannot be expressed in this form" },
  "not-materialized": { status: 409, title: "The model is not stored yet, so this is not known" },
  "fusion-finished": { status: 409, title: "The fusion has ended, so it cannot be cancelled" },
  "fusion-cancelled": { status: 409, title: "The fusion was cancelled" },
  "input-changed": { status: 409, title: "An input's object was replaced after the fusion was planned" },
  "visibility-conflict": { status: 409, title: "The model is public already, and stays so" },
  "gate-required": { status: 409, title: "The alias is protected, and the model passed no gate" },
  "gate-refused": { status: 409, title: "The model does not hold what its gate asks for" },
  "idempotency-in-flight": { status: 409, title: "The first request with this idempotency key is still under way" },
  "still-needed": { status: 409, title: "Something else needs it, so it cannot be deleted" },
  "being-deleted": { status: 409, title: "The same bytes are just being deleted; try again shortly" },
  "incomplete-upload": { status: 409, title: "Parts of the upload are missing" },
  "upload-finished": { status: 409, title: "The upload has all its bytes and takes no more" },
  "lease-lost": { status: 409, title: "The attempt does not have the job, or not any longer" },
  "log-gap": { status: 409, title: "The chunk does not begin where the log ends" },
  "dataset-conflict": { status: 409, title: "The dataset version exists with other shards" },
  "precondition-failed": { status: 412, title: "It is not in the state that the request names" },
  "payload-too-large": { status: 413, title: "The body is larger than this deployment accepts" },
  "unsupported-media-type": { status: 415, title: "The content type is not supported here" },
  "range-not-satisfiable": { status: 416, title: "The range lies outside the file" },
  "invalid-key": { status: 422, title: "The object key is not one that can be registered" },
  "truncated-file": { status: 422, title: "The file ends too early" },
  "malformed-safetensors": { status: 422, title: "The file is not valid safetensors" },
  "invalid-part": { status: 422, title: "The part is not one that the upload has room for" },
  "malformed-index": { status: 422, title: "The index of a sharded checkpoint is not valid" },
  "malformed-tfjs-model": { status: 422, title: "The file is not a valid TF.js model.json" },
  "digest-mismatch": { status: 422, title: "The bytes do not have the digest they were announced with" },
  "invalid-recipe": { status: 422, title: "The recipe is not valid" },
  "unknown-method": { status: 422, title: "No fusion method has this name" },
  "incompatible-inputs": { status: 422, title: "The inputs do not agree in names, shapes or dtypes" },
  "non-finite-values": { status: 422, title: "An input holds values that are not finite" },
  "non-float-mismatch": { status: 422, title: "An integer or boolean tensor differs between inputs" },
  "unsupported-dtype": { status: 422, title: "This dtype cannot be averaged" },
  "misaligned-inputs": { status: 422, title: "The inputs are not aligned as they declare" },
  "invalid-metadata": { status: 422, title: "The training facts in the file's metadata are not valid" },
  "invalid-shard": { status: 422, title: "The file is not a validation shard" },
  "unknown-architecture": { status: 422, title: "The checkpoint's architecture is not known" },
  "unsupported-topology": { status: 422, title: "The topology has a part that cannot be evaluated" },
  "incompatible-weights": { status: 422, title: "The weights do not fit the architecture" },
  "no-soup": { status: 422, title: "There is nothing to make a soup of" },
  "incompatible-dataset": { status: 422, title: "The model and the dataset do not fit each other" },
  "too-large-for-isolate": { status: 422, title: "This exceeds what one isolate can hold" },
  "idempotency-conflict": { status: 422, title: "The idempotency key was used for another request" },
  "precondition-required": { status: 428, title: "The request must name the state that it changes" },
  "rate-limited": { status: 429, title: "Too many requests; try again later" },
  "issuer-unreachable": { status: 503, title: "The token's issuer could not be asked for its keys" },
  "catalog-not-migrated": { status: 503, title: "The catalog has no tables yet" },
  "over-budget": { status: 503, title: "The memory budget is in use; try again shortly" },
  internal: { status: 500, title: "Something failed inside edgefuse" },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof PROBLEMS;

/** Extra members of a problem: plain JSON, shown to the caller. Never put a secret here. */
export type ProblemMembers = Readonly<Record<string, unknown>>;

export class Problem extends Error {
  override readonly name = "Problem";
  readonly code: ProblemCode;
  readonly members: ProblemMembers;

  /**
   * @param code a stable code of {@link PROBLEMS}
   * @param detail one sentence: which thing is wrong, and what to do about it
   * @param members machine-readable particulars (tensor, index, differences, limit …)
   */
  constructor(code: ProblemCode, detail: string, members: ProblemMembers = {}, options?: ErrorOptions) {
    super(detail, options);
    this.code = code;
    this.members = members;
  }

  get status(): number {
    return PROBLEMS[this.code].status;
  }

  get title(): string {
    return PROBLEMS[this.code].title;
  }
}
