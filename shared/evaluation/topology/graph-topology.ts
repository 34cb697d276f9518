import { Problem } from "../../problem.ts";
import { GRAPH_OPERATIONS, PASSING_OPERATIONS } from "./graph-operations.ts";
import { graphWeight, manifestShapes, type WeightKind } from "./graph-weights.ts";
import { attribute, type GraphNode, shapeOf } from "./graph-node.ts";
import { copyJson, isObject, type Json, type JsonObject, malformed } from "./json.ts";

const MOST_NODES = 20_000;

/** A graph with one input and one output, and only the nodes between. */
export type Graph = {
  readonly node: readonly GraphNode[];
  /** Name of the placeholder. */
  readonly input: string;
  /** `name` or `name:index` of the tensor of logits. */
  readonly output: string;
  /** With -1 for the batch and for what is not known; null where nothing is said. */
  readonly inputShape: readonly number[] | null;
  readonly outputShape: readonly number[] | null;
  /** Its constants; their values are the weights. */
  readonly weights: readonly { readonly name: string; readonly shape: readonly number[]; readonly kind: WeightKind }[];
};

/**
 * Reduces a GraphModel to the nodes that its one output needs. A softmax at the end is left out: a loss is computed from
 * logits, and the largest of them is the same.
 * @param modelJson the whole model.json: the signature stands beside the topology
 * @throws Problem `malformed-tfjs-model`, `unsupported-topology` naming the operation
 */
export function parseGraphTopology(modelJson: Readonly<Record<string, unknown>>): Json {
  const topology = modelJson["modelTopology"];
  const list = isObject(topology) ? topology["node"] : undefined;
  if (!Array.isArray(list)) throw malformed("A graph has a list of nodes.");
  if (list.length > MOST_NODES) throw malformed(`It has more than ${MOST_NODES} nodes.`);
  const nodes = new Map<string, GraphNode>();
  for (const node of list.map(readNode)) {
    if (nodes.has(node.name)) throw malformed(`Two nodes are called ${JSON.stringify(node.name)}.`);
    nodes.set(node.name, node);
  }
  const signature = signatureOf(modelJson);
  const input = only("input", signature.inputs) ?? { name: onlyPlaceholder(nodes), shape: null };
  const output = only("output", signature.outputs) ?? { name: onlyEnd(nodes), shape: null };
  const logits = withoutSoftmax(nodes, output.name);
  const needed = orderedNodes(nodes, nodeOf(logits));
  const placeholder = nodes.get(nodeOf(input.name));
  if (placeholder === undefined || !needed.includes(placeholder)) {
    throw malformed(`The output does not depend on the input ${JSON.stringify(input.name)}.`);
  }
  for (const node of needed) requireSupported(node, placeholder);
  const shapes = manifestShapes(modelJson["weightsManifest"]);
  return {
    node: needed,
    input: placeholder.name,
    output: logits,
    inputShape: input.shape ?? shapeOf(attribute(placeholder, "shape")["shape"]),
    outputShape: output.shape,
    weights: needed.filter(({ op }) => op === "Const").map((node) => graphWeight(node, shapes)),
  } satisfies Graph;
}

