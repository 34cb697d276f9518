import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Attempt } from "../../../trainer/agent/attempt.ts";
import { Failure } from "../../../trainer/failure.ts";
import { lost } from "../../support/scripted-client.ts";
import { claimed, FakeLease, fakeStart, JOB, refusal, sha256, until, worldOf } from "./fake-lease.ts";

const TRAIN = { version: 1, kind: "train", options: { epochs: 2, name: "fam" } } as const;

let work: string;
let lease: FakeLease;
beforeEach(async () => {
  work = await mkdtemp(join(tmpdir(), "edgefuse-attempt-"));
  lease = new FakeLease();
});
afterEach(() => rm(work, { recursive: true, force: true }));

const outOf = ({ options }: { options: { words: readonly string[] } }) =>
  options.words.find((word) => word.startsWith("--out="))?.slice("--out=".length) ?? "";
const isCompleted = () => lease.completed !== undefined;

describe("an attempt", () => {
  it("runs the job, sends its log, uploads what it made, and reports", async () => {
    let words: readonly string[] = [];
    let environment: Readonly<Record<string, string>> = {};
    const start = fakeStart(async (child) => {
      ({ words, environment } = child.options);
      child.say("fam-1  epoch 1/2  step  5/10  loss 0.5000  accuracy 50.0 %  100 samples/s  0:01 left");
      await writeFile(join(outOf(child), "fam-2.safetensors"), "two");
      await writeFile(join(outOf(child), "fam-10.safetensors"), "ten");
      await writeFile(join(outOf(child), "fam-2.best.safetensors"), "best");
      await writeFile(join(outOf(child), "metrics.jsonl"), '{"step":1}\n{"st');
      await until(() => lease.progress.at(-1)?.done !== undefined);
      child.end(0);
    });
    const end = await new Attempt(claimed({ ...TRAIN, member: 1 }), lease, worldOf(work, start)).run();
    expect(end).toEqual({ kind: "completed", reason: "done", exitCode: 0 });
    expect(words.slice(0, 2)).toEqual(["train", "--json"]);
    expect(words).toEqual(expect.arrayContaining(["--backend=wasm", "--epochs=2", "--name=fam", "--member=1"]));
    expect(environment).toMatchObject({ EDGEFUSE_JOB: JOB, EDGEFUSE_ATTEMPT: "1" });
    expect(environment).not.toHaveProperty("EDGEFUSE_TOKEN");
    expect(lease.progress.at(-1)).toMatchObject({ done: 5, total: 10, unit: "steps", metrics: { loss: 0.5 } });
    const digests = ["best", "two", "ten"].map((text) => sha256(Buffer.from(text)));
    expect(lease.completed).toEqual({ exitCode: 0, outputs: digests });
    expect(lease.text).toMatch(/^agent: attempt 1: edgefuse train .*\nfam-1 .*\nagent: the process ended with 0\n$/);
    // What is appended to is kept in whole lines.
    expect(Buffer.from(lease.files.get("metrics.jsonl") ?? []).toString()).toBe('{"step":1}\n');
    expect(lease.asked.at(-1)).toBe("complete");
    expect(await readdir(work)).toEqual([]);
  });

  it("stops the job when the deployment says so, keeps its state, and only then reports", async () => {
    const start = fakeStart(async (child) => {
      lease.answer = { ...lease.answer, cancel: true, reason: "cancelled" };
      await until(() => child.asked.length > 0);
      expect(child.asked).toEqual(["stop 7000"]);
      await writeFile(join(outOf(child), ".fam-1.state.safetensors"), "state");
      await sleep(30);
      child.end(75);
    });
    const end = await new Attempt(claimed({ ...TRAIN, stopGraceSeconds: 7 }), lease, worldOf(work, start)).run();
    expect(end).toEqual({ kind: "completed", reason: "agent-stopped", exitCode: 75 });
    expect(lease.completed).toEqual({ exitCode: 75, reason: "agent-stopped", outputs: [] });
    expect(Buffer.from(lease.files.get(".fam-1.state.safetensors") ?? []).toString()).toBe("state");
    expect(lease.asked.filter((what) => what === "heartbeat").length).toBeGreaterThan(2);
    expect(lease.text).toContain("agent: stops: cancelled\n");
  });

  it("hands the job back when the agent itself is stopped, also before it has begun", async () => {
    const agent = new AbortController();
    const start = fakeStart(async (child) => {
      agent.abort();
      await until(() => child.asked.length > 0);
      child.end(143);
    });
    const world = { stop: agent.signal };
    expect(await new Attempt(claimed(TRAIN), lease, worldOf(work, start, world)).run()).toEqual({
      kind: "handed-back",
    });
    expect(lease.completed).toMatchObject({ exitCode: 143, reason: "agent-stopped" });

    const never = fakeStart(() => expect.unreachable("nothing is started"));
    const next = new FakeLease();
    expect(await new Attempt(claimed(TRAIN), next, worldOf(work, never, world)).run()).toEqual({ kind: "handed-back" });
    expect(next.completed).toMatchObject({ exitCode: 75, reason: "agent-stopped" });
  });

  it.each(["heartbeat", "log", "put .fam-1.state.safetensors"])(
    "kills the job and says no more when %s is told that it is another's",
    async (what) => {
      let asked: readonly string[] = [];
      const start = fakeStart(async (child) => {
        asked = child.asked;
        await writeFile(join(outOf(child), ".fam-1.state.safetensors"), "state");
        child.say("line");
        lease.meddle = (one) => {
          if (one === what) throw refusal(409, "lease-lost");
        };
      });
      expect(await new Attempt(claimed(TRAIN), lease, worldOf(work, start)).run()).toEqual({ kind: "lost" });
      expect(asked).toContain("kill");
      expect(lease.asked).not.toContain("complete");
      expect(await readdir(work)).toEqual([]);
    },
  );

  it("goes on while the deployment is away, and loses no line of the log", async () => {
    const start = fakeStart(async (child) => {
      child.say("before");
      await until(() => lease.text.includes("before"));
      let down = true;
      lease.meddle = () => {
        if (down) throw lease.asked.length % 2 === 0 ? lost() : refusal(503, "over-budget");
      };
      for (let line = 0; line < 20; line++) {
        child.say(`line ${line}`);
        await sleep(2);
      }
      expect(child.asked).toEqual([]);
      child.end(0);
      await sleep(50);
      expect(isCompleted()).toBe(false);
      down = false;
    });
    expect(await new Attempt(claimed(TRAIN), lease, worldOf(work, start)).run()).toMatchObject({ kind: "completed" });
    const lines = lease.text.split("\n").filter((line) => line.startsWith("line "));
    expect(lines).toEqual(Array.from({ length: 20 }, (_, line) => `line ${line}`));
    expect(lease.text).toContain("the deployment does not answer");
  });

  it("gives the job up where the deployment stays away", async () => {
    const start = fakeStart((child) => {
      lease.meddle = () => {
        throw lost();
      };
      child.say("alone");
    });
    const world = worldOf(work, start, { patience: 30 });
    expect(await new Attempt(claimed(TRAIN), lease, world).run()).toEqual({ kind: "lost" });
    expect(world.notes.join("\n")).toMatch(/not this agent's any more: no answer for 0 s/);
  });

  it.each([
    [137, "killed"],
    [6, "diverged"],
    [2, "bad-spec"],
    [139, "crashed"],
  ])("reports exit code %d, with the last thing that the trainer said", async (exitCode, reason) => {
    const start = fakeStart((child) => {
      child.say("edgefuse: something\u0007 went wrong");
      child.end(exitCode);
    });
    const end = await new Attempt(claimed(TRAIN), lease, worldOf(work, start)).run();
    expect(end).toEqual({ kind: "completed", reason, exitCode });
    expect(lease.completed).toEqual({ exitCode, outputs: [], message: "something  went wrong" });
  });

  it("reports what a refused upload means", async () => {
    const start = fakeStart(async (child) => {
      await writeFile(join(outOf(child), "fam-1.safetensors"), "x");
      lease.meddle = (what) => {
        if (what.startsWith("output")) throw refusal(422, "malformed-safetensors");
      };
      child.end(0);
    });
    const end = await new Attempt(claimed(TRAIN), lease, worldOf(work, start)).run();
    expect(end).toEqual({ kind: "completed", reason: "refused", exitCode: 4 });
    expect(lease.completed?.message).toMatch(/could not be uploaded: said malformed-safetensors/);
  });

  it("goes on uploading what it made while nobody takes it, and says so to who may try the job again", async () => {
    const start = fakeStart(async (child) => {
      await writeFile(join(outOf(child), "fam-1.safetensors"), "x");
      child.end(0);
    });
    let failures = 3;
    lease.meddle = (what) => {
      if (what.startsWith("output") && failures-- > 0) throw new Failure("unreachable", "S3 is away");
    };
    const end = await new Attempt(claimed(TRAIN), lease, worldOf(work, start)).run();
    expect(end).toEqual({ kind: "completed", reason: "done", exitCode: 0 });
    expect(lease.outputs).toEqual([sha256(Buffer.from("x"))]);

    failures = Number.POSITIVE_INFINITY;
    const again = await new Attempt(claimed(TRAIN), lease, worldOf(work, start, { patience: 30 })).run();
    expect(again).toEqual({ kind: "completed", reason: "unreachable", exitCode: 5 });
    expect(lease.completed?.message).toMatch(/could not be uploaded: S3 is away/);
  });

  it("hands back all that is taken where one file is refused", async () => {
    const start = fakeStart(async (child) => {
      for (const member of [1, 2, 3]) await writeFile(join(outOf(child), `.fam-${member}.state.safetensors`), "state");
      lease.meddle = (what) => {
        if (what === "put .fam-1.state.safetensors") throw refusal(413, "payload-too-large");
      };
      child.end(75);
    });
    await new Attempt(claimed(TRAIN), lease, worldOf(work, start, { stateInterval: 2 * 3_600_000 })).run();
    expect([...lease.files.keys()]).toEqual([".fam-2.state.safetensors", ".fam-3.state.safetensors"]);
    expect(lease.text).toContain("not kept: .fam-1.state.safetensors: said payload-too-large");
    expect(lease.completed).toMatchObject({ exitCode: 75 });
  });

  it("does nothing on a backend that it has not, and takes the best of its own where any will do", async () => {
    const never = fakeStart(() => expect.unreachable("nothing is started"));
    const gpu = { ...TRAIN, resources: { backend: "webgpu" } } as const;
    expect(await new Attempt(claimed(gpu), lease, worldOf(work, never)).run()).toMatchObject({ exitCode: 8 });
    let words: readonly string[] = [];
    const start = fakeStart((child) => {
      ({ words } = child.options);
      child.end(0);
    });
    await new Attempt(claimed(TRAIN), lease, worldOf(work, start, { backends: ["webgpu", "wasm"] })).run();
    expect(words).toContain("--backend=webgpu");
  });

  it("stops a job that takes too long also where nobody says so", async () => {
    const start = fakeStart(async (child) => {
      await until(() => child.asked.length > 0);
      child.end(75);
    });
    const wait = (milliseconds: number, signal: AbortSignal) =>
      sleep(Math.min(milliseconds, 20), undefined, { signal }).catch(() => undefined);
    const end = await new Attempt(
      claimed({ ...TRAIN, timeoutSeconds: 1 }),
      lease,
      worldOf(work, start, { wait }),
    ).run();
    expect(end).toMatchObject({ kind: "completed", reason: "agent-stopped" });
    expect(lease.text).toContain("agent: stops: timed-out");
  });

  it("begins in an empty folder", async () => {
    await mkdir(join(work, `${JOB}-1`, "out"), { recursive: true });
    await writeFile(join(work, `${JOB}-1`, "out", "fam-1.safetensors"), "of another life");
    const start = fakeStart(async (child) => {
      expect(await readdir(outOf(child))).toEqual([]);
      await expect(readFile(join(outOf(child), "fam-1.safetensors"))).rejects.toThrow("ENOENT");
      child.end(0);
    });
    await new Attempt(claimed(TRAIN), lease, worldOf(work, start)).run();
    expect(lease.completed).toEqual({ exitCode: 0, outputs: [] });
  });
});
