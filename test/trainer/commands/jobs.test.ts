import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { JobDescription } from "../../../shared/api/jobs.ts";
import type { JobReason, JobState } from "../../../shared/jobs/reasons.ts";
import { jobSpec } from "../../../shared/jobs/spec.ts";
import { runHere } from "../../support/run-command-line.ts";

const ID = "01J8ZQ4M6X0000000000000000";
const SPEC = { version: 1, kind: "train", options: { epochs: 1 }, labels: { repo: "a/b" } } as const;

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "edgefuse-jobs-"));
  file = join(folder, "spec.json");
  await writeFile(file, JSON.stringify(SPEC));
});
afterEach(() => rm(folder, { recursive: true }));

function jobOf(change: Partial<JobDescription> = {}): JobDescription {
  return {
    ...({ id: ID, kind: "train", state: "queued", reason: null, exitCode: null, message: null } as JobDescription),
    ...{
      cancelRequested: false,
      attempt: 0,
      failures: 0,
      agent: null,
      parent: null,
      member: null,
      labels: SPEC.labels,
    },
    ...{
      commit: null,
      specDigest: "d",
      progress: null,
      logBytes: 0,
      createdAt: "2026-01-01T00:00:00Z",
      createdBy: "ci",
    },
    ...{ startedAt: null, finishedAt: null, spec: jobSpec.parse(SPEC), outputs: [], files: [], result: null },
    ...{ children: [], callback: null, queue: null, links: { self: "/", log: "/", events: "/", parent: null } },
    ...change,
  };
}

interface Deployment {
  /** What the job is at each look; the last one stays. */
  readonly states?: readonly Partial<JobDescription>[];
  readonly log?: string;
}

/** Runs the command against a deployment that answers so. */
async function jobs(words: readonly string[], { states = [{}], log = "" }: Deployment = {}) {
  const asked: { line: string; body: unknown }[] = [];
  const keys: (string | null)[] = [];
  let looks = 0;
  const answer: typeof fetch = async (input, init) => {
    const { pathname, search, searchParams } = new URL(String(input));
    const line = `${init?.method ?? "GET"} ${pathname}${search}`;
    asked.push({ line, body: typeof init?.body === "string" ? (JSON.parse(init.body) as unknown) : undefined });
    if (init?.method === "POST") keys.push(new Headers(init.headers).get("idempotency-key"));
    if (pathname.endsWith("/log")) {
      const bytes = Buffer.from(log).subarray(Number(searchParams.get("offset")));
      return new Response(bytes, { headers: { "edgefuse-log-next": String(Buffer.byteLength(log)) } });
    }
    if (line.startsWith("GET /v1/jobs?") || line === "GET /v1/jobs") {
      return Response.json({ items: states.map((state) => jobOf(state)), next: null });
    }
    return Response.json(jobOf(states[Math.min(looks++, states.length - 1)]), {
      status: init?.method === "POST" ? 201 : 200,
    });
  };
  const environment = { EDGEFUSE_URL: "http://host.example", EDGEFUSE_TOKEN: "t" };
  const ended = await runHere(["jobs", ...words], { environment, fetch: answer });
  return { ...ended, asked, keys };
}

const over = (state: JobState, reason: JobReason, exitCode: number | null = null, message: string | null = null) => ({
  ...{ state, reason, exitCode, message, attempt: 1, agent: "box", finishedAt: "2026-01-01T00:01:00Z" },
});

