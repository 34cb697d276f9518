import { appendFile, mkdtemp, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ApiError } from "../../../shared/api/index.ts";
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

  it("goes up as far as it is taken; what is refused is told of, and not sent again as it was", async () => {
    for (const name of [".fam-1.state.safetensors", ".fam-2.state.safetensors"]) await write(name, "state");
    await write("metrics.jsonl", "{}\n");
    lease.meddle = (what) => {
      if (what.includes("fam-1") || what.includes("metrics")) throw refusal(422, "refused");
    };
    await expect(keeper.keep(persistence)).rejects.toThrow(
      "not kept: metrics.jsonl, .fam-1.state.safetensors: said refused (refused)",
    );
    expect([...lease.files.keys()]).toEqual([".fam-2.state.safetensors"]);
    const asked = ["put metrics.jsonl", "put .fam-1.state.safetensors", "put .fam-2.state.safetensors"];
    expect(lease.asked).toEqual(asked);
    // Its touch is no change.
    await utimes(join(out, ".fam-1.state.safetensors"), 1, 1);
    await expect(keeper.keep(persistence)).rejects.toThrow("said refused");
    await expect(keeper.keepReports(persistence)).rejects.toThrow("said refused");
    expect(lease.asked).toEqual(asked);

    lease.meddle = () => undefined;
    await write(".fam-1.state.safetensors", "other");
    await appendFile(join(out, "metrics.jsonl"), "{}\n");
    await keeper.keep(persistence);
    expect([kept(".fam-1.state.safetensors"), kept("metrics.jsonl")]).toEqual(["other", "{}\n{}\n"]);
  });

  it.each([
    ["the deployment", refusal(413, "payload-too-large")],
    ["what stands before it", new ApiError("PUT /", 413, undefined)],
  ])("is not sent again where %s finds it too large, until it is smaller", async (_, tooLarge) => {
    await write(".fam-1.state.safetensors", "of this size");
    lease.meddle = () => {
      throw tooLarge;
    };
    await expect(keeper.keep(persistence)).rejects.toMatchObject({ kind: "refused", cause: tooLarge });
    await write(".fam-1.state.safetensors", "or this size");
    await expect(keeper.keep(persistence)).rejects.toMatchObject({ kind: "refused", cause: tooLarge });
    expect(lease.asked).toHaveLength(1);
    lease.meddle = () => undefined;
    await write(".fam-1.state.safetensors", "small");
    await keeper.keep(persistence);
    expect(kept(".fam-1.state.safetensors")).toBe("small");
  });

  it("is tried again when it changes where there were only too many names", async () => {
    await write(".fam-1.state.safetensors", "one");
    const full = { ...{ type: "x", title: "t", status: 413 }, code: "payload-too-large", detail: "d", limit: 128 };
    lease.meddle = () => {
      throw new ApiError("PUT /", 413, full);
    };
    await expect(keeper.keep(persistence)).rejects.toThrow(".fam-1.state.safetensors: d (payload-too-large)");
    lease.meddle = () => undefined;
    await write(".fam-1.state.safetensors", "two");
    await keeper.keep(persistence);
    expect(kept(".fam-1.state.safetensors")).toBe("two");
  });

  it("is sent again as it was where it was damaged on the way", async () => {
    await write("fam-1.safetensors", "done");
    lease.meddle = () => {
      throw refusal(422, "digest-mismatch");
    };
    await expect(keeper.keep(persistence)).rejects.toThrow("said digest-mismatch");
    lease.meddle = () => undefined;
    await keeper.keep(persistence);
    expect(kept("fam-1.safetensors")).toBe("done");
  });

  it("goes up from the smallest on, so that one which does not get through keeps no other waiting", async () => {
    await write(".fam-1.state.safetensors", "a large state");
    await write(".fam-2.state.safetensors", "state");
    lease.meddle = (what) => {
      if (what.includes("fam-1")) throw lost();
    };
    await expect(keeper.keep({ ...persistence, patience: 0 })).rejects.toThrow("fetch failed");
    expect(kept(".fam-2.state.safetensors")).toBe("state");
  });

  it("is no state of a member that is done", async () => {
    await write(".fam-1.state.safetensors", "state");
    await write(".fam-2.state.safetensors", "state");
    await write("fam-2.best.safetensors", "best");
    await write("fam-1.safetensors", "done");
    await keeper.keep(persistence);
    expect([...lease.files.keys()].sort()).toEqual([
      ...[".fam-2.state.safetensors", "fam-1.safetensors", "fam-2.best.safetensors"],
    ]);
  });
});
