import type { ProbeId } from "../../identity.ts";
import type { ProbeQuery, ProbeSummary } from "../listing.ts";
import type { MeanProbe, PathProbe, PendingProbe, PlaneProbe, ProbeDescription } from "../probe-answers.ts";
import type { CreateProbeRequest } from "../probes.ts";
import type { Connection } from "./connection.ts";

/** Between two looks at a probe. */
const POLL_MS = 500;
/** How long one request waits for a probe; where progress is shown, shorter. */
const WAIT_SECONDS = 20;
const WATCH_SECONDS = 1;

/** Pictures of a probe: the curve of a path, the heat map of a plane, the pairs of a mean, and a badge of any but a plane. */
export type ProbePicture = "barrier" | "plane" | "matrix" | "badge";

/** The kind of answer that a question has. */
export type AnswerTo<Question extends CreateProbeRequest> = Question extends { readonly kind: "mean" }
  ? MeanProbe
  : Question extends { readonly kind: "plane" }
    ? PlaneProbe
    : PathProbe;

/**
 * What lies between models, and around them.
 * @example
 * ```ts
 * const path = await client.probes.create({ a, b, dataset: "digits" });
 * const mean = await client.probes.create({ kind: "mean", models: [a, b, c], dataset: "digits", pairwise: true });
 * console.log(path.accuracyBarrier, mean.lossBarrier, await client.probes.picture(path.id, "barrier"));
 * ```
 */
export class ProbeCalls {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Asks a question and waits for the answer, however long it takes. The same question has one answer, stored once.
   * @param onProgress called with what is known on the way: how many shards are done, and the answer over those
   * @throws ApiError why it could not be answered, where that is so
   */
  async create<const Question extends CreateProbeRequest>(
    question: Question,
    onProgress?: (probe: PendingProbe) => void,
  ): Promise<AnswerTo<Question>> {
    const begun = await this.#connection.json<ProbeDescription | PendingProbe>("POST", "/v1/probes", {
      body: question,
    });
    if (isPending(begun)) onProgress?.(begun);
    // The deployment answers what was asked.
    return (isPending(begun) ? await this.wait(begun.id, onProgress) : begun) as AnswerTo<Question>;
  }

  /** Has a question answered in the background; see {@link ProbeCalls.wait}. */
  start(question: CreateProbeRequest): Promise<ProbeDescription | PendingProbe> {
    return this.#connection.json("POST", "/v1/probes", { body: question, headers: { prefer: "respond-async" } });
  }

  /**
   * Waits for an answer.
   * @throws ApiError why there is none, where that is so
   */
  async wait(id: ProbeId, onProgress?: (probe: PendingProbe) => void): Promise<ProbeDescription> {
    const seconds = onProgress === undefined ? WAIT_SECONDS : WATCH_SECONDS;
    for (;;) {
      const probe = await this.#connection.json<ProbeDescription | PendingProbe>("GET", `/v1/probes/${id}`, {
        headers: { prefer: `wait=${seconds}` },
      });
      if (!isPending(probe)) return probe;
      onProgress?.(probe);
      await this.#connection.wait(POLL_MS);
    }
  }

  /** A probe as it is: its answer, or how far it is. */
  get(id: ProbeId): Promise<ProbeDescription | PendingProbe> {
    return this.#connection.json("GET", `/v1/probes/${id}`);
  }

  /** Probes, newest first. */
  list(filter: Partial<Omit<ProbeQuery, "cursor">> = {}): AsyncGenerator<ProbeSummary> {
    return this.#connection.pages("/v1/probes", filter);
  }

  /** A picture of a probe, as SVG. @throws ApiError `not-found` where a probe of its kind has no such picture */
  async picture(id: ProbeId, name: ProbePicture): Promise<string> {
    return (await this.#connection.send("GET", `/v1/probes/${id}/${name}.svg`)).text();
  }
}

function isPending(probe: ProbeDescription | PendingProbe): probe is PendingProbe {
  return "state" in probe;
}
