import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import type * as tfjs from "@tensorflow/tfjs";
import * as tf from "@tensorflow/tfjs-core";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EdgefuseClient } from "../../shared/api/client.ts";
import {
  type Architecture,
  assignWeights,
  buildModel,
  decodeWeights,
  initialWeights,
  MODEL_KEY,
} from "../../shared/models/index.ts";
import { RandomStream } from "../../shared/random/stream.ts";
import { decodeSafetensors, encodeSafetensors } from "../../shared/safetensors/index.ts";
import { startWasmBackend } from "../../trainer/backend/wasm.ts";
import { launchBrowser } from "../support/browser.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

const ARCHITECTURE: Architecture = { architecture: "mlp", input: [4, 3, 1], hidden: [16, 8], classes: 5 };
const SAMPLES = 6;

const browser = await launchBrowser();

/** A page of another origin than the worker, with tfjs as a site would load it. */
async function servePage(): Promise<Server> {
  const script = await readFile(createRequire(import.meta.url).resolve("@tensorflow/tfjs/dist/tf.min.js"));
  const server = createServer((request, response) => {
    const isScript = request.url === "/tf.min.js";
    response.writeHead(200, { "content-type": isScript ? "text/javascript" : "text/html" });
    response.end(isScript ? script : '<!doctype html><title>page</title><script src="/tf.min.js"></script>');
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

/** Inputs drawn from a stream of their own, one row a sample. */
function drawInputs(): number[] {
  const random = new RandomStream(9n, "inputs");
  return Array.from({ length: SAMPLES * 12 }, () => random.normal());
}

describe.skipIf(browser === undefined)("a fused model in a real browser", () => {
  let worker: WorkerHarness;
  let client: EdgefuseClient;
  let page: Server;
  let chromium: Browser;

  beforeAll(async () => {
    [worker, page] = await Promise.all([startWorker(), servePage(), startWasmBackend()]);
    client = new EdgefuseClient({ url: worker.url, token: worker.token });
    chromium = browser as Browser;
  });
  afterAll(async () => {
    page.close();
    await Promise.all([browser?.close(), worker.close()]);
  });

  /** Fuses two networks. @returns the model, and what it predicts in Node */
  async function fuse({ dtype, visibility }: { dtype: "F32" | "F16"; visibility: "public" | "private" }) {
    const template = buildModel(ARCHITECTURE);
    try {
      const inputs = [];
      for (const seed of visibility === "public" ? [1n, 2n] : [3n, 4n]) {
        const tensors = Array.from(
          initialWeights(template, seed),
          ([name, { shape, values }]) =>
            [name, { dtype: "F32" as const, shape, data: new Uint8Array(values.buffer) }] as const,
        );
        const file = encodeSafetensors(new Map(tensors), { [MODEL_KEY]: JSON.stringify(ARCHITECTURE) });
        inputs.push({ checkpoint: (await client.uploadCheckpoint(file)).id });
      }
      const { id } = await client.createFusion({ recipe: { method: "linear", inputs, dtype }, visibility });
      const { header, bytes } = decodeSafetensors(await client.fetchModel(id));
      assignWeights(template, decodeWeights(header, bytes));
      const expected = tf.tidy(() => {
        const output = template.predict(tf.tensor(drawInputs(), [SAMPLES, 4, 3, 1])) as tf.Tensor;
        return Array.from(output.dataSync());
      });
      return { id, expected };
    } finally {
      template.dispose();
    }
  }

  /** Loads a model and predicts with it, in a page of another origin. @returns also every address that was fetched */
  async function loadInBrowser(url: string, requestInit: { readonly headers?: Record<string, string> } = {}) {
    const tab = await chromium.newPage();
    try {
      await tab.goto(`http://127.0.0.1:${(page.address() as AddressInfo).port}/`);
      const fetched: string[] = [];
      tab.on("request", (request) => fetched.push(request.url()));
      const loaded = await tab.evaluate(
        async ([address, init, data, samples]) => {
          const { tf: library } = globalThis as unknown as { tf: typeof tfjs };
          await library.setBackend("cpu");
          try {
            const model = await library.loadLayersModel(address, { requestInit: init });
            const output = model.predict(library.tensor(data, [samples, 4, 3, 1])) as tfjs.Tensor;
            const names = model.weights.map((weight) => weight.originalName);
            return { names, output: Array.from(output.dataSync()), failure: "" };
          } catch (error) {
            return { names: [], output: [], failure: String(error) };
          }
        },
        [url, requestInit, drawInputs(), SAMPLES] as const,
      );
      return { ...loaded, fetched };
    } finally {
      await tab.close();
    }
  }

  function expectPredictions(output: readonly number[], expected: readonly number[]) {
    expect(output).toHaveLength(SAMPLES * 5);
    expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(0.1);
    for (const [index, value] of output.entries()) expect(value).toBeCloseTo(expected[index] ?? Number.NaN, 5);
  }

  it.each(["F32", "F16"] as const)(
    "loads with tf.loadLayersModel and predicts as it does in Node (%s)",
    async (dtype) => {
      const { id, expected } = await fuse({ dtype, visibility: "public" });
      const { names, output, failure } = await loadInBrowser(client.modelUrl(id, "model.json"));
      expect(failure).toBe("");
      expect(names).toEqual([
        ...["hidden_0/kernel", "hidden_0/bias", "hidden_1/kernel", "hidden_1/bias", "output/kernel", "output/bias"],
      ]);
      expectPredictions(output, expected);
    },
  );

  it("loads under its alias too", async () => {
    const { id, expected } = await fuse({ dtype: "F32", visibility: "public" });
    await client.aliases.put("team/browser", { model: id }, "new");
    const { output, failure } = await loadInBrowser(`${worker.url}/models/@team/browser/model.json`);
    expect(failure).toBe("");
    expectPredictions(output, expected);
  });

  it("loads from a signed link where it is private, from another origin, until the link is changed", async () => {
    const { id, expected } = await fuse({ dtype: "F32", visibility: "private" });
    const { url } = await client.createLink(id, { expiresIn: 120, file: "model.json" });
    const { output, failure, fetched } = await loadInBrowser(url);
    expect(failure).toBe("");
    expectPredictions(output, expected);
    // The query goes along to the weights; that is what lets them be read.
    expect(fetched).toEqual([url, url.replace("model.json", "weights.bin")]);

    for (const refused of [
      url.replace(/\?.*/, ""),
      url.replace(/expires=(\d+)/, (_, expires: string) => `expires=${Number(expires) + 1}`),
      url.replace(/signature=./, (start) => start.replace(/.$/, start.endsWith("A") ? "B" : "A")),
    ]) {
      const { output: none, failure: told } = await loadInBrowser(refused);
      expect(none).toEqual([]);
      // Not for want of CORS: the page sees the status.
      expect(told).toMatch(/40[34]/);
    }
  });

  it("loads with a token where it is private: the preflight lets it pass", async () => {
    const { id, expected } = await fuse({ dtype: "F32", visibility: "private" });
    const { token } = await client.tokens.create({ name: "page", scopes: ["read"] });
    const bearer = { headers: { authorization: `Bearer ${token}` } };
    const { output, failure } = await loadInBrowser(client.modelUrl(id, "model.json"), bearer);
    expect(failure).toBe("");
    expectPredictions(output, expected);
  });
});
