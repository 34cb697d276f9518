import { type Html, html } from "./html.ts";

interface Convention {
  readonly id: string;
  readonly title: string;
  readonly text: Html;
}

/** What holds for all routes alike. */
export const CONVENTIONS: readonly Convention[] = [
  {
    id: "authentication",
    title: "Authentication",
    text: html`<p>
        Published models, this page and <code>/healthz</code> are open to anyone. Everything else takes
        <code>Authorization: Bearer …</code>: a token made by <code>POST /v1/tokens</code>, the deployment's admin
        secret, or an OpenID Connect token of a CI job that the deployment's rules let in. Tokens have scopes; each
        operation below names those of which one is enough. A private model can also be read through a signed link.
      </p>
      <pre>
export EDGEFUSE_URL=https://your-deployment.example EDGEFUSE_TOKEN=ef_…
curl -H "Authorization: Bearer $EDGEFUSE_TOKEN" "$EDGEFUSE_URL/v1/checkpoints"</pre>`,
  },
  {
    id: "errors",
    title: "Errors",
    text: html`<p>
      Every error is a problem document (<a href="https://www.rfc-editor.org/rfc/rfc9457">RFC 9457</a>,
      <code>application/problem+json</code>). Its <code>type</code> leads to an entry of the
      <a href="/docs/problems">list of problems</a>, its <code>detail</code> says which thing is wrong and what to do,
      and <code>errors</code> points into the request (<a href="https://www.rfc-editor.org/rfc/rfc6901">JSON Pointer</a
      >). Every operation may answer with one, so they are not listed again below. A request that failed has changed
      nothing.
    </p>`,
  },
  {
    id: "repeating",
    title: "Repeating requests",
    text: html`<p>
        Files, recipes and questions are named by what they are: the same bytes are one checkpoint, the same recipe is
        one model, the same question one probe. Sending such a request again does no harm and gives the same answer.
      </p>
      <p>
        Every POST of JSON also takes an <code>Idempotency-Key</code> of your choice. For a day the same request with
        the same key gets the first one's answer, marked <code>Idempotency-Replayed: true</code>. Another request with
        that key is refused with 422, one that comes while the first is under way with 409. A request that failed leaves
        its key free.
      </p>
      <p>Answers 429 and 503 carry <code>Retry-After</code>.</p>`,
  },
  {
    id: "long-work",
    title: "Long work",
    text: html`<p>
        What does not fit one request is answered with 202; <code>Location</code> says where to look,
        <code>Retry-After</code> when. <code>Prefer: wait=20</code> waits up to so many seconds for the result, both
        when asking and when looking; <code>Prefer: respond-async</code> does not wait at all (<a
          href="https://www.rfc-editor.org/rfc/rfc7240"
          >RFC 7240</a
        >).
      </p>
      <p>
        A fusion's <code>events</code> are its progress as server-sent events, each with an <code>id</code>. A client
        that comes back with <code>Last-Event-ID</code> is told what is new, and 204 once it has seen the end. A comment
        every 15 seconds keeps idle connections open.
      </p>`,
  },
  {
    id: "pages",
    title: "Lists",
    text: html`<p>
      Lists are newest first and come in pages of <code>limit</code> entries. <code>next</code> of one page is the
      <code>cursor</code> of the following one, and null on the last.
    </p>`,
  },
  {
    id: "caching",
    title: "Files and caches",
    text: html`<p>
      Published files never change: they are <code>immutable</code>, have strong <code>ETag</code>s, and take
      <code>If-None-Match</code>, <code>Range</code> and <code>If-Range</code>. <code>Repr-Digest</code> (<a
        href="https://www.rfc-editor.org/rfc/rfc9530"
        >RFC 9530</a
      >) is the SHA-256 of the whole file, also with a range.
    </p>`,
  },
  {
    id: "tracing",
    title: "Request ids and traces",
    text: html`<p>
      Every answer has an <code>x-request-id</code>: your own, or a fresh one. It is in the deployment's log and in
      problem documents. A <code>traceparent</code> (<a href="https://www.w3.org/TR/trace-context/">W3C Trace Context</a
      >) is continued: the answer's names the same trace and the span of this request.
    </p>`,
  },
];
