import * as z from "zod";
import { jobSpec, metadata, name, quantity, resourceName, seconds, secretKey } from "./kubernetes-schemas.ts";

/** The fields of KEDA (2.17) and Kueue (0.15) that the manifests use, and no others. */

/** The metrics-api scaler with a bearer token; KEDA takes all its parameters as text. */
const trigger = z.strictObject({
  type: z.literal("metrics-api"),
  name: z
    .string()
    .regex(/^[A-Za-z_]\w*$/, "a name that a formula can use")
    .optional(),
  metricType: z.enum(["AverageValue", "Value"]).optional(),
  metadata: z.strictObject({
    url: z.url({ protocol: /^https$/ }),
    valueLocation: z.string(),
    targetValue: z.string().regex(/^\d+(\.\d+)?$/),
    activationTargetValue: z
      .string()
      .regex(/^\d+(\.\d+)?$/)
      .optional(),
    authMode: z.literal("bearer"),
  }),
  authenticationRef: z.strictObject({ name }),
});

const kedaVersion = z.literal("keda.sh/v1alpha1");

export const triggerAuthentication = z.strictObject({
  apiVersion: kedaVersion,
  kind: z.literal("TriggerAuthentication"),
  metadata,
  spec: z.strictObject({
    secretTargetRef: z.array(z.strictObject({ parameter: z.literal("token"), ...secretKey.shape })).min(1),
  }),
});

const replicas = { minReplicaCount: z.int().min(0), maxReplicaCount: z.int().min(1) };

export const scaledObject = z.strictObject({
  apiVersion: kedaVersion,
  kind: z.literal("ScaledObject"),
  metadata,
  spec: z.strictObject({
    scaleTargetRef: z.strictObject({ name }),
    ...replicas,
    pollingInterval: seconds,
    cooldownPeriod: seconds,
    advanced: z.strictObject({
      scalingModifiers: z.strictObject({
        formula: z.string(),
        target: z.string().regex(/^\d+(\.\d+)?$/),
        activationTarget: z.string().regex(/^\d+(\.\d+)?$/),
        metricType: z.enum(["AverageValue", "Value"]),
      }),
      horizontalPodAutoscalerConfig: z.strictObject({
        behavior: z.strictObject({
          scaleDown: z.strictObject({
            stabilizationWindowSeconds: seconds.max(3600),
            policies: z.array(
              z.strictObject({
                type: z.enum(["Pods", "Percent"]),
                value: z.int().min(1),
                periodSeconds: z.int().min(1).max(1800),
              }),
            ),
          }),
        }),
      }),
    }),
    triggers: z.array(trigger).min(1),
  }),
});

export const scaledJob = z.strictObject({
  apiVersion: kedaVersion,
  kind: z.literal("ScaledJob"),
  metadata,
  spec: z.strictObject({
    ...replicas,
    pollingInterval: seconds,
    successfulJobsHistoryLimit: z.int().min(0),
    failedJobsHistoryLimit: z.int().min(0),
    rollout: z.strictObject({ strategy: z.enum(["default", "gradual"]) }),
    scalingStrategy: z.strictObject({
      strategy: z.enum(["default", "custom", "accurate", "eager"]),
      pendingPodConditions: z.array(z.string()),
    }),
    triggers: z.array(trigger).min(1),
    jobTargetRef: jobSpec,
  }),
});

const kueueVersion = z.literal("kueue.x-k8s.io/v1beta2");

export const resourceFlavor = z.strictObject({ apiVersion: kueueVersion, kind: z.literal("ResourceFlavor"), metadata });

export const clusterQueue = z.strictObject({
  apiVersion: kueueVersion,
  kind: z.literal("ClusterQueue"),
  metadata,
  spec: z.strictObject({
    namespaceSelector: z.strictObject({}),
    resourceGroups: z.array(
      z.strictObject({
        coveredResources: z.array(resourceName),
        flavors: z.array(
          z.strictObject({
            name,
            resources: z.array(z.strictObject({ name: resourceName, nominalQuota: quantity })),
          }),
        ),
      }),
    ),
  }),
});

export const localQueue = z.strictObject({
  apiVersion: kueueVersion,
  kind: z.literal("LocalQueue"),
  metadata,
  spec: z.strictObject({ clusterQueue: name }),
});
