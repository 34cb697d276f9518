import type { FusionState } from "../../shared/api/fusions.ts";
import type { GateState } from "../../shared/api/gates.ts";

/** Whether a fusion stays as it is unless someone asks for something. */
export function hasEnded({
  state,
  gate,
}: {
  readonly state: FusionState;
  readonly gate: { readonly state: GateState } | null;
}): boolean {
  switch (state) {
    case "queued":
    case "running":
      return false;
    // A lazy model waits for readers; nothing will come by itself.
    case "lazy":
    case "failed":
    case "cancelled":
      return true;
    case "succeeded":
      return gate?.state !== "pending";
    default:
      return state satisfies never;
  }
}
