import { MODEL_KEY } from "./architecture.ts";

/** Key of a checkpoint's topology in a safetensors file's `__metadata__`: its id. */
export const TOPOLOGY_KEY = "edgefuse.topology";

/** Keys of how a file's tensors lie (`tensorflow` or `pytorch`), and of their names by ours (JSON). */
export const LAYOUT_KEY = "edgefuse.layout";
export const NAMES_KEY = "edgefuse.names";

/** Everything in a file's `__metadata__` that says how its weights are to be read. */
export const FORM_KEYS = [MODEL_KEY, TOPOLOGY_KEY, LAYOUT_KEY, NAMES_KEY] as const;
