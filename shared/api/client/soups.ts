import type { SoupId } from "../../identity.ts";
import type { CreateSoupRequest, SoupDescription, SoupQuery } from "../soups.ts";
import type { Connection } from "./connection.ts";

/** Between two looks at a soup. */
const POLL_MS = 500;

/**
 * Soups: averages of those checkpoints that make the average better.
 * @example
 * ```ts
 * const soup = await client.soups.create({ kind: "greedy", checkpoints, dataset: "digits" });
 * const { model, trace } = await client.soups.wait(soup.id);
 * ```
 */
export class SoupCalls {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Asks for a soup. The same candidates on the same data are one soup. */
  create(request: CreateSoupRequest): Promise<SoupDescription> {
    return this.#connection.json("POST", "/v1/soups", { body: request });
  }

  get(id: SoupId): Promise<SoupDescription> {
    return this.#connection.json("GET", `/v1/soups/${id}`);
  }

  /** Soups, newest first. */
  list(filter: Partial<Omit<SoupQuery, "cursor">> = {}): AsyncGenerator<SoupDescription> {
    return this.#connection.pages("/v1/soups", filter);
  }

  /**
   * Waits until a soup is made, or has failed.
   * @param onProgress called with every description on the way; the trace grows decision by decision
   */
  async wait(id: SoupId, onProgress: (soup: SoupDescription) => void = () => undefined): Promise<SoupDescription> {
    for (;;) {
      const soup = await this.get(id);
      onProgress(soup);
      if (soup.state !== "running") return soup;
      await this.#connection.wait(POLL_MS);
    }
  }
}