/** How often each operation occurs. */
export function countOperations({ node }: Graph): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { op } of node) counts.set(op, (counts.get(op) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Name of the node that gives a tensor: `name`, `name:1`, `^name`. */
export function nodeOf(tensor: string): string {
  return tensor.replace(/^\^/, "").split(":")[0] ?? "";
}

function readNode(node: unknown): GraphNode {
  if (!isObject(node)) throw malformed("A node is an object.");
  const { name, op, input, attr } = node;
  if (typeof name !== "string" || typeof op !== "string" || name === "" || name === "__proto__") {
    throw malformed("A node has a name and an op.");
  }
  const inputs: readonly unknown[] = input === undefined || input === null ? [] : Array.isArray(input) ? input : [null];
  if (!inputs.every((one): one is string => typeof one === "string")) {
    throw malformed(`The inputs of ${JSON.stringify(name)} are no list of names.`);
  }
  // Attributes that begin with _ are notes of TensorFlow's to itself.
  const attributes = attr === undefined ? {} : copyJson(attr, (key) => !key.startsWith("_"));
  return {
    name,
    op,
    ...(inputs.length === 0 ? {} : { input: inputs }),
    ...(isObject(attributes) && Object.keys(attributes).length > 0 ? { attr: attributes as JsonObject } : {}),
  };
}

interface Entry {
  readonly name: string;
  readonly shape: readonly number[] | null;
}

/** The signature lies beside the topology, in files of older converters among the metadata. */
function signatureOf(modelJson: Readonly<Record<string, unknown>>): { inputs: Entry[]; outputs: Entry[] } {
  const metadata = modelJson["userDefinedMetadata"];
  const inner = isObject(metadata) ? metadata["signature"] : undefined;
  const signature = isObject(inner) ? inner : modelJson["signature"];
  const entries = (member: "inputs" | "outputs"): Entry[] => {
    const found = isObject(signature) ? signature[member] : undefined;
    return Object.values(isObject(found) ? found : {}).flatMap((entry) =>
      isObject(entry) && typeof entry["name"] === "string"
        ? [{ name: entry["name"], shape: shapeOf(entry["tensorShape"]) }]
        : [],
    );
  };
  return { inputs: entries("inputs"), outputs: entries("outputs") };
}

function only(what: string, entries: readonly Entry[]): Entry | undefined {
  if (entries.length > 1) {
    throw new Problem("unsupported-topology", `The model has ${entries.length} ${what}s; one is evaluated.`);
  }
  return entries[0];
}

function onlyPlaceholder(nodes: ReadonlyMap<string, GraphNode>): string {
  const [first, ...others] = [...nodes.values()].filter(({ op }) => op === "Placeholder");
  if (first === undefined || others.length > 0) {
    throw new Problem("unsupported-topology", "The model has no signature, and not exactly one placeholder.");
  }
  return first.name;
}

function onlyEnd(nodes: ReadonlyMap<string, GraphNode>): string {
  const used = new Set([...nodes.values()].flatMap(({ input = [] }) => input.map(nodeOf)));
  const [first, ...others] = [...nodes.values()].filter(({ name, op }) => !used.has(name) && op !== "NoOp");
  if (first === undefined || others.length > 0) {
    throw new Problem("unsupported-topology", "The model has no signature, and not exactly one output.");
  }
  return first.name;
}

/** The tensor that the last softmax takes, where there is one. */
function withoutSoftmax(nodes: ReadonlyMap<string, GraphNode>, output: string): string {
  const passed = new Set<string>();
  for (let name = nodeOf(output); !passed.has(name);) {
    passed.add(name);
    const node = nodes.get(name);
    const [source] = node?.input ?? [];
    if (node === undefined || source === undefined) return output;
    if (node.op === "Softmax") return source;
    if (!PASSING_OPERATIONS.has(node.op)) return output;
    name = nodeOf(source);
  }
  return output;
}

/** What a node needs and the node itself, each behind its inputs. @throws Problem for what is missing, and for circles */
function orderedNodes(nodes: ReadonlyMap<string, GraphNode>, end: string): GraphNode[] {
  const ordered: GraphNode[] = [];
  const state = new Map<string, "open" | "done">();
  // Without recursion: a chain may be as long as the graph.
  const stack = [{ name: end, isReady: false }];
  for (let step = stack.pop(); step !== undefined; step = stack.pop()) {
    const { name, isReady } = step;
    const node = nodes.get(name);
    if (node === undefined) throw malformed(`There is no node ${JSON.stringify(name)}.`);
    if (isReady) {
      state.set(name, "done");
      ordered.push(node);
      continue;
    }
    if (state.get(name) === "done") continue;
    if (state.get(name) === "open") throw malformed(`The node ${JSON.stringify(name)} depends on itself.`);
    state.set(name, "open");
    stack.push({ name, isReady: true });
    for (const source of (node.input ?? []).map(nodeOf)) {
      if (state.get(source) === "open") throw malformed(`The node ${JSON.stringify(source)} depends on itself.`);
      if (state.get(source) === undefined) stack.push({ name: source, isReady: false });
    }
  }
  return ordered;
}

function requireSupported(node: GraphNode, input: GraphNode): void {
  const { name, op } = node;
  const isOtherInput = op === "Placeholder" && node !== input;
  if (GRAPH_OPERATIONS.has(op) && !isOtherInput) return;
  throw new Problem(
    "unsupported-topology",
    isOtherInput
      ? `The output depends on a second input, ${JSON.stringify(name)}.`
      : `The node ${JSON.stringify(name)} is a ${op}, which cannot be evaluated here.`,
    { operation: op, node: name, ...(isOtherInput ? {} : { supported: [...GRAPH_OPERATIONS].sort() }) },
  );
}
