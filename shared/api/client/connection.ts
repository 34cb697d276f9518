import type { Page } from "../paging.ts";
import { ApiError, readProblem } from "./api-error.ts";
import { pauseAfter, pauseAfterSilence } from "./patience.ts";

export interface ClientOptions {
  /** Address of the deployment, such as `http://127.0.0.1:8787`. */
  readonly url: string | URL;
  /** Bearer token; public reads need none. */
  readonly token?: string | undefined;
  readonly fetch?: typeof fetch | undefined;
  /** Pauses before a retry, and between two looks at something that is under way. */
  readonly wait?: ((milliseconds: number) => Promise<void>) | undefined;
  /** Makes a value for `Idempotency-Key`, never the same twice. */
  readonly makeKey?: (() => string) | undefined;
  /** Milliseconds since 1970. */
  readonly now?: (() => number) | undefined;
}

/** A file in memory. */
export type FileBody = Uint8Array<ArrayBuffer> | Blob;

export interface SendOptions {
  /** A file goes as bytes, anything else as JSON. */
  readonly body?: object | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Doing it twice would be doing it two times, so a repetition has to be known as one. */
  readonly once?: boolean | undefined;
  /** A status beside 2xx that is an answer too, such as 304. */
  readonly accept?: number | undefined;
}

/** Parts of a query; what is undefined is left out. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * Requests to one deployment: its address, the token, problems as {@link ApiError}, and patience with a deployment that
 * is busy (429, 503) or does not answer.
 */
export class Connection {
  readonly #url: URL;
  readonly #token: string | undefined;
  readonly #fetch: typeof fetch;
  readonly #makeKey: () => string;
  readonly #now: () => number;
  readonly wait: (milliseconds: number) => Promise<void>;

  constructor(options: ClientOptions) {
    this.#url = new URL(options.url);
    this.#token = options.token;
    // Called without a receiver, as browsers and workerd demand of their own fetch.
    this.#fetch = options.fetch ?? ((...parameters) => fetch(...parameters));
    this.#makeKey = options.makeKey ?? randomKey;
    this.#now = options.now ?? Date.now;
    this.wait = options.wait ?? ((milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)));
  }

  /** The absolute address of a path of the deployment. */
  address(path: string): URL {
    return new URL(this.#url.pathname.replace(/\/$/, "") + path, this.#url);
  }

  /** What a request answers with, as JSON. */
  async json<Answer>(method: string, path: string, options: SendOptions = {}): Promise<Answer> {
    // The deployment's own schemas made the answer; it is not checked a second time.
    return (await (await this.send(method, path, options)).json()) as Answer;
  }

  /** Every entry of a list, page by page. */
  async *pages<Item>(path: string, query: Query = {}): AsyncGenerator<Item> {
    for (let cursor: string | undefined; ;) {
      const page: Page<Item> = await this.json("GET", path + queryText({ ...query, cursor }));
      yield* page.items;
      if (page.next === null) return;
      cursor = page.next;
    }
  }

  /**
   * Deletes something. That it is gone already is no error where an earlier try may have deleted it.
   * @throws ApiError
   */
  async delete(path: string, options: SendOptions = {}): Promise<void> {
    try {
      await (await this.send("DELETE", path, options)).body?.cancel();
    } catch (error) {
      if (error instanceof ApiError && error.status === 404 && error.followsLostAnswer) return;
      throw error;
    }
  }

  /** @throws ApiError; what `fetch` throws where nobody answers */
  send(method: string, path: string, options: SendOptions = {}): Promise<Response> {
    const { body, once = false, accept } = options;
    const headers = new Headers(options.headers);
    if (this.#token !== undefined) headers.set("authorization", `Bearer ${this.#token}`);
    if (once) headers.set("idempotency-key", this.#makeKey());
    const isFile = body instanceof Uint8Array || body instanceof Blob;
    if (body !== undefined && !headers.has("content-type")) {
      headers.set("content-type", isFile ? "application/octet-stream" : "application/json");
    }
    const request: RequestInit = { method, headers };
    if (body !== undefined) request.body = isFile ? (body as FileBody) : JSON.stringify(body);

    return this.#patiently(`${method} ${path}`, this.address(path), request, accept);
  }

  /**
   * The same to another server: without the token, which is none of its business.
   * @param url holds a signature, so it is not part of any message
   */
  sendElsewhere(url: string, request: { readonly method: string; readonly body: FileBody }): Promise<Response> {
    return this.#patiently(`${request.method} ${new URL(url).origin}`, new URL(url), request);
  }

  async #patiently(name: string, url: URL, request: RequestInit, accept?: number): Promise<Response> {
    for (let attempt = 1, isLost = false; ; attempt++) {
      let response: Response;
      try {
        response = await this.#fetch(url, request);
      } catch (error) {
        // Fetch throws a TypeError where the network failed; an abort is something else.
        const pause = error instanceof TypeError ? pauseAfterSilence(attempt) : undefined;
        if (pause === undefined) throw error;
        isLost = true;
        await this.wait(pause);
        continue;
      }
      if (response.ok || response.status === accept) return response;
      const problem = await readProblem(response);
      const isUnderWay = isLost && problem?.code === "idempotency-in-flight";
      const pause = isUnderWay ? pauseAfterSilence(attempt) : pauseAfter(response, attempt, this.#now());
      if (pause === undefined) throw new ApiError(name, response.status, problem, isLost);
      if (response.status !== 429 && response.status !== 503) isLost = true;
      await this.wait(pause);
    }
  }
}

/** `?limit=2&cursor=7`, or nothing. */
export function queryText(query: Query): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value));
  const text = parameters.toString();
  return text === "" ? "" : `?${text}`;
}

/** 128 random bits. (`crypto.randomUUID` is there in secure contexts only.) */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
