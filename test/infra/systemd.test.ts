import { spawnSync } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { claimRequest } from "../../shared/api/jobs.ts";
import { jobSpec } from "../../shared/jobs/spec.ts";
import { EXIT_CODES } from "../../trainer/failure.ts";
import { parseCommand, shellWords } from "../support/parse-command.ts";

const PATH = join(import.meta.dirname, "../../infra/systemd/edgefuse-agent.service");
const text = await readFile(PATH, "utf8");

/** Settings by section and name, each with its values in order. @throws where a line is none */
function parseUnit(unit: string): Map<string, Map<string, string[]>> {
  const sections = new Map<string, Map<string, string[]>>();
  let section: Map<string, string[]> | undefined;
  for (const line of unit.split("\n")) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const name = /^\[(\w+)\]$/.exec(line)?.[1];
    if (name !== undefined) {
      section = new Map();
      sections.set(name, section);
      continue;
    }
    const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (section === undefined || key === undefined || value === undefined) throw new Error(`not a setting: ${line}`);
    section.set(key, [...(section.get(key) ?? []), value]);
  }
  return sections;
}

const unit = parseUnit(text);
const service = (key: string) => unit.get("Service")?.get(key) ?? [];
const seconds = (span: string) => {
  const [, digits = "", scale = "s"] = /^(\d+)(s|min)?$/.exec(span) ?? [];
  return Number(digits) * (scale === "min" ? 60 : 1);
};

describe("the systemd unit", () => {
  it("has the three sections, and is started with the machine", () => {
    expect([...unit.keys()]).toEqual(["Unit", "Service", "Install"]);
    expect(unit.get("Install")?.get("WantedBy")).toEqual(["multi-user.target"]);
    expect(unit.get("Unit")?.get("After")?.join(" ")).toContain("network-online.target");
    expect(unit.get("Unit")?.get("Wants")).toEqual(["network-online.target"]);
  });

  it("starts an agent for the GPU with options that it has", async () => {
    const [line = ""] = service("ExecStart");
    expect(service("ExecStart")).toHaveLength(1);
    const [program, ...words] = shellWords(line.replaceAll("%H", "gpu-box.example"));
    expect(program).toBe("/opt/edgefuse/edgefuse");
    const { command, values } = await parseCommand(words);
    expect(command).toBe("agent");
    expect(values).toMatchObject({ backend: "webgpu", label: ["gpu"], once: false, "max-idle": undefined });
    const capabilities = { backends: ["webgpu"], memoryBytes: 0, labels: values["label"] };
    expect(claimRequest.safeParse({ agent: values["name"], capabilities }).success).toBe(true);
    // What a killed agent left is found again by its name.
    expect(line).toContain("--name %H");
    expect(String(values["work-dir"])).toBe(`/var/lib/${service("StateDirectory")[0]}/jobs`);
  });

  it("stops it in good order: the agent alone hears of it, with time for its job", () => {
    expect(service("KillMode")).toEqual(["mixed"]);
    const { stopGraceSeconds } = jobSpec.parse({ version: 1, kind: "train" });
    expect(seconds(service("TimeoutStopSec")[0] ?? "")).toBeGreaterThanOrEqual(stopGraceSeconds + 120);
    expect(service("KillSignal")).toEqual([]);
  });

  it("starts it again, but for what does not mend itself", () => {
    expect(service("Restart")).toEqual(["always"]);
    expect(seconds(service("RestartSec")[0] ?? "")).toBeGreaterThanOrEqual(5);
    expect(unit.get("Unit")?.get("StartLimitIntervalSec")).toEqual(["0"]);
    const hopeless = [EXIT_CODES.usage.code, EXIT_CODES.refused.code];
    expect(service("RestartPreventExitStatus")).toEqual([hopeless.join(" ")]);
    expect(service("OOMPolicy")).toEqual(["continue"]);
  });

  it("takes the token from a file, and has none itself", () => {
    const [file = ""] = service("EnvironmentFile");
    // With a minus before it, a file that is missing would be ignored.
    expect(file).toMatch(/^\/etc\/edgefuse\/\S+$/);
    expect(text.replaceAll(/^#.*$/gm, "")).not.toMatch(/TOKEN|SECRET|ef_/);
  });

  it("gives it no more than it needs, and the GPU", () => {
    for (const key of ["NoNewPrivileges", "DynamicUser", "ProtectHome", "PrivateTmp", "RestrictNamespaces"]) {
      expect(service(key), key).toEqual(["yes"]);
    }
    expect(service("ProtectSystem")).toEqual(["strict"]);
    expect(service("CapabilityBoundingSet")).toEqual([""]);
    expect(service("DevicePolicy")).toEqual(["closed"]);
    expect(service("DeviceAllow")).toEqual(["char-nvidia* rw", "char-drm rw"]);
    // It would hide the GPU's device files; and compiled code could not run.
    for (const key of ["PrivateDevices", "MemoryDenyWriteExecute"]) expect(service(key), key).toEqual([]);
  });

  const hasSystemd = spawnSync("systemd-analyze", ["--version"]).status === 0;
  it.skipIf(!hasSystemd)("is understood by systemd, without a warning", async () => {
    const folder = await mkdtemp(join(tmpdir(), "edgefuse-unit-"));
    try {
      const program = join(folder, "edgefuse");
      await writeFile(program, "#!/bin/sh\n");
      await chmod(program, 0o755);
      const verify = async (name: string, content: string) => {
        const path = join(folder, name);
        await writeFile(path, content.replaceAll("/opt/edgefuse/edgefuse", program));
        const { status, stdout, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", path], {
          encoding: "utf8",
        });
        return { status, said: (stdout + stderr).split("\n").filter((line) => line.includes(name)) };
      };
      expect(await verify("edgefuse-agent.service", text)).toEqual({ status: 0, said: [] });
      const misspelt = text.replace("KillMode=", "KilMode=");
      expect((await verify("misspelt.service", misspelt)).said.join("\n")).toMatch(/KilMode/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
