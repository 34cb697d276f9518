import { spawnSync } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { describe, expect, it } from "vitest";
import { consequenceOf, reasonOfExitCode } from "../../../shared/jobs/reasons.ts";
import { EXIT_CODES } from "../../../trainer/failure.ts";
import { expanded, lineOf, onlyOf, readFolder } from "../../support/manifests.ts";
import { parseCommand } from "../../support/parse-command.ts";

const folders = { plain: await readFolder("family"), queued: await readFolder("family-kueue") };

describe("a family as an Indexed Job", () => {
  const { spec } = onlyOf(folders.plain, "Job");
  const [container] = spec.template.spec.containers;

  it("has a pod for each member", async () => {
    const { values } = await lineOf(container);
    expect(spec.completionMode).toBe("Indexed");
    expect(spec.completions).toBe(values["models"]);
    expect(values).toMatchObject({ push: true, out: "/checkpoints" });
  });

  it("trains the members from 1 to the last", async () => {
    const folder = await mkdtemp(join(tmpdir(), "edgefuse-family-"));
    try {
      await writeFile(join(folder, "edgefuse"), '#!/bin/sh\nprintf "%s\\n" "$@"\n');
      await chmod(join(folder, "edgefuse"), 0o755);
      const [program = "", ...words] = [...(container.command ?? []), ...container.args].map((word) =>
        expanded(word, new Map()),
      );
      const members: unknown[] = [];
      for (let index = 0; index < (spec.completions ?? 0); index++) {
        const env = { PATH: `${folder}${delimiter}/usr/bin:/bin`, JOB_COMPLETION_INDEX: String(index) };
        const { status, stdout, stderr } = spawnSync(program, words, { env, encoding: "utf8" });
        expect(status, stderr).toBe(0);
        members.push((await parseCommand(stdout.trimEnd().split("\n"))).values["member"]);
      }
      expect(members).toEqual([1, 2, 3, 4]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("goes on after a disruption without counting it, and gives up on what no repetition mends", () => {
    const rules = spec.podFailurePolicy?.rules ?? [];
    expect(rules[0]).toEqual({ action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] });
    const codesOf = (action: string) =>
      rules.flatMap((rule) => ("onExitCodes" in rule && rule.action === action ? rule.onExitCodes.values : []));
    expect(codesOf("Ignore")).toEqual([EXIT_CODES["resume-me"].code]);
    const hopeless = Array.from({ length: 255 }, (_, index) => index + 1).filter(
      (code) => !consequenceOf(reasonOfExitCode(code)).retryable,
    );
    // Training has no gate.
    expect(codesOf("FailIndex")).toEqual(hopeless.filter((code) => code !== EXIT_CODES["gate-refused"].code));
    for (const rule of rules) {
      if (!("onExitCodes" in rule)) continue;
      expect(rule.onExitCodes).toMatchObject({ containerName: container.name, operator: "In" });
    }
    expect(spec.maxFailedIndexes).toBe(0);
  });

  it("keeps states where a pod on another node finds them", () => {
    const claim = onlyOf(folders.plain, "PersistentVolumeClaim");
    expect(claim.spec.accessModes).toEqual(["ReadWriteMany"]);
    const claims = spec.template.spec.volumes.flatMap((volume) =>
      "persistentVolumeClaim" in volume ? [volume.persistentVolumeClaim.claimName] : [],
    );
    expect(claims).toEqual([claim.metadata.name]);
  });
});

describe("a family in a queue of Kueue", () => {
  const plain = onlyOf(folders.plain, "Job");
  const queued = onlyOf(folders.queued, "Job");

  it("is the same Job, suspended, with the queue's label", () => {
    const queue = onlyOf(folders.queued, "LocalQueue");
    expect(queued.metadata.labels).toEqual({
      ...plain.metadata.labels,
      "kueue.x-k8s.io/queue-name": queue.metadata.name,
    });
    expect(queued.spec).toEqual({ ...plain.spec, suspend: true });
  });

  it("fits into the quota as it is", () => {
    const cluster = onlyOf(folders.queued, "ClusterQueue");
    expect(onlyOf(folders.queued, "LocalQueue").spec.clusterQueue).toBe(cluster.metadata.name);
    const [group] = cluster.spec.resourceGroups;
    const [flavor] = group?.flavors ?? [];
    expect(flavor?.name).toBe(onlyOf(folders.queued, "ResourceFlavor").metadata.name);
    expect(flavor?.resources.map((one) => one.name)).toEqual(group?.coveredResources);
    const quota = new Map(flavor?.resources.map((one) => [one.name as string, amountOf(one.nominalQuota)]));
    const { requests, limits } = queued.spec.template.spec.containers[0].resources;
    for (const [resource, amount] of Object.entries({ ...limits, ...requests })) {
      const wanted = amountOf(amount) * (queued.spec.parallelism ?? 1);
      // What the queue does not cover is never admitted.
      expect(quota.get(resource), resource).toBeGreaterThanOrEqual(wanted);
    }
  });
});

function amountOf(quantity: string | number): number {
  const [, digits = "", unit = ""] = /^([\d.]+)([A-Za-z]*)$/.exec(String(quantity)) ?? [];
  const scale = { "": 1, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 }[unit];
  if (scale === undefined) throw new Error(`the unit of ${quantity} is not known here`);
  return Number(digits) * scale;
}
