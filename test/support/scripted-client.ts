import { EdgefuseClient } from "../../shared/api/index.ts";

export interface Sent {
  readonly url: string;
  /** Path and query. */
  readonly path: string;
  readonly method: string | undefined;
  readonly headers: Headers;
  readonly body: unknown;
}

/** How a scripted network answers a request. */
export type Answer = Response | Error | ((sent: Sent) => Response | Promise<Response>);

/**
 * A client whose requests are answered from a list, and what it sent and waited for.
 * @param now milliseconds since 1970
 */
export function clientOf(answers: Answer[], url = "http://host.example/", now = 0) {
  const sent: Sent[] = [];
  const waits: number[] = [];
  let keys = 0;
  const client = new EdgefuseClient({
    url,
    token: "t",
    fetch: async (input, init) => {
      const { href, pathname, search } = new URL(String(input));
      const request = {
        url: href,
        path: pathname + search,
        method: init?.method,
        headers: new Headers(init?.headers),
        body: init?.body ?? undefined,
      };
      sent.push(request);
      const answer = answers.shift();
      if (answer === undefined) throw new Error("one request too many");
      if (answer instanceof Error) throw answer;
      return answer instanceof Response ? answer : answer(request);
    },
    wait: async (milliseconds) => void waits.push(milliseconds),
    makeKey: () => `key-${++keys}`,
    now: () => now,
  });
  return { client, sent, waits };
}

export const problem = (status: number, code: string, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify({ type: "x", title: "t", status, code, detail: "why", differences: [1] }), {
    status,
    headers: { "content-type": "application/problem+json", ...headers },
  });

/** What fetch throws where the network failed. */
export const lost = () => new TypeError("fetch failed", { cause: new Error("reset") });
