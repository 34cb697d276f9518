import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeSafetensors } from "../../../shared/safetensors/index.ts";
import { halfPlaneModel, halfPlaneShard } from "../../support/half-plane-models.ts";
import { runHere } from "../../support/run-command-line.ts";

let folder: string;
const at = (name: string) => join(folder, name);
/** Angles of five checkpoints whose errors cancel, and one that is broken. */
const ANGLES = { a: 0.25, b: -0.2, c: 0.3, d: -0.35, e: 0.15 };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "edgefuse-soup-"));
  for (const [name, angle] of Object.entries(ANGLES)) {
    await writeFile(at(`${name}.safetensors`), halfPlaneModel({ angle }));
  }
  await writeFile(at("broken.safetensors"), halfPlaneModel({ angle: 0, isBroken: true }));
  await writeFile(at("held-out.safetensors"), halfPlaneShard(1000));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const candidates = () => [...Object.keys(ANGLES), "broken"].map((name) => at(`${name}.safetensors`));
const soup = (...words: readonly string[]) =>
  runHere(["soup", ...candidates(), "--shards", at("held-out.safetensors"), ...words]);

interface Made {
  readonly accuracy: number;
  readonly sha256: string;
  readonly id: string;
  readonly names: Record<string, string>;
  readonly recipe: { readonly inputs: readonly { readonly checkpoint: string; readonly weight: number }[] };
  readonly trace: readonly {
    readonly candidate: string;
    readonly decision: string;
    readonly why: string;
    readonly alone: { readonly accuracy: number } | null;
  }[];
}

async function made(output: string, ...words: readonly string[]): Promise<Made> {
  const ended = await soup("-o", at(output), "--json", ...words);
  expect(ended.code, ended.stderr).toBe(0);
  return ended.json()[0] as unknown as Made;
}

/** The weights; the header also says which soup a file is. */
async function dataOf(path: string): Promise<string> {
  const file = new Uint8Array(await readFile(path));
  const { header, bytes } = decodeSafetensors(file);
  return JSON.stringify(header.tensors.map((tensor) => [tensor.name, [...bytes(tensor)]]));
}

describe("edgefuse soup", () => {
  it("leaves out what is broken, says so, and is at least as good as the best ingredient", async () => {
    const { accuracy, trace, names, recipe } = await made("greedy.safetensors", "--manifest", at("manifest.json"));
    const best = Math.max(...trace.map(({ alone }) => alone?.accuracy ?? 0));
    expect(accuracy).toBeGreaterThanOrEqual(best);
    const broken = trace.find(({ candidate }) => names[candidate] === "broken.safetensors");
    expect(broken).toMatchObject({
      decision: "rejected",
      alone: null,
      why: expect.stringMatching(/cannot be evaluated/),
    });
    expect(recipe.inputs.map(({ checkpoint }) => names[checkpoint])).not.toContain("broken.safetensors");
    const manifest = JSON.parse(await readFile(at("manifest.json"), "utf8")) as { selection: { trace: unknown } };
    expect(manifest.selection.trace).toEqual(trace);
  });

  it("is what the same recipe fuses to, and what a probe measures", async () => {
    const { accuracy, recipe, names } = await made("fused.safetensors");
    const paths = recipe.inputs.map(({ checkpoint }) => at(names[checkpoint] ?? ""));
    const again = await runHere(["fuse", ...paths, "-o", at("again.safetensors"), "--json"]);
    expect(again.code).toBe(0);
    const [fused, other] = await Promise.all([at("fused.safetensors"), at("again.safetensors")].map(dataOf));
    expect(other).toEqual(fused);
    const both = [at("fused.safetensors"), at("a.safetensors")];
    const probed = await runHere(["probe", ...both, "--shards", at("held-out.safetensors"), "--json"]);
    expect(probed.json()[0]).toMatchObject({ points: expect.arrayContaining([expect.objectContaining({ accuracy })]) });
  });

  it("does not depend on the order of its candidates", async () => {
    const first = await made("one.safetensors");
    const words = ["soup", ...candidates().toReversed(), "--shards", at("held-out.safetensors"), "--json"];
    const [second] = (await runHere([...words, "-o", at("two.safetensors")])).json();
    expect(second).toMatchObject({ id: first.id, sha256: first.sha256 });
  });

  it("learns weights that are no worse than the greedy ones", async () => {
    const greedy = await made("g.safetensors");
    const learned = await made("l.safetensors", "--kind", "learned");
    expect(learned.accuracy).toBeGreaterThanOrEqual(greedy.accuracy);
    expect(learned.trace.length).toBeGreaterThan(greedy.trace.length);
  });

  it("shows its decisions to people", async () => {
    const ended = await soup("-o", at("shown.safetensors"), "--kind", "uniform");
    expect(ended.stdout).toMatch(/^rejected {2}broken\.safetensors {2}It cannot be evaluated/m);
    expect(ended.stdout).toMatch(
      /shown\.safetensors {2}[\d.]+ kB, uniform soup of 5 of 6, accuracy \d\d\.\d\d %, loss/,
    );
  });

  it.each<[words: string[], code: number, says: RegExp]>([
    [["-o", "OUT"], 2, /--shards FILE\.\.\. or --dataset NAME is needed/],
    [["--shards", "HELD"], 2, /-o FILE is needed/],
    [["-o", "OUT", "--shards", "HELD", "--private"], 2, /--private goes with --remote/],
    [["--shards", "HELD", "--remote"], 2, /--remote takes --dataset NAME/],
    [["-o", "HELD", "--shards", "HELD"], 2, /exists; give --force/],
  ])("says what is wrong with %j, and writes nothing", async (words, code, says) => {
    const given = words.map(
      (word) => ({ OUT: at("never.safetensors"), HELD: at("held-out.safetensors") })[word] ?? word,
    );
    const ended = await runHere(["soup", ...candidates(), ...given]);
    expect(ended).toMatchObject({ code, stdout: "", stderr: expect.stringMatching(says) });
    expect((await readdir(folder)).map((name) => basename(name))).not.toContain("never.safetensors");
  });

  it("makes no soup of nothing", async () => {
    const twins = [at("broken.safetensors"), at("broken-too.safetensors")];
    await writeFile(twins[1] ?? "", Buffer.concat([halfPlaneModel({ angle: 1, isBroken: true })]));
    const one = await runHere(["soup", ...twins, "--shards", at("held-out.safetensors"), "-o", at("none.safetensors")]);
    expect(one).toMatchObject({ code: 2, stderr: expect.stringMatching(/is the same file as|two candidates or more/) });
  });
});
