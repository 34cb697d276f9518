import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Claim, runAgent } from "../../../trainer/agent/agent.ts";
import { lost } from "../../support/scripted-client.ts";
import { claimed, FakeLease, fakeStart, refusal, until, worldOf } from "./fake-lease.ts";

let work: string;
beforeEach(async () => {
  work = await mkdtemp(join(tmpdir(), "edgefuse-agent-test-"));
});
afterEach(() => rm(work, { recursive: true, force: true }));

const NONE: Claim = { kind: "none", retryAfterSeconds: 5 };
const job = (): Claim => ({ kind: "job", claimed: claimed({ version: 1, kind: "train" }), calls: new FakeLease() });

/** A deployment that answers from a list, and with nothing to do after it. */
function deployment(answers: (Claim | Error)[]) {
  let asked = 0;
  const claim = async (): Promise<Claim> => {
    const answer = answers[asked++] ?? NONE;
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { claim, asked: () => asked };
}
const done = fakeStart((child) => child.end(0));
const stays = { once: false, maxIdle: undefined };
const half = () => 0.5;

describe("an agent", () => {
  it("does one job after another, and goes when it has been idle for too long", async () => {
    let clock = 0;
    const waits: number[] = [];
    const world = worldOf(work, done);
    const wait: typeof world.wait = (milliseconds, signal) => {
      // What goes on beside a job waits too, and is told by another signal.
      if (signal !== world.stop) return world.wait(milliseconds, signal);
      waits.push(milliseconds);
      clock += milliseconds;
      return Promise.resolve();
    };
    const { claim, asked } = deployment([NONE, NONE, job(), job(), NONE]);
    const ended = await runAgent(claim, { once: false, maxIdle: 12_000 }, { ...world, wait, now: () => clock }, half);
    const completed = { kind: "completed", reason: "done", exitCode: 0 };
    expect(ended).toEqual({ ends: [completed, completed], reached: true });
    // Idle time counts from the last job on; the last pause is what is left.
    expect(waits).toEqual([5_000, 5_000, 5_000, 5_000, 2_000]);
    expect(asked()).toBe(8);
  });

  it("does one where it is to do one", async () => {
    const { claim, asked } = deployment([NONE, job(), job()]);
    const { ends } = await runAgent(claim, { once: true, maxIdle: undefined }, worldOf(work, done), half);
    expect([ends.length, asked()]).toEqual([1, 2]);
  });

  it("asks a deployment again that does not answer, ever more slowly", async () => {
    const waits: number[] = [];
    const stop = new AbortController();
    const world = worldOf(work, done, { stop: stop.signal });
    const wait = async (milliseconds: number) => {
      waits.push(milliseconds);
      if (waits.length === 8) stop.abort();
    };
    const down = Array.from({ length: 8 }, (_, index) => (index % 2 === 0 ? lost() : refusal(503, "over-budget")));
    const ended = await runAgent(deployment(down).claim, stays, { ...world, wait }, half);
    expect(ended).toEqual({ ends: [], reached: false });
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    expect(world.notes.filter((note) => note.includes("does not answer"))).toHaveLength(1);
  });

  it.each([401, 403, 422])("does not ask one again that refuses with %d", async (status) => {
    const { claim, asked } = deployment([refusal(status, "insufficient-scope")]);
    await expect(runAgent(claim, stays, worldOf(work, done), half)).rejects.toThrow("said insufficient-scope");
    expect(asked()).toBe(1);
  });

  it("hands back what it has when it is stopped, and asks for nothing more", async () => {
    const stop = new AbortController();
    const start = fakeStart(async (child) => {
      stop.abort();
      await until(() => child.asked.length > 0);
      child.end(75);
    });
    const { claim, asked } = deployment([job(), job()]);
    const { ends } = await runAgent(claim, stays, worldOf(work, start, { stop: stop.signal }), half);
    expect([ends, asked()]).toEqual([[{ kind: "handed-back" }], 1]);
    expect(await runAgent(claim, stays, worldOf(work, start, { stop: stop.signal }), half)).toMatchObject({ ends: [] });
  });
});
