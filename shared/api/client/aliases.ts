import type { ModelId } from "../../identity.ts";
import type { AliasChange, AliasDescription, PutAliasRequest, RollbackAliasRequest } from "../aliases.ts";
import { ApiError } from "./api-error.ts";
import type { GateDescription } from "../gates.ts";
import { type ProblemCode, PROBLEMS } from "../../problem.ts";
import type { ProblemDocument } from "../problem.ts";
import type { Connection } from "./connection.ts";
import { GateCalls } from "./gates.ts";

/** Between two looks at an alias that is about to move, and how many there are. */
const POLL_MS = 500;
const MOST_LOOKS = 20;

/** What an alias must be for a change to happen: at a version, not there at all, or anything. */
export type AliasCondition = { readonly version: number } | "new" | "any";

export interface AliasFilter {
  /** Only aliases that point at this model. */
  readonly model?: ModelId;
  /** Entries a page. */
  readonly limit?: number;
}

/**
 * Names of models. A change names the version that it was decided on, so nobody's change is undone unseen.
 * @example
 * ```ts
 * const { version } = await client.aliases.get("team/digits");
 * await client.aliases.put("team/digits", { model }, { version });
 * ```
 */
export class AliasCalls {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  list(filter: AliasFilter = {}): AsyncGenerator<AliasDescription> {
    return this.#connection.pages("/v1/aliases", { ...filter });
  }

  /** @throws ApiError `alias-not-found` */
  get(name: string): Promise<AliasDescription> {
    return this.#connection.json("GET", pathOf(name));
  }

  /** The same; undefined where there is no such alias. */
  async find(name: string): Promise<AliasDescription | undefined> {
    try {
      return await this.get(name);
    } catch (error) {
      if (error instanceof ApiError && error.code === "alias-not-found") return undefined;
      throw error;
    }
  }

  /**
   * Makes or moves an alias. Where it has a gate, waits until the model is measured.
   * @param condition what it must be now
   * @throws ApiError `precondition-failed` where it is something else; `gate-refused` with what was measured and what is
   *   allowed, `gate-required`, `model-not-found`
   */
  async put(name: string, request: PutAliasRequest, condition: AliasCondition): Promise<AliasDescription> {
    try {
      const answer = await this.#connection.json<AliasDescription | GateDescription>("PUT", pathOf(name), {
        body: request,
        headers: conditionFields(condition),
      });
      return "limits" in answer ? await this.#waitFor(name, answer) : answer;
    } catch (error) {
      const mayBeDone = error instanceof ApiError && error.code === "precondition-failed" && error.followsLostAnswer;
      const found = mayBeDone ? await this.find(name) : undefined;
      if (found !== undefined && isOutcome(found, request, condition)) return found;
      throw error;
    }
  }

  /** The alias, once the gate has decided that it moves. */
  async #waitFor(name: string, pending: GateDescription): Promise<AliasDescription> {
    const request = `PUT ${pathOf(name)}`;
    const gate = await new GateCalls(this.#connection).wait(pending.id);
    if (gate.state === "refused") throw new ApiError(request, 409, refusalBy(gate));
    for (let look = 1; ; look++) {
      const alias = await this.get(name);
      if (alias.model === gate.model) return alias;
      // The verdict comes first, then the move.
      if (look === MOST_LOOKS) {
        const detail = `The alias ${name} was moved by someone else while the model was measured.`;
        throw new ApiError(request, 412, problemOf("precondition-failed", detail));
      }
      await this.#connection.wait(POLL_MS);
    }
  }

  /** Every version, newest first; also of an alias that is deleted. */
  history(name: string, limit?: number): AsyncGenerator<AliasChange> {
    return this.#connection.pages(`${pathOf(name)}/history`, { limit });
  }

  /**
   * Points an alias again at what it pointed at before: at `request.version`, or the version before the current one.
   * @throws ApiError `precondition-failed`, `alias-not-found` where there is no such version
   */
  rollback(
    name: string,
    request: RollbackAliasRequest,
    condition: Exclude<AliasCondition, "new">,
  ): Promise<AliasDescription> {
    const headers = conditionFields(condition);
    return this.#connection.json("POST", `${pathOf(name)}/rollback`, { body: request, headers, once: true });
  }

  /** Deletes an alias; its history stays. */
  delete(name: string, condition: Exclude<AliasCondition, "new">): Promise<void> {
    return this.#connection.delete(pathOf(name), { headers: conditionFields(condition) });
  }
}

/** A gate's refusal as the problem that a request is answered with. */
function refusalBy({ id, model, limits, measured, reasons, probe }: GateDescription): ProblemDocument {
  const detail = `The gate refused model ${model}. ${reasons.join(" ")}`;
  return { ...problemOf("gate-refused", detail), gate: id, model, limits, measured, reasons, probe };
}

function problemOf(code: ProblemCode, detail: string): ProblemDocument {
  const { status, title } = PROBLEMS[code];
  return { type: `/docs/problems#${code}`, title, status, code, detail };
}

const pathOf = (name: string) => `/v1/aliases/${encodeURIComponent(name)}`;

function conditionFields(condition: AliasCondition): Record<string, string> {
  if (condition === "new") return { "if-none-match": "*" };
  return { "if-match": condition === "any" ? "*" : `"v${condition.version}"` };
}

/** Whether an alias is what a request would have made of it, so that the request whose answer was lost made it. */
function isOutcome(alias: AliasDescription, request: PutAliasRequest, condition: AliasCondition): boolean {
  // Of an alias that was deleted before, versions go on.
  const isNext = condition === "new" || (condition !== "any" && alias.version === condition.version + 1);
  const hasProtection = request.protected === undefined || alias.protected === request.protected;
  const hasGate = request.gate === undefined || (alias.gate === null) === (request.gate === null);
  return isNext && alias.model === request.model && hasProtection && hasGate;
}
