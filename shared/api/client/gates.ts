import type { GateId } from "../../identity.ts";
import type { GateDescription, GateQuery } from "../gates.ts";
import type { Connection } from "./connection.ts";

/** Between two looks at a gate. */
const POLL_MS = 500;

/** Verdicts on whether a model may be published. They are asked for with a fusion, or by moving a protected alias. */
export class GateCalls {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  get(id: GateId): Promise<GateDescription> {
    return this.#connection.json("GET", `/v1/gates/${id}`);
  }

  /** Waits until a gate has decided. */
  async wait(id: GateId): Promise<GateDescription> {
    for (;;) {
      const gate = await this.get(id);
      if (gate.state !== "pending") return gate;
      await this.#connection.wait(POLL_MS);
    }
  }

  /** Verdicts, newest first. */
  list(filter: Partial<Omit<GateQuery, "cursor">> = {}): AsyncGenerator<GateDescription> {
    return this.#connection.pages("/v1/gates", filter);
  }
}
