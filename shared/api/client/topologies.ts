import type { TopologyId } from "../../identity.ts";
import type { TopologyDescription, TopologyQuery, TopologySummary } from "../topologies.ts";
import type { Connection } from "./connection.ts";

/** Networks that are no architecture of ours: the `model.json` of TF.js models, so that their weights can be probed. */
export class TopologyCalls {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** @param modelJson the contents of a `model.json`, parsed; LayersModel or GraphModel */
  upload(modelJson: object): Promise<TopologyDescription> {
    return this.#connection.json("POST", "/v1/topologies", { body: modelJson });
  }

  get(id: TopologyId): Promise<TopologyDescription> {
    return this.#connection.json("GET", `/v1/topologies/${id}`);
  }

  /** Topologies, newest first. */
  list(filter: Partial<Omit<TopologyQuery, "cursor">> = {}): AsyncGenerator<TopologySummary> {
    return this.#connection.pages("/v1/topologies", filter);
  }

  /** @throws ApiError `still-needed` */
  delete(id: TopologyId): Promise<void> {
    return this.#connection.delete(`/v1/topologies/${id}`);
  }
}
