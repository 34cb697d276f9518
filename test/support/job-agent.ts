import { createHash } from "node:crypto";
import type { ClaimedJob, CompleteRequest, HeartbeatAnswer } from "../../shared/api/jobs.ts";
import { jsonOf } from "./conformance-world.ts";

type Send = (path: string, init?: RequestInit) => Promise<Response>;

/** An agent without a trainer: it speaks the protocol, and does what a test tells it. */
export class JobAgent {
  readonly #send: Send;
  readonly name: string;

  /** @param send a request to the deployment with a token that may do this */
  constructor(send: Send, name: string) {
    this.#send = send;
    this.name = name;
  }

  /** @returns undefined where nothing waits */
  async claim(labels: readonly string[] = []): Promise<HeldByAgent | undefined> {
    const capabilities = { kinds: ["train", "experiment"], backends: ["wasm"], memoryBytes: 2 ** 30, labels };
    const response = await this.#send("/v1/jobs/claim", jsonOf("POST", { agent: this.name, capabilities }));
    if (response.status === 204) return undefined;
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return new HeldByAgent(this.#send, (await response.json()) as ClaimedJob);
  }

  /** The next job, as soon as there is one. */
  async next(labels?: readonly string[]): Promise<HeldByAgent> {
    for (;;) {
      const held = await this.claim(labels);
      if (held !== undefined) return held;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** A job that an agent has. */
export class HeldByAgent {
  readonly #send: Send;
  readonly claimed: ClaimedJob;

  constructor(send: Send, claimed: ClaimedJob) {
    this.#send = send;
    this.claimed = claimed;
  }

  /** A request with the lease. */
  send(path: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set("edgefuse-lease", this.claimed.lease.token);
    return this.#send(`/v1/jobs/${this.claimed.job.id}/${path}`, { ...init, headers });
  }

  async beat(): Promise<HeartbeatAnswer> {
    const response = await this.send("heartbeat", jsonOf("POST", {}));
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return (await response.json()) as HeartbeatAnswer;
  }

  log(offset: number, text: string): Promise<Response> {
    return this.send(`log?offset=${offset}`, { method: "POST", body: text, headers: { "content-type": "text/plain" } });
  }

  /** @returns id of the checkpoint */
  async output(file: Uint8Array<ArrayBuffer>, name: string): Promise<string> {
    const headers = {
      "content-type": "application/octet-stream",
      "content-disposition": `attachment; filename="${name}"`,
    };
    const response = await this.send("outputs", { method: "POST", body: file, headers });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return createHash("sha256").update(file).digest("hex");
  }

  complete(end: CompleteRequest): Promise<Response> {
    return this.send("complete", jsonOf("POST", end));
  }
}
