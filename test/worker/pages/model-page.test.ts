import { describe, expect, it } from "vitest";
import { modelPage } from "../../../worker/pages/model-page.ts";
import type { ModelFacts } from "../../../worker/pages/model-facts.ts";
import { idOf, sampleFacts, sampleGate, sampleManifest, sampleProbe, sampleSelection } from "./sample-facts.ts";

const OPEN = { origin: "https://models.example", query: "", needsToken: false };
const NOTHING_DRAWN = { barrier: null, badge: null } as unknown as ModelFacts["description"]["links"];

/** What a reader sees: without the style, markup and entities. */
function textOf(page: string): string {
  return page
    .replace(/<style>[^]*?<\/style>/g, "")
    .replaceAll(/<[^>]+>/g, " ")
    .replaceAll("&quot;", '"')
    .replaceAll("&lt;", "<")
    .replaceAll("&amp;", "&")
    .replaceAll(/\s+/g, " ");
}

const pageOf = (facts: ModelFacts, access = OPEN) => modelPage(facts, access).text;

describe("the page of a model that passed its gate", () => {
  const facts = sampleFacts({ gate: sampleGate(0.003), manifest: sampleManifest({ selection: sampleSelection }) });
  const page = pageOf(facts);
  const text = textOf(page);

  it("tells what it was made of, the verdict and the numbers, and how its inputs were chosen", () => {
    for (const told of [
      "team/digits",
      facts.description.id,
      "gate passed",
      "glyphs-mlp-6x128-frozen-0.4-seed-1.safetensors",
      "73 512 frozen entries",
      "Accuracy barrier 0.3 points 2.0 points yes",
      "Loss barrier 0.018 0.1 yes",
      "version 1 of the dataset glyphs , 2 000 samples",
      "accepted 96.7 % 0.1432",
      "rejected – – It cannot be evaluated",
    ]) {
      expect(text).toContain(told);
    }
  });

  it("has the curve in it, with ids that no other part has", () => {
    expect(page).toContain('aria-labelledby="barrier-picture-title barrier-picture-description"');
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("says how to load it by its alias", () => {
    expect(text).toContain(
      "curl -fL -o model.safetensors \\ 'https://models.example/models/@team/digits/model.safetensors'",
    );
    expect(text).toContain('const url = "https://models.example/models/@team/digits/model.json";');
    expect(text).toContain('repository = "team/digits"');
    expect(text).toContain('hf_hub_download(repository, "model.safetensors", endpoint="https://models.example")');
    expect(text).toContain("edgefuse pull team/digits");
  });

  it("runs and loads nothing", () => {
    expect(page).not.toMatch(/<(script|link|img|iframe|form|object|embed|base)\b|\son\w+=|@import|url\(|javascript:/i);
    expect(page).not.toMatch(/\sstyle="/);
  });

  it("allows its own style by its digest, and nothing else", async () => {
    const { headers } = modelPage(facts, OPEN);
    const style = /<style>([^]*?)<\/style>/.exec(page)?.[1] ?? "";
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(style)));
    expect(headers["content-security-policy"]).toBe(
      `default-src 'none'; style-src 'sha256-${btoa(String.fromCharCode(...digest))}'; base-uri 'none'; ` +
        "form-action 'none'; frame-ancestors 'none'",
    );
  });

  it("is the same for the same facts", () => {
    expect(pageOf(structuredClone(facts))).toBe(page);
  });
});

describe("the page of a model in another state", () => {
  it("tells a refusal with its reasons and numbers, and how to read the model with a token", () => {
    const facts = sampleFacts({ alias: null, visibility: "private", gate: sampleGate(0.52), probe: sampleProbe(0.52) });
    const text = textOf(pageOf(facts, { ...OPEN, needsToken: true }));
    expect(text).toContain("gate refused");
    expect(text).toContain("The gate refused this model, so it is not published.");
    expect(text).toContain("The accuracy barrier is 0.52; the gate admits at most 0.02.");
    expect(text).toContain("Accuracy barrier 52.0 points 2.0 points no");
    expect(text).toContain('-H "Authorization: Bearer $EDGEFUSE_TOKEN"');
    expect(text).toContain('token=os.environ["EDGEFUSE_TOKEN"]');
  });

  it("tells of a lazy one that it is computed, with links that stay signed", () => {
    const facts = sampleFacts({
      alias: null,
      state: "lazy",
      sha256: null,
      manifest: null,
      probe: null,
      links: NOTHING_DRAWN,
    });
    const page = pageOf(facts, { ...OPEN, query: "?expires=1&signature=s" });
    expect(textOf(page)).toContain("computed when read");
    expect(textOf(page)).toContain(`/models/${facts.description.id}/model.safetensors?expires=1&signature=s'`);
    for (const [, link = ""] of page.matchAll(/href="(\/models[^"]+)"/g)) {
      expect(link).toMatch(/\?expires=1&amp;signature=s$/);
    }
    // Neither carries a link.
    expect(textOf(page)).not.toMatch(/hf_hub_download|edgefuse pull/);
    expect(page).not.toContain("<svg");
  });

  it("shows the progress of one that is being made, and that its gate waits", () => {
    const progress = { bytesDone: 300_000, bytes: 735_216, partsDone: 2, parts: 5 };
    const page = pageOf(
      sampleFacts({ state: "running", manifest: null, probe: null, gate: sampleGate(0, "pending"), progress }),
    );
    expect(page).toContain('<progress max="735216" value="300000"');
    expect(textOf(page)).toContain("300 kB of 735 kB are made, 2 of 5 parts");
    expect(textOf(page)).toContain("gate pending");
  });

  it("tells why one failed where that may be told, and offers nothing to load", () => {
    const problem = {
      type: "x",
      title: "t",
      status: 422,
      code: "non-finite-values",
      detail: "Tensor w holds NaN.",
    } as const;
    const none = { state: "failed", manifest: null, probe: null, files: [], links: NOTHING_DRAWN } as const;
    const nothing = { architecture: null, size: null };
    const told = textOf(pageOf(sampleFacts({ ...none, problem, files: [] }, nothing)));
    expect(told).toContain("The fusion failed");
    expect(told).toContain("non-finite-values : Tensor w holds NaN.");
    const page = pageOf(sampleFacts({ ...none, problem: null, files: [] }, nothing));
    expect(page).not.toMatch(/id="(load|files|barrier)"/);
    expect(textOf(pageOf(sampleFacts({ ...none, state: "cancelled", files: [] }, nothing)))).toContain("was cancelled");
  });

  it("offers a folder where the model comes in shards", () => {
    const files = ["model.safetensors.index.json", "model-00001-of-00002.safetensors"];
    const text = textOf(pageOf(sampleFacts({ files })));
    expect(text).toContain("-o model.safetensors.index.json");
    expect(text).toContain("snapshot_download(repository, endpoint=");
    expect(text).not.toContain("tf.loadLayersModel");
  });

  it("says where the inputs are not aligned as they declare", () => {
    const alignment = {
      ...{ declared: true, verified: false, frozenElements: 1000, mismatches: 12 },
      first: { tensor: "hidden-1/kernel", index: 1234, input: sampleManifest().inputs[0]?.checkpoint ?? "" },
    } as ReturnType<typeof sampleManifest>["alignment"];
    const text = textOf(pageOf(sampleFacts({ manifest: sampleManifest({ alignment }) })));
    expect(text).toContain("12 of 1 000 frozen entries differ, the first in hidden-1/kernel at 1 234");
  });
});

describe("what comes from outside", () => {
  it("is nowhere taken for markup", () => {
    const evil = `</style><script>alert(1)</script>"onload=x '`;
    const manifest = sampleManifest({ selection: { ...sampleSelection, trace: [] } });
    const gate = { ...sampleGate(0.52), dataset: evil as never, reasons: [evil] };
    const facts = sampleFacts({
      alias: evil as never,
      gate,
      state: "failed",
      problem: { type: evil, title: evil, status: 422, code: evil as never, detail: evil },
      files: ["model.safetensors", evil, "model.json"],
      manifest: {
        ...manifest,
        inputs: manifest.inputs.map((input) => ({ ...input, name: evil })),
        alignment: {
          ...manifest.alignment,
          verified: false,
          first: { tensor: evil, index: 0, input: idOf("0") as never },
        },
        selection: {
          ...sampleSelection,
          trace: sampleSelection.trace.map((one) => ({ ...one, why: evil })),
        },
      },
    });
    const page = pageOf(facts, { origin: evil, query: "", needsToken: true });
    expect(page).not.toMatch(/<script|"onload/);
    expect(page.match(/<\/style>/g)).toHaveLength(1);
    expect(page).toContain("&lt;script&gt;");
  });
});
