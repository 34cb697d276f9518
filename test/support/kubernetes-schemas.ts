import * as z from "zod";

/**
 * The fields of Kubernetes that the manifests use, and no others: a field that is misspelt or stands in the wrong place
 * is unknown here, as it is to an API server that validates strictly. After the API reference of Kubernetes 1.33.
 */

/** RFC 1123 label: what names of objects and containers are. */
export const name = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, "a DNS label");

/** A label's key: an optional DNS prefix, then up to 63 characters. */
const labelKey = z.string().regex(/^([a-z0-9.-]{1,253}\/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/);
const labelValue = z.string().regex(/^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/);
const labels = z.record(labelKey, labelValue);

/** A count of things, as text or number: quantities with a suffix are text. */
export const quantity = z.union([z.string().regex(/^\d+(\.\d+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$/), z.int().min(0)]);
export const resourceName = z.enum(["cpu", "memory", "ephemeral-storage", "nvidia.com/gpu"]);
const resourceList = z.partialRecord(resourceName, quantity);
export const seconds = z.int().min(0);

export const metadata = z.strictObject({ name, labels: labels.optional() });

export const secretKey = z.strictObject({ name, key: z.string().regex(/^[-._a-zA-Z0-9]+$/) });

const variable = z
  .strictObject({
    name: z.string().regex(/^[A-Z_][A-Z0-9_]*$/),
    value: z.string().optional(),
    valueFrom: z
      .union([
        z.strictObject({ fieldRef: z.strictObject({ fieldPath: z.enum(["metadata.name", "metadata.namespace"]) }) }),
        z.strictObject({ secretKeyRef: secretKey }),
      ])
      .optional(),
  })
  .refine(({ value, valueFrom }) => (value === undefined) !== (valueFrom === undefined), "value or valueFrom");

const container = z.strictObject({
  name,
  image: z.string().min(1),
  imagePullPolicy: z.enum(["Always", "IfNotPresent", "Never"]),
  command: z.array(z.string()).optional(),
  args: z.array(z.string()),
  env: z.array(variable),
  envFrom: z.array(z.strictObject({ configMapRef: z.strictObject({ name }) })),
  resources: z.strictObject({ requests: resourceList, limits: resourceList }),
  // What Kubernetes calls the restricted profile (Pod Security Standards), and a root that cannot be written.
  securityContext: z.strictObject({
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.literal(true),
    capabilities: z.strictObject({ drop: z.tuple([z.literal("ALL")]) }),
  }),
  volumeMounts: z.array(z.strictObject({ name, mountPath: z.string().startsWith("/") })),
});

const volume = z.union([
  z.strictObject({ name, emptyDir: z.strictObject({ sizeLimit: quantity }) }),
  z.strictObject({ name, persistentVolumeClaim: z.strictObject({ claimName: name }) }),
]);

const podSpec = z.strictObject({
  restartPolicy: z.enum(["Always", "OnFailure", "Never"]).optional(),
  automountServiceAccountToken: z.literal(false),
  enableServiceLinks: z.literal(false),
  terminationGracePeriodSeconds: seconds,
  runtimeClassName: z.literal("nvidia"),
  securityContext: z.strictObject({
    runAsNonRoot: z.literal(true),
    runAsUser: z.int().min(1),
    runAsGroup: z.int().min(1),
    fsGroup: z.int().min(1),
    fsGroupChangePolicy: z.enum(["OnRootMismatch", "Always"]).optional(),
    seccompProfile: z.strictObject({ type: z.literal("RuntimeDefault") }),
  }),
  tolerations: z.array(
    z.strictObject({
      key: z.string(),
      operator: z.literal("Exists"),
      effect: z.enum(["NoSchedule", "PreferNoSchedule", "NoExecute"]),
    }),
  ),
  containers: z.tuple([container]),
  volumes: z.array(volume),
});

const podTemplate = z.strictObject({ metadata: z.strictObject({ labels }), spec: podSpec });

export const deployment = z.strictObject({
  apiVersion: z.literal("apps/v1"),
  kind: z.literal("Deployment"),
  metadata,
  spec: z.strictObject({
    selector: z.strictObject({ matchLabels: labels }),
    strategy: z.strictObject({
      type: z.literal("RollingUpdate"),
      rollingUpdate: z
        .strictObject({ maxSurge: z.int().min(0), maxUnavailable: z.int().min(0) })
        .refine(({ maxSurge, maxUnavailable }) => maxSurge + maxUnavailable > 0, "both cannot be 0"),
    }),
    template: podTemplate,
  }),
});

/** In order, without repetitions; 0 is none of a list of failures. */
const exitCodes = z
  .array(z.int().min(1).max(255))
  .min(1)
  .max(255)
  .refine((codes) => codes.every((code, index) => index === 0 || code > (codes[index - 1] ?? 0)), "sorted, each once");

const failureRule = z.union([
  z.strictObject({
    action: z.enum(["FailJob", "FailIndex", "Ignore", "Count"]),
    onExitCodes: z.strictObject({ containerName: name, operator: z.enum(["In", "NotIn"]), values: exitCodes }),
  }),
  z.strictObject({
    action: z.enum(["FailJob", "FailIndex", "Ignore", "Count"]),
    onPodConditions: z
      .array(z.strictObject({ type: z.string(), status: z.enum(["True", "False", "Unknown"]) }))
      .min(1)
      .max(20),
  }),
]);

export const jobSpec = z.strictObject({
  suspend: z.boolean().optional(),
  completions: z.int().min(1).optional(),
  parallelism: z.int().min(0).optional(),
  completionMode: z.enum(["Indexed", "NonIndexed"]).optional(),
  backoffLimit: z.int().min(0).optional(),
  backoffLimitPerIndex: z.int().min(0).optional(),
  maxFailedIndexes: z.int().min(0).optional(),
  // With a podFailurePolicy, what is being ended is not replaced before it has ended.
  podReplacementPolicy: z.literal("Failed").optional(),
  activeDeadlineSeconds: z.int().min(1).optional(),
  ttlSecondsAfterFinished: seconds.optional(),
  podFailurePolicy: z.strictObject({ rules: z.array(failureRule).min(1).max(20) }).optional(),
  template: podTemplate.extend({ spec: podSpec.extend({ restartPolicy: z.literal("Never") }) }),
});

export const job = z
  .strictObject({ apiVersion: z.literal("batch/v1"), kind: z.literal("Job"), metadata, spec: jobSpec })
  .refine(({ spec }) => spec.backoffLimitPerIndex === undefined || spec.completionMode === "Indexed", {
    error: "limits for each index take an Indexed Job",
  })
  .refine(({ spec }) => spec.maxFailedIndexes === undefined || spec.maxFailedIndexes <= (spec.completions ?? 1), {
    error: "no more failed indices than there are",
  });

export const volumeClaim = z.strictObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("PersistentVolumeClaim"),
  metadata,
  spec: z.strictObject({
    accessModes: z.array(z.enum(["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany", "ReadWriteOncePod"])).min(1),
    resources: z.strictObject({ requests: z.strictObject({ storage: quantity }) }),
  }),
});

export const configMap = z.strictObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("ConfigMap"),
  metadata,
  data: z.record(z.string(), z.string()),
});

export type Container = z.infer<typeof container>;
export type PodSpec = z.infer<typeof podSpec>;
