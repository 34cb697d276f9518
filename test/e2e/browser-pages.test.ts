import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EdgefuseClient } from "../../shared/api/index.ts";
import { encodeShard } from "../../shared/evaluation/shard.ts";
import {
  matrixPicture,
  meanPicture,
  pathPicture,
  planePicture,
  svgFile,
} from "../../shared/evaluation/pictures/index.ts";
import { launchBrowser } from "../support/browser.ts";
import { linearModel } from "../support/checkpoint-files.ts";
import { dipFigure, hillFigure, matrixFigure, meanFigure, planeFigure } from "../support/picture-samples.ts";
import { startWorker, type WorkerHarness } from "../support/worker-harness.ts";

const browser: Browser | undefined = await launchBrowser();
const VIEWS = (["light", "dark"] as const).flatMap((scheme) => [400, 1200].map((width) => ({ scheme, width })));

let worker: WorkerHarness;
/** What is looked at over HTTP: pages and pictures of a small deployment. */
let paths: string[];

beforeAll(async () => {
  worker = await startWorker();
  const client = new EdgefuseClient({ url: worker.url, token: worker.token });
  const kernels = [
    [1, 2, 3, 4, 5, 6, 7, 8],
    [8, 7, 6, 5, 4, 3, 2, 1],
    [1, 0, 0, 1, 1, 0, 0, 1],
  ];
  const ids = [];
  for (const kernel of kernels) ids.push((await client.uploadCheckpoint(linearModel(kernel, [1, 0]))).id);
  const x = new Float32Array(Array.from({ length: 160 }, (_, index) => Math.sin(index)));
  const y = new Int32Array(Array.from({ length: 40 }, (_, index) => index % 2));
  const shard = encodeShard({ count: 40, inputShape: [2, 2], x, y, scale: 1, offset: 0 });
  await client.putDataset("tiny", { shards: [(await client.uploadShard(shard)).id] });

  const [a = "", b = ""] = ids;
  const probed = [
    await client.createProbe({ a, b, dataset: "tiny" }),
    await client.createProbe({ kind: "mean", models: ids, pairwise: true, dataset: "tiny" }),
    await client.createProbe({ kind: "plane", models: ids, resolution: 7, dataset: "tiny" }),
  ];
  const fuse = async (checkpoints: readonly string[], more: object = {}) =>
    (
      await client.createFusion({
        recipe: { method: "linear", inputs: checkpoints.map((checkpoint) => ({ checkpoint })) },
        ...more,
      } as never)
    ).id;
  const [stored, lazy] = [await fuse([a, b]), await fuse(ids, { materialize: "lazy" })];
  const [path, mean, plane] = probed.map(({ id }) => id);
  paths = [
    `/models/${stored}`,
    `/models/${lazy}`,
    `/models/${stored}/barrier.svg`,
    `/models/${stored}/badge.svg`,
    `/v1/probes/${path}/barrier.svg?measure=loss`,
    `/v1/probes/${mean}/barrier.svg`,
    `/v1/probes/${mean}/matrix.svg`,
    `/v1/probes/${plane}/plane.svg`,
  ];
});

afterAll(async () => {
  await browser?.close();
  await worker.close();
});

async function open(view: (typeof VIEWS)[number], run: (page: Page, complaints: string[]) => Promise<void>) {
  const context = await browser?.newContext({
    colorScheme: view.scheme,
    viewport: { width: view.width, height: 800 },
    extraHTTPHeaders: { authorization: `Bearer ${worker.token}` },
  });
  if (context === undefined) return;
  try {
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on("console", (message) => void complaints.push(message.text()));
    page.on("pageerror", (error) => void complaints.push(error.message));
    await run(page, complaints);
  } finally {
    await context.close();
  }
}

interface Box {
  readonly text: string;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly size: number;
}

