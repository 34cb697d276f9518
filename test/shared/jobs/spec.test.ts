import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { jobId, newJobId } from "../../../shared/jobs/job-id.ts";
import { jobSpec, specDigest } from "../../../shared/jobs/spec.ts";
import { TRAIN_OPTION_NAMES, wordsOfOptions } from "../../../shared/jobs/train-options.ts";
import { parseLine } from "../../../trainer/command-line/parse.ts";
import { train } from "../../../trainer/commands/train.ts";

const parse = (spec: object) => jobSpec.safeParse({ version: 1, kind: "train", ...spec });

describe("the spec of a job", () => {
  it("is complete with a kind alone", () => {
    expect(jobSpec.parse({ version: 1, kind: "train" })).toEqual({
      version: 1,
      kind: "train",
      options: {},
      resources: { backend: "auto", memoryBytes: 0, labels: [] },
      timeoutSeconds: 21_600,
      queueSeconds: 86_400,
      stopGraceSeconds: 120,
      retry: { attempts: 3, exitCodes: [] },
      labels: {},
    });
  });

  it.each([
    ["a path to write to", { options: { out: "/etc" } }],
    ["a folder to read from", { options: { "data-dir": "/" } }],
    ["an upload", { options: { push: true } }],
    ["a file of metrics", { options: { metrics: "/tmp/x" } }],
    ["a command", { options: { command: "sh" } }],
    ["a member of the spec that is not known", { command: "sh" }],
    ["an option in a value", { options: { model: "--push" } }],
    ["an option after a line's end", { options: { name: "a\n--push" } }],
    ["an escape sequence", { labels: { repo: "\u001b[2J" } }],
    ["text that turns its direction", { labels: { repo: "a\u202eb" } }],
    ["a path as a name", { options: { name: "../x" } }],
    ["an address as a dataset", { options: { dataset: "https://example.com" } }],
    ["a path as a dataset", { options: { dataset: "../secrets" } }],
    ["a label that begins with a dash", { resources: { labels: ["-x"] } }],
    ["137 among the exit codes", { retry: { exitCodes: [137] } }],
    ["a retry of what is never tried again", { retry: { on: ["out-of-memory"] } }],
    ["a member that the family does not have", { options: { models: 4 }, member: 5 }],
    ["another version", { version: 2 }],
    ["a callback that is no address of the web", { callback: "file:///etc/passwd" }],
  ])("refuses %s", (_, spec) => {
    expect(parse(spec).success).toBe(false);
  });

  it("has options whose words the trainer's own parser takes as they are", () => {
    const options = {
      dataset: "glyphs",
      model: "resnet",
      set: ["depth=20", "norm=batch"],
      models: 3,
      "fixed-ratio": 0.4,
      epochs: 2,
      nesterov: true,
      flip: false,
      schedule: "cosine:0.01",
      partition: "dirichlet:0.5",
      seed: "18446744073709551615",
      "keep-best": true,
      "checkpoint-every": "30s",
    };
    const { data } = parse({ options });
    expect(data?.kind === "train" && data.options).toEqual(options);
    const words = wordsOfOptions(options);
    expect(words).toContain("--set=depth=20");
    expect(words).not.toContain("--flip");
    const { values, operands } = parseLine(train, [...words, "--out=x"]);
    expect(operands).toEqual([]);
    expect(values).toMatchObject({ models: 3, nesterov: true, flip: false, "keep-best": true, seed: 2n ** 64n - 1n });
  });

  it("knows no option that the trainer does not know", () => {
    expect(TRAIN_OPTION_NAMES.filter((name) => !Object.hasOwn(train.options, name))).toEqual([]);
    const withheld = Object.keys(train.options).filter((name) => !TRAIN_OPTION_NAMES.includes(name));
    // Where files are, what computes and what is uploaded is the agent's affair.
    const agents = ["data-dir", "out", "backend", "fresh", "metrics", "push", "upload-only", "member"];
    expect(agents).toEqual(expect.arrayContaining(withheld));
  });

  it("comes to one word for each value, none of which can be another option", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (name, model) => {
        const { data } = parse({ options: { name, model } });
        if (data?.kind !== "train") return;
        for (const word of wordsOfOptions(data.options)) expect(word).toMatch(/^--(name|model)=[^-\s]/);
      }),
    );
  });

  it("has one digest, whoever asks for it and however it is written", () => {
    const spec = { version: 1, kind: "train", options: { models: 2, epochs: 1 } };
    const digest = specDigest(jobSpec.parse(spec));
    const same = { ...spec, options: { epochs: 1, models: 2 }, labels: { pr: "12" }, commit: "0123abc" };
    expect(specDigest(jobSpec.parse({ ...same, timeoutSeconds: 21_600, callback: "https://example.com/" }))).toBe(
      digest,
    );
    expect(specDigest(jobSpec.parse({ ...spec, options: { models: 3, epochs: 1 } }))).not.toBe(digest);
  });

  it("wants a dataset where a pipeline has a gate, and limits of the gate", () => {
    const pipeline = { version: 1, kind: "pipeline", train: { models: 4 } };
    const gate = { accuracyBarrier: { max: 0.02 } };
    expect(jobSpec.safeParse(pipeline).success).toBe(true);
    expect(jobSpec.safeParse({ ...pipeline, gate, dataset: "digits" }).success).toBe(true);
    expect(jobSpec.safeParse({ ...pipeline, gate }).success).toBe(false);
    expect(jobSpec.safeParse({ ...pipeline, gate: {}, dataset: "digits" }).success).toBe(false);
    expect(jobSpec.safeParse({ ...pipeline, fuse: { weights: [1, 2] } }).success).toBe(false);
    expect(jobSpec.safeParse({ ...pipeline, train: { models: 4, out: "/etc" } }).success).toBe(false);
  });
});

describe("the id of a job", () => {
  it("is the ULID of its time and its random bytes", () => {
    const zeros = new Uint8Array(10);
    expect(newJobId(new Date(0), zeros)).toBe("00000000000000000000000000");
    // https://github.com/ulid/spec
    expect(newJobId(new Date(1_469_918_176_385), new Uint8Array(10).fill(255))).toBe("01ARYZ6S41ZZZZZZZZZZZZZZZZ");
  });

  it("sorts by time, and is valid for every time and every bytes", () => {
    const times = fc.integer({ min: 0, max: 4e12 });
    const bytes = fc.uint8Array({ minLength: 10, maxLength: 10 });
    fc.assert(
      fc.property(times, times, bytes, bytes, (early, late, a, b) => {
        const [first, second] = [newJobId(new Date(early), a), newJobId(new Date(late), b)];
        expect(jobId.safeParse(first).success).toBe(true);
        if (early < late) expect(first < second).toBe(true);
        if (early === late) expect(first === second).toBe(a.every((byte, at) => byte === b[at]));
      }),
    );
  });
});
