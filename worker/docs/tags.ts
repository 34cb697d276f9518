/** Groups of the reference, in its order; the first that fits a path has it. */
export const TAGS = [
  {
    name: "Published models",
    description: "What a CDN caches: immutable files with strong ETags and ranges, in the forms that clients know.",
    fits: /^\/models\//,
  },
  {
    name: "Hugging Face form",
    description: "The same files at the addresses that `@huggingface/hub` and `from_pretrained` know.",
    fits: /^\/api\/models\/|\/resolve\//,
  },
  { name: "Checkpoints", description: "What fusions are made of.", fits: /^\/v1\/checkpoints/ },
  { name: "Uploads", description: "Large files in parts, which may be sent again.", fits: /^\/v1\/uploads/ },
  { name: "Fusions", description: "Models made on demand, by a recipe.", fits: /^\/v1\/(fusions|fuse)(\/|$)/ },
  { name: "Models", description: "Fused models: lists, links to private ones, deletion.", fits: /^\/v1\/models/ },
  { name: "Aliases", description: "Names that move from model to model.", fits: /^\/v1\/aliases/ },
  {
    name: "Validation data",
    description: "Shards of samples, and datasets, which are named lists of them.",
    fits: /^\/v1\/(shards|datasets)/,
  },
  {
    name: "Topologies",
    description: "What TF.js models are without their weights, so that these can be evaluated.",
    fits: /^\/v1\/topologies/,
  },
  { name: "Probes", description: "What lies between two models.", fits: /^\/v1\/probes/ },
  { name: "Gates", description: "What models must hold to be published, and verdicts.", fits: /^\/v1\/gates/ },
  { name: "Soups", description: "Averages whose inputs are chosen by how good they are.", fits: /^\/v1\/soups/ },
  {
    name: "Jobs",
    description: "What agents train, and what the deployment makes of it.",
    fits: /^\/v1\/(jobs|queue)(\/|$)/,
  },
  { name: "Tokens", description: "What people and machines prove themselves with.", fits: /^\/v1\/tokens/ },
  { name: "Deployment", description: "The deployment itself.", fits: /^/ },
] as const;

/** The group of a path. */
export function tagOf(path: string): string {
  return TAGS.find(({ fits }) => fits.test(path))?.name ?? "Deployment";
}