/** The frame of each picture on a page, and the boxes of its texts, in pixels. */
const MEASURE = `Array.from(document.querySelectorAll("svg"), (svg) => {
  const boxOf = (element) => {
    const { left, right, top, bottom } = element.getBoundingClientRect();
    return { text: element.textContent, left, right, top, bottom, size: bottom - top };
  };
  return { frame: boxOf(svg), texts: Array.from(svg.querySelectorAll("text"), boxOf) };
})`;

async function expectLegible(page: Page, least: number): Promise<void> {
  const pictures = (await page.evaluate(MEASURE)) as { frame: Box; texts: Box[] }[];
  for (const { frame, texts } of pictures) {
    expect(texts.length).toBeGreaterThan(1);
    for (const [index, one] of texts.entries()) {
      const isInside =
        one.left >= frame.left - 0.5 &&
        one.right <= frame.right + 0.5 &&
        one.top >= frame.top - 0.5 &&
        one.bottom <= frame.bottom + 0.5;
      expect([one.text, isInside, one.size >= least]).toEqual([one.text, true, true]);
      for (const other of texts.slice(index + 1)) {
        // Lines of text stand close; what is read over one another overlaps by more.
        const overlap = Math.min(one.right, other.right) - Math.max(one.left, other.left);
        const depth = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
        expect([one.text, other.text, overlap > 1 && depth > 0.35 * one.size]).toEqual([one.text, other.text, false]);
      }
    }
  }
}

describe.skipIf(browser === undefined)("in Chromium", () => {
  it.each(VIEWS)("pages and pictures fit $width px, $scheme, and the policy lets their style through", async (view) => {
    await open(view, async (page, complaints) => {
      for (const path of paths) {
        await page.goto(worker.url + path);
        const beyond = await page.evaluate(
          "document.documentElement.scrollWidth - document.documentElement.clientWidth",
        );
        expect([path, beyond]).toEqual([path, 0]);
        // A badge is as large as it is.
        await expectLegible(page, path.includes("badge") ? 8 : 10);
        const ground = await page.evaluate(
          `(() => {
            const paper = document.querySelector("svg .paper");
            return paper === null ? null : getComputedStyle(paper).fill;
          })()`,
        );
        const paper = view.scheme === "light" ? "rgb(255, 255, 255)" : "rgb(21, 24, 28)";
        expect([path, ground ?? paper]).toEqual([path, paper]);
      }
      expect(complaints).toEqual([]);
    });
  });

  it.each([
    ["a large barrier", () => pathPicture(dipFigure(0.52))],
    ["a small barrier", () => pathPicture(dipFigure(0.012))],
    [
      "a barrier at an end",
      () =>
        pathPicture(
          dipFigure(0, { points: [0.96, 0.7, 0.94, 0.95].map((value, index) => ({ alpha: index / 3, value })) }),
        ),
    ],
    ["no barrier", () => pathPicture(dipFigure(-0.002, { samples: 100 }))],
    ["perfect models", () => pathPicture(dipFigure(0, { points: [0, 0.5, 1].map((alpha) => ({ alpha, value: 1 })) }))],
    ["a loss", () => pathPicture(hillFigure(1.8))],
    ["huge squared errors", () => pathPicture(hillFigure(9_876_543, { measure: "squared-error" }))],
    [
      "tiny squared errors",
      () =>
        pathPicture(
          hillFigure(0, {
            measure: "squared-error",
            points: [1, 3, 2].map((value, index) => ({ alpha: index / 2, value: value * 1e-7 })),
          }),
        ),
    ],
    ["a mean", () => meanPicture(meanFigure(16, 0.912))],
    ["a matrix of 3", () => matrixPicture(matrixFigure(3))],
    ["a matrix of 8", () => matrixPicture(matrixFigure(8))],
    ["a matrix of 16", () => matrixPicture(matrixFigure(16))],
    ["a plane", () => planePicture(planeFigure(21))],
  ])("the picture of %s has no text that is clipped or over another at 400 px", async (_, draw) => {
    await open({ scheme: "light", width: 400 }, async (page) => {
      await page.setContent(`<body style="margin:0">${svgFile(draw())}`);
      await expectLegible(page, 10);
    });
  });
});
