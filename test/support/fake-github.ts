import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { MOST_COMMENT_CHARACTERS } from "../../infra/github-action/src/report/comment.ts";

export interface FakeComment {
  readonly id: number;
  body: string;
  readonly user: { readonly type: string; readonly login: string };
  readonly author_association: string;
}

/** What of GitHub an action sees: comments of a pull request, and identity tokens. On loopback. */
export interface FakeGitHub {
  readonly url: string;
  /** The comments of each pull request, by number. */
  readonly comments: Map<number, FakeComment[]>;
  /** `METHOD path`, in order. */
  readonly requests: string[];
  /** Audiences that tokens were asked for. */
  readonly audiences: string[];
  /** What the runner of a job puts into the environment of its steps. */
  readonly environment: Readonly<Record<string, string>>;
  /** What a step is given as `github.token`. */
  readonly token: string;
  /** Answers the next requests to change anything so. */
  refuseWrites(status: number): void;
  close(): Promise<void>;
}

const REQUEST_TOKEN = "request-token-of-the-runner";

/** @param issue an identity token for an audience */
export async function startFakeGitHub(issue: (audience: string) => Promise<string>): Promise<FakeGitHub> {
  const comments = new Map<number, FakeComment[]>();
  const [requests, audiences]: [string[], string[]] = [[], []];
  const token = "ghs_0123456789abcdefghijABCDEFGHIJ";
  let refusal: number | undefined;
  let lastId = 7000;

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    const reply = (status: number, body: unknown) =>
      void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    requests.push(`${request.method} ${url.pathname}`);
    if (url.pathname === "/identity/token") {
      if (request.headers.authorization !== `Bearer ${REQUEST_TOKEN}`) return reply(401, {});
      if (url.searchParams.get("api-version") !== "2.0") return reply(404, {});
      const audience = url.searchParams.get("audience") ?? "";
      audiences.push(audience);
      return reply(200, { count: 1, value: await issue(audience) });
    }
    if (request.headers.authorization !== `Bearer ${token}`) return reply(401, { message: "Bad credentials" });
    const [, list] = /^\/repos\/owner\/name\/issues\/(\d+)\/comments$/.exec(url.pathname) ?? [];
    const [, one] = /^\/repos\/owner\/name\/issues\/comments\/(\d+)$/.exec(url.pathname) ?? [];
    if (request.method === "GET" && list !== undefined) {
      const size = Number(url.searchParams.get("per_page") ?? 30);
      const from = size * (Number(url.searchParams.get("page") ?? 1) - 1);
      return reply(200, (comments.get(Number(list)) ?? []).slice(from, from + size));
    }
    const { body } = JSON.parse(await textOf(request)) as { body: string };
    if (refusal !== undefined) return reply(refusal, { message: "Resource not accessible by integration" });
    if (body.length > MOST_COMMENT_CHARACTERS) return reply(422, { message: "body is too long" });
    if (request.method === "POST" && list !== undefined) {
      const user = { type: "Bot", login: "github-actions[bot]" };
      const comment = { id: ++lastId, body, user, author_association: "NONE" };
      comments.set(Number(list), [...(comments.get(Number(list)) ?? []), comment]);
      return reply(201, comment);
    }
    const found = [...comments.values()].flat().find(({ id }) => id === Number(one));
    if (request.method !== "PATCH" || found === undefined) return reply(404, { message: "Not Found" });
    found.body = body;
    return reply(200, found);
  };

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    comments,
    requests,
    audiences,
    token,
    environment: {
      ACTIONS_ID_TOKEN_REQUEST_URL: `${url}/identity/token?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: REQUEST_TOKEN,
      GITHUB_API_URL: url,
      GITHUB_SERVER_URL: "https://github.com",
    },
    refuseWrites: (status) => {
      refusal = status;
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) text += String(chunk);
  return text;
}
