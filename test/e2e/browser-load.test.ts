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

describe.skipIf(browser === undefined)("a fused model in a real browser", () => {
  let worker: WorkerHarness;
  let page: Server;
  let chromium: Browser;

  beforeAll(async () => {
    [worker, page] = await Promise.all([startWorker(), servePage(), startWasmBackend()]);
    chromium = browser as Browser;
  });
  afterAll(async () => {
    page.close();
    await Promise.all([browser?.close(), worker.close()]);
  });

  it.each(["F32", "F16"] as const)(
    "loads with tf.loadLayersModel and predicts as it does in Node (%s)",
    async (dtype) => {
      const client = new EdgefuseClient({ url: worker.url, token: worker.token });
      const template = buildModel(ARCHITECTURE);
      const inputs = [];
      for (const seed of [1n, 2n]) {
        const tensors = Array.from(
          initialWeights(template, seed),
          ([name, { shape, values }]) =>
            [name, { dtype: "F32" as const, shape, data: new Uint8Array(values.buffer) }] as const,
        );
        const file = encodeSafetensors(new Map(tensors), { [MODEL_KEY]: JSON.stringify(ARCHITECTURE) });
        inputs.push({ checkpoint: (await client.uploadCheckpoint(file)).id });
      }
      const { id } = await client.createFusion({ recipe: { method: "linear", inputs, dtype } });

      const { header, bytes } = decodeSafetensors(await client.fetchModel(id));
      assignWeights(template, decodeWeights(header, bytes));
      const random = new RandomStream(9n, "inputs");
      const values = Array.from({ length: SAMPLES * 12 }, () => random.normal());
      const expected = tf.tidy(() => (template.predict(tf.tensor(values, [SAMPLES, 4, 3, 1])) as tf.Tensor).dataSync());
      template.dispose();

      const tab = await chromium.newPage();
      try {
        await tab.goto(`http://127.0.0.1:${(page.address() as AddressInfo).port}/`);
        const predicted = await tab.evaluate(
          async ([url, data, samples]) => {
            const { tf: loaded } = globalThis as unknown as { tf: typeof tfjs };
            await loaded.setBackend("cpu");
            const model = await loaded.loadLayersModel(url);
            const output = model.predict(loaded.tensor(data, [samples, 4, 3, 1])) as tfjs.Tensor;
            return { names: model.weights.map((weight) => weight.originalName), output: Array.from(output.dataSync()) };
          },
          [client.modelUrl(id, "model.json"), values, SAMPLES] as const,
        );
        expect(predicted.names).toEqual([
          "hidden_0/kernel",
          "hidden_0/bias",
          "hidden_1/kernel",
          "hidden_1/bias",
          "output/kernel",
          "output/bias",
        ]);
        expect(predicted.output).toHaveLength(SAMPLES * 5);
        expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(0.1);
        for (const [index, value] of predicted.output.entries()) {
          expect(value).toBeCloseTo(expected[index] ?? Number.NaN, 5);
        }
      } finally {
        await tab.close();
      }
    },
  );
});
