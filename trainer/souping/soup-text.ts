import type { SoupDecision } from "../../shared/api/soup-trace.ts";
import { tableLines } from "../command-line/table.ts";

/** What was decided, a line each, in the order in which it was. */
export function traceText(trace: readonly SoupDecision[], nameOf: (id: string) => string): string {
  const rows = trace.map(({ decision, candidate, why }) => [decision, nameOf(candidate), why]);
  return tableLines(rows, []).join("\n");
}

/** `greedy soup of 4 of 6, accuracy 95.31 %, loss 0.1812`. */
export function soupText(
  kind: string,
  {
    members,
    candidates,
    accuracy,
    loss,
  }: {
    readonly members: number;
    readonly candidates: number;
    readonly accuracy: number | null;
    readonly loss: number | null;
  },
): string {
  const measures = [
    ...(accuracy === null ? [] : [`accuracy ${(100 * accuracy).toFixed(2)} %`]),
    ...(loss === null ? [] : [`loss ${loss.toFixed(4)}`]),
  ];
  return [`${kind} soup of ${members} of ${candidates}`, ...measures].join(", ");
}
