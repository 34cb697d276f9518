import { ApiError } from "../../../shared/api/client/api-error.ts";
import { Connection } from "../../../shared/api/client/connection.ts";
import { JobCalls } from "../../../shared/api/client/jobs.ts";
import type { CreatedJob, CreateJobRequest } from "../../../shared/api/jobs.ts";
import type { ProbeDescription } from "../../../shared/api/probes.ts";
import type { IdentityTokens } from "./identity-token.ts";
import type { Submission } from "./submission.ts";
import type { ActionWorld } from "./world.ts";

/** What the action asks of a deployment, as the run that it is part of. */
export class Deployment {
  readonly #connection: Connection;
  readonly #world: ActionWorld;
  readonly #url: string;
  readonly #identity: IdentityTokens;
  readonly jobs: JobCalls;

  constructor(world: ActionWorld, url: string, identity: IdentityTokens) {
    const { now, wait, interrupted } = world;
    // A step that is to end does not wait for a deployment that is busy.
    const pause = (milliseconds: number) => wait(milliseconds, interrupted.aborted ? undefined : interrupted);
    this.#world = world;
    this.#url = url;
    this.#identity = identity;
    this.#connection = new Connection({ url, fetch: identity.fetch, now, wait: pause });
    this.jobs = new JobCalls(this.#connection);
  }

  /** Gets an identity, so that where there is none nothing is begun. @throws ActionFailure */
  async identify(): Promise<void> {
    await this.#identity.current();
  }

  /** Posts a job, or finds the one that was posted with the same key. @throws ApiError */
  post({ spec, key }: Submission): Promise<CreatedJob> {
    // What it takes is the deployment's to say: it may be of another version.
    return this.jobs.create({ spec: spec as unknown as CreateJobRequest["spec"] }, key);
  }

  /** @returns undefined where it may not be read, or is not there */
  async probe(id: string): Promise<ProbeDescription | undefined> {
    try {
      const probe = await this.#connection.json<ProbeDescription | { state: unknown }>("GET", `/v1/probes/${id}`);
      return "state" in probe ? undefined : probe;
    } catch (error) {
      if (error instanceof ApiError && error.status < 500) return undefined;
      throw error;
    }
  }

  /**
   * Address of the picture of what a model was made of, for pages that anybody may look at.
   * @returns undefined where strangers cannot see it, as that of a private model
   */
  async publicPicture(model: string): Promise<string | undefined> {
    const address = `${this.#url}/models/${model}/barrier.svg`;
    try {
      const response = await this.#world.fetch(address, { signal: AbortSignal.timeout(15_000) });
      await response.body?.cancel();
      const isPicture = (response.headers.get("content-type") ?? "").startsWith("image/svg+xml");
      return response.ok && isPicture ? address : undefined;
    } catch {
      // A report without a picture is better than none.
      return undefined;
    }
  }
}
