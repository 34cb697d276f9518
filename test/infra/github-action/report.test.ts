import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PathProbe } from "../../../shared/api/probe-answers.ts";
import type { JobDescription } from "../../../shared/api/jobs.ts";
import { commentOf, markerOf, MOST_COMMENT_CHARACTERS } from "../../../infra/github-action/src/report/comment.ts";
import { fit } from "../../../infra/github-action/src/report/fit.ts";
import { code, codeBlock, plain, table } from "../../../infra/github-action/src/report/markdown.ts";
import { duration, loss, percent, points } from "../../../infra/github-action/src/report/numbers.ts";
import type { ReportFacts } from "../../../infra/github-action/src/report/report.ts";
import { summaryOf } from "../../../infra/github-action/src/report/summary.ts";
import { readRunFacts } from "../../../infra/github-action/src/run-facts.ts";
import { runEnvironment } from "../../support/action-world.ts";
import {
  CANCELLED,
  DIVERGED,
  MEMBERS,
  MODEL,
  PASSED,
  pipeline,
  PROBE,
  REFUSED,
  trained,
} from "../../support/job-descriptions.ts";

const HOST = "https://fuse.example";
const event = { pull_request: { number: 12, head: { sha: "abcdef0123456789abcdef0123456789abcdef01" } } };
const run = await readRunFacts({
  environment: runEnvironment("/runner", "pull-request"),
  readFile: () => Promise.resolve(JSON.stringify(event)),
});
const MARKER = markerOf(run, "training/pipeline.json");

const factsOf = (job: JobDescription, more: Partial<ReportFacts> = {}): ReportFacts => ({
  job,
  end: "ended",
  run,
  url: HOST,
  probe: undefined,
  picture: (job.result?.model ?? null) === null ? undefined : `${HOST}/models/${MODEL}/barrier.svg`,
  logs: [],
  ...more,
});

const golden = (name: string) => join(import.meta.dirname, "goldens", `${name}.md`);

const LOG = [
  "epoch 1/1  step 12/50  loss NaN",
  "edgefuse: training diverged",
  "```",
  "<script>alert(1)</script> @somebody",
];
const failed = factsOf(DIVERGED, {
  logs: [
    { part: "", lines: [] },
    { part: "member 2", lines: LOG },
  ],
});

/** Without a gate: what the probe measured. */
const PATH = {
  kind: "path",
  id: PROBE,
  samples: 500,
  accuracyBarrier: 0.0125,
  lossBarrier: 0.031,
  a: MEMBERS[0],
  b: MEMBERS[1],
  points: [
    { alpha: 0, loss: 0.12, accuracy: 0.96 },
    { alpha: 0.5, loss: 0.1, accuracy: 0.97 },
    { alpha: 1, loss: 0.13, accuracy: 0.955 },
  ],
} as unknown as PathProbe;
const ungated = pipeline(
  {
    state: "succeeded",
    reason: "done",
    finishedAt: "2026-11-23T12:07:00.000Z",
    result: { members: MEMBERS.slice(0, 2), model: MODEL, probe: PROBE, gate: null, alias: null, problem: null },
  },
  [trained(1), trained(2)],
);

