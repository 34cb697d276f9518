import type { FusionState } from "../../shared/api/fusions.ts";

/** Whether a fusion stays as it is unless someone asks for something. */
export function hasEnded({ state }: { readonly state: FusionState }): boolean {
  switch (state) {
    case "queued":
    case "running":
      return false;
    // A lazy model waits for readers; nothing will come by itself.
    case "lazy":
    case "succeeded":
    case "failed":
    case "cancelled":
      return true;
    default:
      return state satisfies never;
  }
}
