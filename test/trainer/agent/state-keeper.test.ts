import { appendFile, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { jobFileName } from "../../../shared/api/jobs.ts";
import { LeaseLost } from "../../../trainer/agent/persistence.ts";
import { StateKeeper } from "../../../trainer/agent/state-keeper.ts";
import { lost } from "../../support/scripted-client.ts";
import { FakeLease, fakeStart, refusal, sha256, worldOf } from "./fake-lease.ts";

let out: string;
let lease: FakeLease;
let keeper: StateKeeper;
beforeEach(async () => {
  out = await mkdtemp(join(tmpdir(), "edgefuse-keeper-"));
  lease = new FakeLease();
  keeper = new StateKeeper(lease, out);
});
afterEach(() => rm(out, { recursive: true, force: true }));

const { wait, now } = worldOf(
  "",
  fakeStart(() => undefined),
);
const persistence = { wait, now, patience: 60_000, signal: new AbortController().signal };
const write = (name: string, text: string) => writeFile(join(out, name), text);
const kept = (name: string) => Buffer.from(lease.files.get(name) ?? []).toString();

describe("what another attempt can go on from", () => {
  it("is states, checkpoints and records, and nothing else", async () => {
    await write(".fam-1.state.safetensors", "state");
    await write("fam-2.safetensors", "done");
    await write("metrics.jsonl", "{}\n");
    await write(".fam-1.state.safetensors.0123456789ab.part", "half");
    await write("report.md", "report");
    await write("fam..3.safetensors", "a name that is refused");
    await symlink("/etc/hostname", join(out, "link.safetensors"));
    await keeper.keep(persistence);
    expect([...lease.files.keys()].sort()).toEqual([".fam-1.state.safetensors", "fam-2.safetensors", "metrics.jsonl"]);
    await keeper.keepReports(persistence);
    expect(kept("report.md")).toBe("report");
  });

  it("goes up once a version", async () => {
    await write(".fam-1.state.safetensors", "one");
    await keeper.keep(persistence);
    await keeper.keep(persistence);
    expect(lease.asked).toEqual(["put .fam-1.state.safetensors"]);
    await write(".fam-1.state.safetensors", "two");
    await Promise.all([keeper.keep(persistence), keeper.keep(persistence)]);
    expect(lease.asked).toHaveLength(2);
    expect(kept(".fam-1.state.safetensors")).toBe("two");
    // Written again with the same content, it is another file and the same version.
    await rm(join(out, ".fam-1.state.safetensors"));
    await write(".fam-1.state.safetensors", "two");
    await keeper.keep(persistence);
    expect(lease.asked).toHaveLength(2);
  });

  it("does not go up where it came from there", async () => {
    await write(".fam-1.state.safetensors", "state");
    const name = jobFileName.parse(".fam-1.state.safetensors");
    keeper.assume([{ name, bytes: 5, sha256: sha256(Buffer.from("state")), attempt: 1 }]);
    await keeper.keep(persistence);
    expect(lease.asked).toEqual([]);
    await write(".fam-1.state.safetensors", "next");
    await keeper.keep(persistence);
    expect(kept(".fam-1.state.safetensors")).toBe("next");
  });

  it("has a record that reaches as far as the state, whatever is written meanwhile and wherever it breaks off", async () => {
    await write(".fam-1.state.safetensors", "at step 1");
    await write("metrics.jsonl", "1\n");
    await keeper.keep(persistence);
    await write("metrics.jsonl", "1\n2\n");
    await write(".fam-1.state.safetensors", "at step 2");
    lease.meddle = (what) => {
      if (what === "put .fam-1.state.safetensors") throw refusal(409, "lease-lost");
    };
    await expect(keeper.keep(persistence)).rejects.toThrow(LeaseLost);
    expect([kept("metrics.jsonl"), kept(".fam-1.state.safetensors")]).toEqual(["1\n2\n", "at step 1"]);
    lease.meddle = () => undefined;
    await appendFile(join(out, "metrics.jsonl"), "3\n");
    await keeper.keep(persistence);
    expect([kept("metrics.jsonl"), kept(".fam-1.state.safetensors")]).toEqual(["1\n2\n3\n", "at step 2"]);
  });

  it("is sent again after an outage", async () => {
    await write(".fam-1.state.safetensors", "state");
    let failures = 3;
    lease.meddle = () => {
      if (failures-- > 0) throw lost();
    };
    await keeper.keep(persistence);
    expect(kept(".fam-1.state.safetensors")).toBe("state");
    // Without patience, the next time is soon enough.
    await write(".fam-1.state.safetensors", "next");
    failures = 1;
    await expect(keeper.keep({ ...persistence, patience: 0 })).rejects.toThrow("fetch failed");
    await keeper.keep({ ...persistence, patience: 0 });
    expect(kept(".fam-1.state.safetensors")).toBe("next");
  });
});
