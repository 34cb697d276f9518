import type { ProblemDocument } from "../../shared/api/problem.ts";
import { Problem } from "../../shared/problem.ts";
import { problemDocument } from "../problems/render.ts";

/** Someone cancelled the fusion, or another attempt took it over: this one stops without a word. */
export class Superseded extends Error {
  override readonly name = "Superseded";
}

/**
 * How a step ended, as plain JSON. What no repetition mends is a result, not an exception: the platform repeats what
 * throws, and keeps no more of an exception than its text.
 */
export type Outcome<Value> =
  | { readonly kind: "done"; readonly value: Value }
  | { readonly kind: "refused"; readonly problem: ProblemDocument }
  | { readonly kind: "superseded" };

/** Runs a step's work. @throws what may go well the next time: no memory just now, a platform that failed */
export async function settle<Value>(path: string, work: () => Promise<Value>): Promise<Outcome<Value>> {
  try {
    return { kind: "done", value: await work() };
  } catch (error) {
    if (error instanceof Superseded) return { kind: "superseded" };
    if (error instanceof Problem && error.status < 500) {
      return { kind: "refused", problem: problemDocument(error, path) };
    }
    throw error;
  }
}

/** A step's refusal, on its way through the Workflow's own code. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly problem: ProblemDocument;

  constructor(problem: ProblemDocument) {
    super(problem.detail);
    this.problem = problem;
  }
}

/** @throws Refused, Superseded */
export function valueOf<Value>(outcome: Outcome<Value>): Value {
  switch (outcome.kind) {
    case "done":
      return outcome.value;
    case "refused":
      throw new Refused(outcome.problem);
    case "superseded":
      throw new Superseded();
    default:
      return outcome satisfies never;
  }
}
