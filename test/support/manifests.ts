import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import * as z from "zod";
import * as kubernetes from "./kubernetes-schemas.ts";
import { type CheckedLine, parseCommand, shellWords } from "./parse-command.ts";
import * as scaling from "./scaling-schemas.ts";
import { parseYaml, readYaml } from "./yaml-files.ts";

const FOLDER = join(import.meta.dirname, "../../infra/kubernetes");

/** Any object of the manifests, by its kind. */
const manifest = z.discriminatedUnion("kind", [
  kubernetes.deployment,
  kubernetes.job,
  kubernetes.volumeClaim,
  kubernetes.configMap,
  scaling.triggerAuthentication,
  scaling.scaledObject,
  scaling.scaledJob,
  scaling.resourceFlavor,
  scaling.clusterQueue,
  scaling.localQueue,
]);

export type Manifest = z.infer<typeof manifest>;

const kustomization = z.strictObject({
  apiVersion: z.literal("kustomize.config.k8s.io/v1beta1"),
  kind: z.literal("Kustomization"),
  resources: z.array(z.string()).min(1),
  images: z.array(z.strictObject({ name: z.string(), newName: z.string(), newTag: z.string() })).optional(),
  configMapGenerator: z.array(z.strictObject({ name: kubernetes.name, literals: z.array(z.string()) })).optional(),
  patches: z
    .array(z.strictObject({ target: z.strictObject({ kind: z.string(), name: kubernetes.name }), patch: z.string() }))
    .optional(),
});

/** Operations of a JSON patch (RFC 6902) that the manifests use. */
const jsonPatch = z.array(
  z.strictObject({ op: z.literal("add"), path: z.string().startsWith("/"), value: z.unknown() }),
);

/** A folder of manifests that is applied as one. */
export interface ManifestFolder {
  readonly name: string;
  readonly images: NonNullable<z.infer<typeof kustomization>["images"]>;
  /** Of the ConfigMap by name: variables that pods get. */
  readonly settings: ReadonlyMap<string, Readonly<Record<string, string>>>;
  readonly objects: readonly Manifest[];
}

export async function manifestFolders(): Promise<string[]> {
  return (await readdir(FOLDER)).sort();
}

/** Of a folder of manifests, for tools. */
export const folderPath = (name: string): string => join(FOLDER, name);

/**
 * What `kubectl apply -k` would apply: the files that the kustomization names, patched. Images and names of generated
 * ConfigMaps stay as they are written.
 * @throws where a file lies there that nothing names, or anything is not as its schema says
 */
export async function readFolder(name: string): Promise<ManifestFolder> {
  const folder = join(FOLDER, name);
  const [found, ...more] = await readYaml(join(folder, "kustomization.yaml"));
  if (more.length > 0) throw new Error(`${name} has two kustomizations`);
  const { resources, images = [], configMapGenerator = [], patches = [] } = kustomization.parse(found);
  const own = resources.filter((one) => !one.startsWith("../"));
  const unnamed = (await readdir(folder)).filter((file) => file !== "kustomization.yaml" && !own.includes(file));
  if (unnamed.length > 0) throw new Error(`${name}: nothing names ${unnamed.join(", ")}`);

  const bases = await Promise.all(
    resources.filter((one) => one.startsWith("../")).map((one) => readFolder(basename(one))),
  );
  const files = await Promise.all(own.map((file) => readYaml(join(folder, file))));
  let objects = [...bases.flatMap((base) => base.objects), ...files.flat().map((one) => checked(one, name))];
  for (const { target, patch } of patches) {
    const isTarget = (one: Manifest) => one.kind === target.kind && one.metadata.name === target.name;
    if (!objects.some(isTarget)) throw new Error(`${name} patches ${target.kind} ${target.name}, which is not there`);
    const operations = jsonPatch.parse(parseYaml(patch)[0]);
    objects = objects.map((one) => (isTarget(one) ? checked(patched(one, operations), name) : one));
  }
  const generated = configMapGenerator.map(({ name: map, literals }) => {
    const entries = literals.map((literal) => {
      const [, key = "", value = ""] = /^([A-Z_]+)=(.*)$/.exec(literal) ?? [];
      return [key, value] as const;
    });
    return [map, Object.fromEntries(entries)] as const;
  });
  return {
    name,
    images: [...bases.flatMap((base) => base.images), ...images],
    settings: new Map([...bases.flatMap((base) => [...base.settings]), ...generated]),
    objects,
  };
}

/** The only object of a kind in a folder. */
export function onlyOf<Kind extends Manifest["kind"]>({ name, objects }: ManifestFolder, kind: Kind) {
  const [first, ...more] = objects.filter((one): one is Extract<Manifest, { kind: Kind }> => one.kind === kind);
  if (first === undefined || more.length > 0) throw new Error(`${name} has not one ${kind}`);
  return first;
}

/** The pods that an object makes. */
export function podsOf(object: Manifest): kubernetes.PodSpec[] {
  switch (object.kind) {
    case "Deployment":
    case "Job":
      return [object.spec.template.spec];
    case "ScaledJob":
      return [object.spec.jobTargetRef.template.spec];
    default:
      return [];
  }
}

/** @throws naming the object and the field */
export function checked(object: unknown, where: string): Manifest {
  const result = manifest.safeParse(object);
  if (result.success) return result.data;
  throw new Error(`${where}: ${z.prettifyError(result.error)}`);
}

/** `add` of RFC 6902, to members of objects. */
function patched(object: Manifest, operations: z.infer<typeof jsonPatch>): unknown {
  const copy = structuredClone(object) as unknown as Record<string, unknown>;
  for (const { path, value } of operations) {
    const keys = path
      .slice(1)
      .split("/")
      .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
    const last = keys.pop() ?? "";
    let at: Record<string, unknown> = copy;
    for (const key of keys) {
      const next = at[key];
      if (typeof next !== "object" || next === null) throw new Error(`there is no ${path} to add to`);
      at = next as Record<string, unknown>;
    }
    at[last] = value;
  }
  return copy;
}

/** `$(NAME)` and `$$` in a container's words, as the kubelet has them. */
export function expanded(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\$\$|\$\(([A-Za-z_]\w*)\)/g, (whole, name: string | undefined) =>
    name === undefined ? "$" : (variables.get(name) ?? whole),
  );
}

export const POD_NAME = "edgefuse-agent-7d4f9c-x2v8k";
export const variablesOf = ({ env }: kubernetes.Container) =>
  new Map(env.map(({ name, value }) => [name, value ?? POD_NAME]));

/** What a container runs, as edgefuse parses it; what its shell computes is 1. */
export async function lineOf(container: kubernetes.Container): Promise<CheckedLine> {
  const words = container.args.map((word) => expanded(word, variablesOf(container)));
  if (container.command === undefined) return parseCommand(words);
  if (container.command.join(" ") !== "/bin/sh -c") throw new Error(`not a shell: ${container.command.join(" ")}`);
  const [exec, edgefuse, ...rest] = shellWords((words[0] ?? "").replaceAll(/"\$\(\([^)]*\)\)"/g, "1"));
  if (exec !== "exec" || edgefuse !== "edgefuse") throw new Error("the shell stays between Kubernetes and edgefuse");
  return parseCommand(rest);
}