describe("a report", () => {
  it.each([
    ["passed", factsOf(PASSED)],
    ["refused", factsOf(REFUSED, { picture: undefined })],
    ["path", factsOf({ ...ungated, children: ungated.children.slice(0, 2) }, { probe: PATH, picture: undefined })],
    ["failed", failed],
    ["cancelled", factsOf(CANCELLED, { end: "interrupted" })],
    ["timed-out", factsOf(CANCELLED, { end: "timed-out" })],
    ["running", factsOf(pipeline({}, [trained(1)]))],
    ["ungated", factsOf({ ...ungated, children: ungated.children.slice(0, 2) }, { probe: PATH })],
  ])("says what came of a job: %s", async (name, facts) => {
    await expect(summaryOf(facts)).toMatchFileSnapshot(golden(`summary-${name}`));
  });

  it("is a comment that remembers earlier runs, each once", async () => {
    const runs = Array.from({ length: 14 }, (_, index) => ({
      ...run,
      runId: String(1000 + index),
      runNumber: String(index + 1),
    }));
    let body: string | undefined;
    // Each run writes when it begins and when it ends.
    for (const [index, one] of runs.entries()) {
      const last = index % 3 === 0 ? REFUSED : PASSED;
      for (const job of [pipeline(), last]) body = commentOf({ ...factsOf(job), run: one }, MARKER, body);
    }
    await expect(body).toMatchFileSnapshot(golden("comment-with-history"));
    expect(body?.startsWith(`${MARKER}\n`)).toBe(true);
    expect(body?.match(/^\| abcdef0 /gm)).toHaveLength(10);
  });

  it("has a first comment", async () => {
    await expect(commentOf(failed, MARKER, undefined)).toMatchFileSnapshot(golden("comment-failed"));
  });

  it("is never longer than GitHub takes, and whole Markdown all the same", () => {
    const lines = Array.from({ length: 100 }, (_, index) => `${index} ${"x`".repeat(2_000)}`);
    const parts = ["", "member 1", "member 2", "member 3"];
    const facts = factsOf(
      { ...DIVERGED, message: "m".repeat(2_000) },
      { logs: parts.map((part) => ({ part, lines })) },
    );
    const body = commentOf(facts, MARKER, undefined);
    expect(body.length).toBeLessThan(MOST_COMMENT_CHARACTERS);
    expect(body.length).toBeGreaterThan(30_000);
    expect(body.match(/<details>/g)?.length).toBe(body.match(/<\/details>/g)?.length);
    expect((body.match(/^`{3,}/gm)?.length ?? 1) % 2).toBe(0);
    expect(body).toContain("Members: 1 of 4 trained");
    // The page of the run has more room.
    expect(summaryOf(facts).length).toBeGreaterThan(body.length);
  });
});

describe("what others wrote", () => {
  const nasty = fc.string({
    unit: fc.constantFrom(..."ab1 \\`*_{}[]()#+!|<>&~^$@:/.-\n".split(""), "http:", "www.", ":tada:"),
  });

  it("is neither markup nor a mention in a line of text", () => {
    fc.assert(
      fc.property(nasty, (text) => {
        const shown = plain(text);
        expect(shown).not.toContain("\n");
        const bare = shown.replaceAll("<!-- -->", "\u0000").replaceAll(/\\[\\`*_{}[\]()+!|~^$]|&(lt|gt|amp);/g, "");
        expect(bare).not.toMatch(/[\\`*_{}[\]()+!|<>&~^$]|@\w|#\d|https?:|www\.|:\w+:/);
      }),
    );
  });

  it("does not end a span or a block of code", () => {
    fc.assert(
      fc.property(nasty, (text) => {
        const [, fence = ""] = /^(`+)/.exec(code(`a${text}b`)) ?? [];
        expect(code(`a${text}b`).slice(fence.length, -fence.length)).not.toMatch(new RegExp(`(?<!\`)${fence}(?!\`)`));
        const block = codeBlock(text.split("\n"));
        const [, long = ""] = /^(`+)/.exec(block) ?? [];
        expect(
          block
            .split("\n")
            .slice(1, -1)
            .every((line) => !line.includes(long)),
        ).toBe(true);
      }),
    );
  });

  it("leaves a table in shape", () => {
    fc.assert(
      fc.property(nasty, nasty, (a, b) => {
        const [, , row = ""] = table(["a", ">b"], [[plain(a), code(`x${b}`)]]).split("\n");
        expect(row.match(/(?<!\\)\|/g)).toHaveLength(3);
      }),
    );
  });
});

describe("fitting", () => {
  it("shortens the last sections first, and keeps what is to be kept", () => {
    const sections = [
      { text: "head", isKept: true },
      { text: "aaaaaaaaaa" },
      { text: "bbbbbbbbbb", shorter: ["bb"] },
      { text: "kept", isKept: true },
      { text: "cccccccccc", shorter: ["ccccc", "c"] },
    ];
    const at = (limit: number) => fit(sections, limit, (text) => text.length).replaceAll("\n\n", " ");
    expect(at(100)).toBe("head aaaaaaaaaa bbbbbbbbbb kept cccccccccc");
    expect(at(41)).toBe("head aaaaaaaaaa bbbbbbbbbb kept ccccc");
    expect(at(33)).toBe("head aaaaaaaaaa bb kept");
    expect(at(16)).toBe("head kept");
    expect(at(1)).toBe("head kept");
  });
});

describe("numbers", () => {
  it("are shown to people", () => {
    expect([percent(0.97251), percent(null)]).toEqual(["97.25 %", "–"]);
    expect([points(0.0025), points(-0.27), points(-0.000001), points(null)]).toEqual([
      "+0.25 points",
      "-27.00 points",
      "0.00 points",
      "–",
    ]);
    expect([loss(1.23456), loss(-0.00001)]).toEqual(["1.2346", "0.0000"]);
    const zero = "2026-11-23T10:00:00Z";
    expect(["10:00:42", "10:03:05", "12:07:59"].map((time) => duration(zero, `2026-11-23T${time}Z`))).toEqual([
      "42 s",
      "3 min 05 s",
      "2 h 07 min",
    ]);
  });
});
