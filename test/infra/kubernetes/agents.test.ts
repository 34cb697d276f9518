import { describe, expect, it } from "vitest";
import { queueMetrics, queueQuery } from "../../../shared/api/jobs.ts";
import { lineOf, onlyOf, POD_NAME, podsOf, readFolder } from "../../support/manifests.ts";
import { settingsOf } from "./settings.ts";

const folders = { staying: await readFolder("agent"), perJob: await readFolder("agent-per-job") };

describe.each([
  { folder: folders.staying, kind: "ScaledObject" },
  { folder: folders.perJob, kind: "ScaledJob" },
] as const)("the $kind of agents", ({ folder, kind }) => {
  const { triggers } = onlyOf(folder, kind).spec;
  const [pod] = folder.objects.flatMap(podsOf);
  if (pod === undefined) throw new Error("no pods");
  const [container] = pod.containers;

  it("asks the deployment that the agents serve, for what they can do", async () => {
    const { values } = await lineOf(container);
    const [settings] = settingsOf(folder).values();
    for (const { metadata } of triggers) {
      const url = new URL(metadata.url);
      expect(url.origin).toBe(new URL(settings?.["EDGEFUSE_URL"] ?? "").origin);
      expect(url.pathname).toBe("/v1/queue");
      const asked = queueQuery.parse({
        ...(url.searchParams.has("label") ? { label: url.searchParams.getAll("label") } : {}),
        ...(url.searchParams.has("backend") ? { backend: url.searchParams.get("backend") } : {}),
      });
      expect(asked).toEqual({ label: values["label"], backend: values["backend"] });
      expect(Object.keys(queueMetrics.shape)).toContain(metadata.valueLocation);
    }
  });

  it("asks with the agents' own token", () => {
    const authentication = onlyOf(folder, "TriggerAuthentication");
    for (const { authenticationRef } of triggers) expect(authenticationRef.name).toBe(authentication.metadata.name);
    const [{ name: secret, key } = { name: "", key: "" }] = authentication.spec.secretTargetRef;
    const token = container.env.find((one) => one.name === "EDGEFUSE_TOKEN");
    expect(token?.valueFrom).toEqual({ secretKeyRef: { name: secret, key } });
  });

  it("gives every agent a name that no other has", async () => {
    expect(container.env.find((one) => one.name === "POD_NAME")?.valueFrom).toHaveProperty(
      "fieldRef.fieldPath",
      "metadata.name",
    );
    expect((await lineOf(container)).values["name"]).toBe(POD_NAME);
  });
});

describe("agents that stay", () => {
  const scaled = onlyOf(folders.staying, "ScaledObject");
  const deployment = onlyOf(folders.staying, "Deployment");

  it("are the ones that are scaled, and only by the scaler", () => {
    expect(scaled.spec.scaleTargetRef.name).toBe(deployment.metadata.name);
    expect(deployment.spec).not.toHaveProperty("replicas");
    expect(deployment.spec.template.metadata.labels).toMatchObject(deployment.spec.selector.matchLabels);
  });

  it("stay while there are jobs that wait or run", () => {
    const { formula, target, activationTarget } = scaled.spec.advanced.scalingModifiers;
    expect(formula.split(" + ").sort()).toEqual(scaled.spec.triggers.map(({ name }) => name).sort());
    expect(scaled.spec.triggers.map(({ name, metadata }) => [name, metadata.valueLocation])).toEqual([
      ["queued", "queued"],
      ["running", "running"],
    ]);
    expect([target, activationTarget]).toEqual(["1", "0"]);
    expect(scaled.spec.minReplicaCount).toBe(0);
  });

  it("do not end by themselves", async () => {
    const { values } = await lineOf(deployment.spec.template.spec.containers[0]);
    expect(values).toMatchObject({ once: false, "max-idle": undefined });
  });
});

describe("a pod for each job", () => {
  const scaled = onlyOf(folders.perJob, "ScaledJob");

  it("does one job and ends, and is not tried again beside the deployment", async () => {
    const { values } = await lineOf(scaled.spec.jobTargetRef.template.spec.containers[0]);
    expect(values["once"]).toBe(true);
    expect(values["max-idle"]).toBeGreaterThan(1_000 * scaled.spec.pollingInterval);
    expect(scaled.spec.jobTargetRef.backoffLimit).toBe(0);
    // `queued` counts no job that an agent has.
    expect(scaled.spec.scalingStrategy.strategy).toBe("accurate");
    expect(scaled.spec.rollout.strategy).toBe("gradual");
  });
});
