import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type JobFile, type JobFileName, jobFileName } from "../../../shared/api/jobs.ts";
import { encodeSafetensors } from "../../../shared/safetensors/index.ts";
import type { JobBackend } from "../../../trainer/agent/job-words.ts";
import { LeaseLost } from "../../../trainer/agent/persistence.ts";
import { restoreFiles } from "../../../trainer/agent/restore.ts";
import { encodeState } from "../../../trainer/training/training-state.ts";
import { FakeLease, fakeStart, refusal, sha256, worldOf } from "./fake-lease.ts";

let out: string;
let lease: FakeLease;
beforeEach(async () => {
  out = await mkdtemp(join(tmpdir(), "edgefuse-restore-"));
  lease = new FakeLease();
});
afterEach(() => rm(out, { recursive: true, force: true }));

const { wait, now } = worldOf(
  "",
  fakeStart(() => undefined),
);
const persistence = { wait, now, patience: 60_000, signal: new AbortController().signal };

const stateOf = (backend: string, epoch = 1) =>
  encodeState(
    {
      ...{
        epoch,
        stepInEpoch: 0,
        lossSum: 0,
        smoothedLoss: 1,
        trainingLoss: 1,
        validation: undefined,
        best: undefined,
      },
      ...{ weights: new Map(), optimizer: { step: 0, slots: new Map() } },
    },
    { backend },
    false,
  );
const checkpointOf = (backend: string) =>
  encodeSafetensors(new Map(), {
    "edgefuse.model": "{}",
    "edgefuse.training": JSON.stringify({ task: "t", weights: "last", backend }),
  });

function put(name: string, bytes: Uint8Array, attempt = 1): JobFile {
  lease.files.set(name, bytes);
  return { name: name as JobFileName, bytes: bytes.length, sha256: sha256(bytes), attempt };
}
const restore = (files: readonly JobFile[], backends: readonly JobBackend[] = ["wasm"]) =>
  restoreFiles(files, out, backends, lease, persistence);

describe("restoring what earlier attempts left", () => {
  it("puts states, checkpoints and records where the trainer looks for them", async () => {
    const files = [
      put(".fam-1.state.safetensors", stateOf("wasm")),
      put("fam-2.safetensors", checkpointOf("wasm")),
      put("metrics.jsonl", Buffer.from("{}\n")),
      put("report.md", Buffer.from("of no use")),
    ];
    const restored = await restore(files);
    expect(restored).toEqual({ files: files.slice(0, 3), backend: "wasm", leftOut: [] });
    expect((await readdir(out)).sort()).toEqual([".fam-1.state.safetensors", "fam-2.safetensors", "metrics.jsonl"]);
    expect((await readFile(join(out, "fam-2.safetensors"))).equals(checkpointOf("wasm"))).toBe(true);
    expect(await restore([])).toEqual({ files: [], backend: undefined, leftOut: [] });
  });

  it("goes on with the backend of the last attempt that this agent can go on from", async () => {
    const files = [
      put(".fam-1.state.safetensors", stateOf("wasm"), 1),
      put(".fam-2.state.safetensors", stateOf("webgpu"), 2),
      put("metrics.jsonl", Buffer.from("{}\n"), 2),
    ];
    const onGpu = await restore(files, ["webgpu", "wasm"]);
    expect(onGpu.backend).toBe("webgpu");
    expect(onGpu.leftOut).toEqual([".fam-1.state.safetensors was computed on wasm"]);
    expect((await readdir(out)).sort()).toEqual([".fam-2.state.safetensors", "metrics.jsonl"]);
    await rm(join(out, ".fam-2.state.safetensors"));
    const onCpu = await restore(files, ["wasm"]);
    expect(onCpu).toMatchObject({ backend: "wasm", leftOut: [".fam-2.state.safetensors was computed on webgpu"] });
    expect((await readdir(out)).sort()).toEqual([".fam-1.state.safetensors", "metrics.jsonl"]);
  });

  it("leaves out what is damaged or foreign: it would only be refused", async () => {
    const good = stateOf("wasm");
    const cut = put(".fam-1.state.safetensors", good.slice(0, -1));
    const changed = { ...put(".fam-2.state.safetensors", good), sha256: "0".repeat(64) };
    const foreign = put("fam-3.safetensors", encodeSafetensors(new Map(), {}));
    const { files, leftOut } = await restore([cut, changed, foreign]);
    expect(files).toEqual([]);
    expect(leftOut).toHaveLength(3);
    expect(await readdir(out)).toEqual([]);
  });

  it("writes no file outside its folder, whatever names the deployment gives", async () => {
    const names = ["../fam-1.safetensors", "/tmp/fam-1.safetensors", "a/b.safetensors", "..safetensors", ""];
    const files = names.map((name) => put(name, checkpointOf("wasm")));
    expect(files.some(({ name }) => jobFileName.safeParse(name).success)).toBe(false);
    expect((await restore(files)).files).toEqual([]);
    expect(lease.asked).toEqual([]);
    expect(await readdir(out)).toEqual([]);
  });

  it("fails where the job is another's by now", async () => {
    const files = [put("metrics.jsonl", Buffer.from("{}\n"))];
    lease.meddle = () => {
      throw refusal(409, "lease-lost");
    };
    await expect(restore(files)).rejects.toThrow(LeaseLost);
  });
});