describe("edgefuse jobs", () => {
  it("submits a spec, with labels of the line beside its own", async () => {
    const { code, stdout, asked } = await jobs(["submit", file, "--label", "pr=12", "--deduplicate"]);
    expect([code, stdout]).toEqual([0, `${ID}  queued  train  repo=a/b\n`]);
    const spec = { ...SPEC, labels: { repo: "a/b", pr: "12" } };
    expect(asked).toEqual([{ line: "POST /v1/jobs", body: { spec, deduplicate: true } }]);
  });

  it("submits under the key that it is given, or one of its own", async () => {
    expect((await jobs(["submit", file, "--key", "run-7"])).keys).toEqual(["run-7"]);
    const [first, second] = [await jobs(["submit", file]), await jobs(["submit", file])];
    expect(first.keys[0]).not.toBe(second.keys[0]);
  });

  it.each<[JobState, JobReason, number | null, number]>([
    ["succeeded", "done", 0, 0],
    ["failed", "diverged", 6, 6],
    ["failed", "gate-refused", null, 9],
    ["failed", "timed-out", 75, 124],
    ["failed", "killed", 137, 137],
    ["failed", "crashed", 42, 42],
    ["failed", "internal", null, 1],
    ["cancelled", "cancelled", 75, 130],
    ["expired", "queue-expired", null, 124],
  ])("waits, shows the log, and ends as a job that %s (%s, %s) does: with %d", async (state, reason, own, code) => {
    const end = over(state, reason, own, "why");
    const deployment = {
      states: [{}, { state: "running", attempt: 1, agent: "box" }, end] as const,
      log: "one\ntwo \u001B[2J\n",
    };
    const ended = await jobs(["submit", file, "--wait", "--json"], deployment);
    expect(ended.code).toBe(code);
    expect(ended.json()).toEqual([expect.objectContaining({ event: "ended", id: ID, state, reason })]);
    // Once each, whatever the job is by then.
    expect(ended.stderr.split("\n")).toEqual(
      expect.arrayContaining([`${ID}: running, attempt 1, box`, "one", "two \\x1b[2J"]),
    );
    expect(ended.stderr.match(/^one$/gm)).toHaveLength(1);
    if (code !== 0) expect(ended.stderr).toContain(`edgefuse: The job ${ID} ${state} (${reason}): why`);
    expect(ended.stderr).not.toContain("EDGEFUSE_DEBUG");
  });

  it("lists, with what is asked for", async () => {
    const states = [
      { state: "running", attempt: 2, agent: "box", progress: { done: 5, total: 20 } },
      over("failed", "diverged", 6),
    ] as const;
    const words = ["list", "--state", "running", "--label", "pr=12", "--kind", "train", "--parent", ID];
    const { stdout, asked } = await jobs(words, { states });
    const [running, failed] = stdout.split("\n");
    expect(running).toBe(`${ID}  running  train  attempt 2, box  25 %  repo=a/b`);
    expect(failed).toBe(`${ID}  failed (diverged)  train  attempt 1, box  repo=a/b`);
    const query = new URLSearchParams({ state: "running", kind: "train", label: "pr=12", parent: ID });
    expect(asked.map(({ line }) => line)).toEqual([`GET /v1/jobs?${query.toString()}`]);
  });

  it("shows a job, its log, and cancels it", async () => {
    const shown = await jobs(["show", ID], { states: [over("failed", "diverged", 6, "it diverged")] });
    expect(shown).toMatchObject({ code: 0, stdout: expect.stringContaining("failed (diverged)") });
    expect(shown.stdout).toContain("\n  it diverged\n");
    const text = await jobs(["log", ID], { log: "first\nlast without an end" });
    expect([text.stdout, text.asked.length]).toEqual(["first\nlast without an end\n", 1]);
    const followed = await jobs(["log", ID, "-f"], { states: [{}, over("failed", "diverged", 6)], log: "line\n" });
    expect([followed.code, followed.stdout]).toEqual([0, "line\n"]);
    const cancelled = await jobs(["cancel", ID], { states: [{ state: "running", cancelRequested: true }] });
    expect(cancelled.asked.map(({ line }) => line)).toEqual([`DELETE /v1/jobs/${ID}`]);
    expect(cancelled.stdout).toContain("its agent is told with the next heartbeat");
    const waited = await jobs(["cancel", ID, "--wait"], { states: [{}, over("cancelled", "cancelled", 75)] });
    expect(waited.code).toBe(130);
  });

  it.each<[string, string[], number, RegExp]>([
    ["an id that is none", ["show", "42"], 2, /"42" is no job's id: a ULID/],
    ["an option of another action", ["list", "--wait"], 2, /--wait does not go with jobs list/],
    ["a label that is none", ["list", "--label", "pr"], 2, /a name and a value, such as pr=12/],
    ["no file", ["submit", "nowhere.json"], 3, /nowhere\.json: ENOENT/],
    ["an unknown action", ["sumbit", "x"], 2, /Did you mean submit\?/],
  ])("refuses %s in one line, and asks nothing", async (_, words, code, message) => {
    const ended = await jobs(words);
    expect(ended).toMatchObject({ code, stdout: "", stderr: expect.stringMatching(message) });
    expect(ended.stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(ended.asked).toEqual([]);
  });

  it.each<[string, object, RegExp]>([
    ["a command", { kind: "train", options: {}, command: "rm -rf /" }, /no job's spec/],
    ["a folder", { kind: "train", options: { out: "/etc" } }, /at options/],
    ["text that could be an option", { kind: "train", options: { name: "--push" } }, /at options\.name/],
    ["no version", { kind: "train", version: 2 }, /at version/],
  ])("refuses a spec with %s before anything is sent", async (_, spec, message) => {
    await writeFile(file, JSON.stringify({ version: 1, ...spec }));
    const ended = await jobs(["submit", file]);
    expect(ended).toMatchObject({ code: 3, stderr: expect.stringMatching(message) });
    expect(ended.asked).toEqual([]);
  });
});
