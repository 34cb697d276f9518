import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { jobSpec } from "../../../shared/jobs/spec.ts";
import {
  checked,
  expanded,
  folderPath,
  lineOf,
  type Manifest,
  manifestFolders,
  podsOf,
  readFolder,
  variablesOf,
} from "../../support/manifests.ts";
import { parseYaml, readYaml } from "../../support/yaml-files.ts";
import { settingsOf } from "./settings.ts";

const folders = await Promise.all((await manifestFolders()).map(readFolder));
const { stopGraceSeconds } = jobSpec.parse({ version: 1, kind: "train" });

/** Names of the ConfigMaps that an object's pods ask for. */
const mapsOf = (object: Manifest) =>
  podsOf(object).flatMap(({ containers: [{ envFrom }] }) => envFrom.map(({ configMapRef }) => configMapRef.name));

describe("the manifests", () => {
  it("are all looked at here", async () => {
    expect(folders.map(({ name }) => name)).toEqual(["agent", "agent-per-job", "family", "family-kueue"]);
  });

  it("are refused where a field is misspelt, has another type, or a pod has more rights", async () => {
    const [given] = await readYaml(join(folderPath("agent"), "deployment.yaml"));
    const text = JSON.stringify(given);
    expect(() => checked(given, "agent")).not.toThrow();
    const spoilt = (from: string, to: string) => {
      expect(text).toContain(from);
      return () => checked(JSON.parse(text.replace(from, to)), "agent");
    };
    expect(spoilt('"terminationGracePeriodSeconds"', '"terminationGracePeriod"')).toThrow(/terminationGracePeriod/);
    expect(spoilt('"imagePullPolicy":"IfNotPresent"', '"imagePullPolicy":"Sometimes"')).toThrow(/imagePullPolicy/);
    expect(spoilt('"runAsNonRoot":true', '"runAsNonRoot":false')).toThrow(/runAsNonRoot/);
    expect(spoilt('"readOnlyRootFilesystem":true', '"readOnlyRootFilesystem":"true"')).toThrow(/readOnlyRoot/);
    expect(spoilt('"allowPrivilegeEscalation":false', '"privileged":true')).toThrow(/privileged/);
    expect(spoilt('"memory":"8Gi"', '"memory":"8 GB"')).toThrow(/memory/);
  });

  it("mean the same by every version of YAML", () => {
    expect(parseYaml("a: 1\nb: [x, z]")).toEqual([{ a: 1, b: ["x", "z"] }]);
    expect(() => parseYaml("debug: on")).toThrow(/quotes/);
    expect(() => parseYaml("mode: 0644")).toThrow(/quotes/);
    expect(() => parseYaml("a: 1\na: 2")).toThrow(/unique/i);
  });

  describe.each(folders)("of $name", (folder) => {
    const { name, objects, images } = folder;
    const settings = settingsOf(folder);
    const pods = objects.flatMap(podsOf);
    const containers = pods.map((pod) => pod.containers[0]);

    it("run one container, of an image that is put in", () => {
      expect(containers).toHaveLength(1);
      for (const { image } of containers) {
        expect(images.map((one) => one.name)).toEqual([image]);
        for (const { newTag } of images) expect(newTag).toMatch(/^\d+\.\d+\.\d+$/);
      }
    });

    it("give edgefuse options that it has, with every variable defined", async () => {
      for (const container of containers) {
        for (const word of container.args) expect(expanded(word, variablesOf(container))).not.toMatch(/\$\([A-Z_]/);
        const { command, values } = await lineOf(container);
        expect(command).toBe(name.startsWith("agent") ? "agent" : "train");
        expect(values["backend"]).toBe("webgpu");
        expect(container.resources.limits["nvidia.com/gpu"]).toBe("1");
      }
    });

    it("take the token from a Secret, and have no secret in words or values", () => {
      for (const { args, env, envFrom } of containers) {
        const token = env.find((one) => one.name === "EDGEFUSE_TOKEN");
        expect(token?.valueFrom).toHaveProperty("secretKeyRef.key", "EDGEFUSE_TOKEN");
        for (const { value } of env) expect(value).toBeUndefined();
        expect(args.join(" ")).not.toMatch(/token|secret|ef_/i);
        for (const { configMapRef } of envFrom) {
          expect(Object.keys(settings.get(configMapRef.name) ?? {})).toEqual(["EDGEFUSE_URL"]);
        }
      }
      expect(JSON.stringify([...settings.values()])).not.toMatch(/token|ef_/i);
      expect(objects.map(({ kind }) => kind)).not.toContain("Secret");
    });

    it("name a ConfigMap as it is called in the end", () => {
      const written = objects.filter(({ kind }) => kind === "ConfigMap").map(({ metadata }) => metadata.name);
      // kustomize gives a generated one another name, and follows it into its own kinds alone.
      const names = (kind: Manifest["kind"]) => (kind === "ScaledJob" ? written : [...settings.keys()]);
      for (const object of objects) for (const map of mapsOf(object)) expect(names(object.kind)).toContain(map);
    });

    it("write only to what is mounted, and every mount is a volume", async () => {
      for (const pod of pods) {
        const [container] = pod.containers;
        const volumes = pod.volumes.map((volume) => volume.name).sort();
        expect(container.volumeMounts.map((mount) => mount.name).sort()).toEqual(volumes);
        const paths = container.volumeMounts.map(({ mountPath }) => mountPath);
        // Home and cache of the image, and Node's temporary folder.
        expect(paths).toEqual(expect.arrayContaining(["/var/lib/edgefuse", "/tmp"]));
        const { values } = await lineOf(container);
        const written = String(values["work-dir"] ?? values["out"]);
        expect(paths.some((path) => written === path || written.startsWith(`${path}/`))).toBe(true);
      }
    });

    it("leave time to save and to upload when they are stopped", () => {
      for (const pod of pods) {
        const least = name.startsWith("agent") ? stopGraceSeconds + 120 : 60;
        expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(least);
      }
    });

    const kubectl = spawnSync("kubectl", ["version", "--client"], { encoding: "utf8" }).status === 0;
    it.skipIf(!kubectl)("are rendered by kubectl as they are read here", () => {
      const { status, stdout, stderr } = spawnSync("kubectl", ["kustomize", folderPath(name)], { encoding: "utf8" });
      expect(status, stderr).toBe(0);
      const rendered = parseYaml(stdout).map((object) => checked(object, name));
      const maps = rendered.flatMap((one) => (one.kind === "ConfigMap" ? [one] : []));
      for (const map of rendered.flatMap(mapsOf)) expect(maps.map(({ metadata }) => metadata.name)).toContain(map);
      expect(maps.map(({ data }) => data)).toEqual([...settings.values()]);
      const keys = (all: readonly Manifest[]) =>
        all
          .filter(({ kind }) => kind !== "ConfigMap")
          .map(({ kind, metadata }) => `${kind} ${metadata.name}`)
          .sort();
      expect(keys(rendered)).toEqual(keys(objects));
      const [image] = images;
      for (const pod of rendered.flatMap(podsOf)) {
        expect(pod.containers[0].image).toBe(`${image?.newName}:${image?.newTag}`);
        expect(pod.containers[0].args).toEqual(containers[0]?.args);
      }
      // KEDA's reference to a Deployment, Kueue's label: what a transformer could have changed or forgotten.
      const withoutPods = (all: readonly Manifest[]) =>
        all.filter((one) => podsOf(one).length === 0 && one.kind !== "ConfigMap");
      expect(withoutPods(rendered)).toEqual(expect.arrayContaining(withoutPods(objects)));
      const labels = (all: readonly Manifest[]) =>
        all.filter(({ kind }) => kind === "Job").map(({ metadata }) => metadata);
      expect(labels(rendered)).toEqual(labels(objects));
    });
  });
});
