import { ApiError, type ProblemDocument } from "../../shared/api/index.ts";
import type { Terminal } from "../command-line/terminal.ts";
import { Failure } from "../failure.ts";
import { reportVerdict, type Verdict } from "../probing/gate-verdict.ts";

/**
 * Asks for something that a gate may refuse. Shows the verdict, measures and all, before the failure that it is.
 * @throws Failure `gate-refused`; what asking throws
 */
export async function showRefusal<Answer>(terminal: Terminal, asking: () => Promise<Answer>): Promise<Answer> {
  try {
    return await asking();
  } catch (error) {
    const cause = error instanceof Failure ? error.cause : undefined;
    if (!(cause instanceof ApiError) || cause.code !== "gate-refused" || cause.problem === undefined) throw error;
    // The deployment's own schemas made it.
    const refusal = cause.problem as ProblemDocument & Omit<Verdict, "state"> & { gate: string; model: string };
    const { gate, model, limits, measured, reasons } = refusal;
    reportVerdict({ gate, model, state: "refused", limits, measured, reasons }, terminal);
    throw error;
  }
}
