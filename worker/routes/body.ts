import { Problem } from "../../shared/problem.ts";
import { type AppContext, limitsOf } from "../environment.ts";
import { announcedSha256 } from "../objects/digest.ts";
import { tooLarge } from "../objects/inspect.ts";

/** What a request says of the file it carries, before a byte of it is read. */
export interface AnnouncedFile {
  readonly body: ReadableStream<Uint8Array>;
  readonly length: number | undefined;
  readonly announced: string | undefined;
  readonly maxBytes: number;
}

/**
 * @throws Problem `unsupported-media-type` for an encoded body, `payload-too-large` by Content-Length,
 *   `truncated-file` where there is no body, `malformed-request` for a digest that is none
 */
export function announcedFile(c: AppContext, maxBytes = limitsOf(c.env).maxUploadBytes): AnnouncedFile {
  const encoding = c.req.header("content-encoding");
  if (encoding !== undefined && encoding.toLowerCase() !== "identity") {
    throw new Problem("unsupported-media-type", "Send the file as it is, without Content-Encoding.", { encoding });
  }
  const text = c.req.header("content-length");
  const length = text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  if (length !== undefined && length > maxBytes) throw tooLarge(maxBytes);
  const { body } = c.req.raw;
  if (body === null) throw new Problem("truncated-file", "The request carries no file.");
  return { body: body as ReadableStream<Uint8Array>, length, announced: announcedSha256(c.req.raw.headers), maxBytes };
}

/** Media type of the request without its parameters, in lower case. */
export function mediaType(c: AppContext): string {
  return (c.req.header("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
}

/** @throws Problem `unsupported-media-type` unless the body's media type is one of these */
export function requireMediaType(c: AppContext, accepted: readonly string[]): void {
  const type = mediaType(c);
  if (!accepted.includes(type)) {
    throw new Problem(
      "unsupported-media-type",
      `Send a body of content type ${accepted.join(" or ")}${type === "" ? "" : `, not ${type}`}.`,
      { accepted },
    );
  }
}

/**
 * Lets work run to its end, clean-up included, when the client goes away in the middle. Without this the runtime stops
 * a request's code where it stands.
 */
export function seeThrough<Result>(c: AppContext, work: Promise<Result>): Promise<Result> {
  c.executionCtx.waitUntil(work.catch(() => undefined));
  return work;
}
