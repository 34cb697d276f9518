import { createHash } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/** An answer that replaces the normal one; `drop` closes the connection instead. */
export interface Disturbance {
  readonly status?: number;
  readonly code?: string;
  readonly drop?: boolean;
}

interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

export interface FakeS3 {
  readonly endpoint: string;
  readonly objects: Map<string, Buffer>;
  /** Uploads begun and neither completed nor aborted. */
  readonly openUploads: Map<string, Map<number, Buffer>>;
  /** `METHOD /path?query` of every request, without the query's values. */
  readonly requests: string[];
  close(): Promise<void>;
}

const md5 = (bytes: Uint8Array) => createHash("md5").update(bytes).digest();

/**
 * Enough of S3 for uploads: HEAD, PUT, multipart. It is for errors that the real local R2 endpoint cannot be made to
 * give; that one is covered end to end.
 * @param disturb asked before every request; what it returns is answered instead
 */
export async function startFakeS3(
  disturb: (request: string) => Disturbance | undefined = () => undefined,
): Promise<FakeS3> {
  const objects = new Map<string, Buffer>();
  const tags = new Map<string, string>();
  const openUploads = new Map<string, Map<number, Buffer>>();
  const requests: string[] = [];

  const answer = async (request: IncomingMessage): Promise<Answer> => {
    const url = new URL(request.url ?? "/", "http://fake");
    const key = decodeURIComponent(url.pathname);
    const body = await buffer(request);
    const digest = request.headers["content-md5"];
    if (digest !== undefined && digest !== md5(body).toString("base64")) {
      return { status: 400, body: errorXml("BadDigest") };
    }
    const uploadId = url.searchParams.get("uploadId");
    if (request.method === "HEAD") {
      const object = objects.get(key);
      if (object === undefined) return { status: 404 };
      return { status: 200, headers: { "content-length": String(object.length), etag: tags.get(key) ?? "" } };
    }
    if (request.method === "POST" && url.searchParams.has("uploads")) {
      const id = `upload-${openUploads.size + 1}`;
      openUploads.set(id, new Map());
      return {
        status: 200,
        body: `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
      };
    }
    if (request.method === "PUT" && uploadId !== null) {
      openUploads.get(uploadId)?.set(Number(url.searchParams.get("partNumber")), body);
      return { status: 200, headers: { etag: `"${md5(body).toString("hex")}"` } };
    }
    if (request.method === "DELETE" && uploadId !== null) {
      openUploads.delete(uploadId);
      return { status: 204 };
    }
    if (request.method === "POST" && uploadId !== null) {
      const parts = [...(openUploads.get(uploadId) ?? [])].sort(([a], [b]) => a - b).map(([, part]) => part);
      objects.set(key, Buffer.concat(parts));
      tags.set(key, `"${md5(Buffer.concat(parts.map(md5))).toString("hex")}-${parts.length}"`);
      openUploads.delete(uploadId);
      const result = `<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>`;
      return { status: 200, body: result };
    }
    if (request.method === "PUT") {
      objects.set(key, body);
      tags.set(key, `"${md5(body).toString("hex")}"`);
      return { status: 200, headers: { etag: tags.get(key) ?? "" } };
    }
    return { status: 405, body: errorXml("MethodNotAllowed") };
  };

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://fake");
    const parameters = [...url.searchParams.keys()].filter((name) => name !== "x-id").sort();
    const line = `${request.method} ${url.pathname}${parameters.length > 0 ? `?${parameters.join("&")}` : ""}`;
    requests.push(line);
    const disturbance = disturb(line);
    if (disturbance?.drop === true) {
      request.socket.destroy();
      return;
    }
    const reply = disturbance?.status === undefined ? answer(request) : refuse(request, disturbance);
    void reply.then(({ status, headers = {}, body = "" }) => response.writeHead(status, headers).end(body));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    openUploads,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

async function refuse(
  request: IncomingMessage,
  { status = 500, code = "InternalError" }: Disturbance,
): Promise<Answer> {
  await buffer(request);
  return { status, body: request.method === "HEAD" ? "" : errorXml(code) };
}

function errorXml(code: string): string {
  return `<?xml version="1.0"?><Error><Code>${code}</Code><Message>This is a test.</Message></Error>`;
}
