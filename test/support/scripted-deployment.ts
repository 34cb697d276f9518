import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { JobDescription } from "../../shared/api/jobs.ts";
import { MODEL, PARENT } from "./job-descriptions.ts";

export interface SeenRequest {
  readonly line: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A deployment that says what it was told to, on loopback. */
export interface ScriptedDeployment {
  readonly url: string;
  readonly requests: SeenRequest[];
  /** What the job is at each look; the last one stays. */
  looks: JobDescription[];
  /** What it is once it was asked to stop, at each look. */
  afterCancel: JobDescription[];
  /** By id of the job. */
  readonly logs: Map<string, string>;
  /** Whether strangers see the picture. */
  hasPicture: boolean;
  /** Answers in the deployment's place, where it returns true. */
  meddle: (request: SeenRequest, response: ServerResponse) => boolean;
  lines(): string[];
  close(): Promise<void>;
}

export async function startScriptedDeployment(): Promise<ScriptedDeployment> {
  const requests: SeenRequest[] = [];
  const logs = new Map<string, string>();
  const job = `/v1/jobs/${PARENT}`;
  const next = (list: JobDescription[]) => (list.length > 1 ? list.shift() : list[0]);
  let isCancelled = false;

  const server = createServer((request, response) => {
    void answer(request, response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const deployment: ScriptedDeployment = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    looks: [],
    afterCancel: [],
    logs,
    hasPicture: true,
    meddle: () => false,
    lines: () => requests.map(({ line }) => line),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += String(chunk);
    const { pathname, searchParams } = new URL(request.url ?? "/", deployment.url);
    const line = `${request.method} ${pathname}`;
    const seen = { line, headers: request.headers, body };
    requests.push(seen);
    if (deployment.meddle(seen, response)) return;
    const reply = (status: number, type: string, text: string, headers: Record<string, string> = {}) =>
      void response.writeHead(status, { "content-type": type, ...headers }).end(text);
    const describe = () =>
      reply(200, "application/json", JSON.stringify(next(isCancelled ? deployment.afterCancel : deployment.looks)));
    if (line === `GET /models/${MODEL}/barrier.svg` && deployment.hasPicture && !request.headers.authorization) {
      return reply(200, "image/svg+xml", "<svg/>");
    }
    if (line === "POST /v1/jobs" || line === `GET ${job}`) return describe();
    if (line === `DELETE ${job}`) {
      isCancelled = true;
      return describe();
    }
    const [, id] = /^GET \/v1\/jobs\/(\w+)\/log$/.exec(line) ?? [];
    if (id === undefined) return problem(response, 404, "not-found");
    const whole = Buffer.from(logs.get(id) ?? "");
    const text = whole.subarray(Number(searchParams.get("offset") ?? 0)).toString();
    return reply(200, "text/plain", text, { "edgefuse-log-next": String(whole.length) });
  }
  return deployment;
}

/** Answers with a problem document. */
export function problem(response: ServerResponse, status: number, code: string, detail = `It is ${code}.`): void {
  const body = {
    type: `https://edgefuse.example/docs/problems#${code}`,
    title: code,
    status,
    code,
    detail,
    instance: "/",
  };
  response.writeHead(status, { "content-type": "application/problem+json" }).end(JSON.stringify(body));
}
