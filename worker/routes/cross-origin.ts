import { cors } from "hono/cors";

/**
 * Lets pages of any origin use the API and read models. Nothing here goes by cookies or by where a browser stands: what is
 * not public takes a token or a link that the page must have, so an origin adds nothing.
 */
export function crossOrigin() {
  return cors({
    origin: "*",
    allowMethods: ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"],
    allowHeaders: [
      ...["Authorization", "Content-Type", "Content-Disposition", "Accept", "Range"],
      ...["If-Match", "If-None-Match", "If-Range", "Want-Repr-Digest", "Repr-Digest", "Content-Digest"],
      ...["Idempotency-Key", "Prefer", "Last-Event-ID", "Traceparent", "X-Request-Id"],
    ],
    exposeHeaders: [
      ...["ETag", "Content-Range", "Accept-Ranges", "Content-Length", "Repr-Digest", "Location", "Retry-After"],
      ...["X-Linked-Size", "X-Linked-Etag", "X-Repo-Commit", "X-Error-Code", "X-Error-Message", "X-Request-Id"],
      ...["Content-Disposition", "Link", "RateLimit", "RateLimit-Policy", "WWW-Authenticate"],
      ...["Idempotency-Replayed", "Preference-Applied", "Traceparent"],
    ],
    maxAge: 86_400,
  });
}
