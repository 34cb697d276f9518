import { describe, expect, it } from "vitest";
import { cachedText, throughEdgeCache } from "../../../worker/objects/edge-cache.ts";
import type { ByteRange } from "../../../worker/objects/range.ts";

const BYTES = new Uint8Array(1000).map((_, index) => index * 7);
let names = 0;

/** Bytes below a cache, which tell how often they were opened. */
function setUp({ bytes = BYTES.length, url = "https://edgefuse.example/models/x" } = {}) {
  const work: Promise<unknown>[] = [];
  const opened: ByteRange[] = [];
  const state = { isBroken: false, isCut: false };
  const use = { url, seeThrough: (promise: Promise<unknown>) => void work.push(promise) };
  const content = {
    key: `/test/${names++}`,
    bytes,
    contentType: "application/octet-stream",
    open: async (range: ByteRange) => {
      opened.push(range);
      if (state.isBroken) throw new Error("the bucket is away");
      const { readable, writable } = new FixedLengthStream(range.end - range.begin);
      const pump = async () => {
        const writer = writable.getWriter();
        if (state.isCut && range.end === bytes) {
          await writer.write(BYTES.slice(range.begin, range.end - 1));
          await writer.abort(new Error("the bucket hung up"));
        } else {
          await writer.write(BYTES.slice(range.begin, range.end));
          await writer.close();
        }
      };
      pump().catch(() => undefined);
      return readable as ReadableStream<Uint8Array>;
    },
  };
  const open = throughEdgeCache(use, content);
  const read = async (begin = 0, end = bytes) =>
    new Uint8Array(await new Response(await open({ begin, end })).arrayBuffer());
  const settle = async () => {
    while (work.length > 0) await work.pop();
  };
  return { open, read, settle, opened, state, use, content };
}

describe("the edge cache", () => {
  it("reads below once, and then answers whole and ranges without it", async () => {
    const { read, settle, opened, state } = setUp();
    expect(await read()).toEqual(BYTES);
    await settle();
    expect(opened).toEqual([
      { begin: 0, end: 1000 },
      { begin: 0, end: 1000 },
    ]);
    state.isBroken = true;
    expect(await read()).toEqual(BYTES);
    for (const [begin, end] of [
      [0, 1],
      [10, 500],
      [999, 1000],
      [0, 999],
    ] as const) {
      expect(await read(begin, end)).toEqual(BYTES.slice(begin, end));
    }
    expect(opened).toHaveLength(2);
  });

  it("is filled with the whole by the read of a range", async () => {
    const { read, settle, opened, state } = setUp();
    expect(await read(5, 9)).toEqual(BYTES.slice(5, 9));
    await settle();
    expect(opened).toEqual([
      { begin: 5, end: 9 },
      { begin: 0, end: 1000 },
    ]);
    state.isBroken = true;
    expect(await read(990, 1000)).toEqual(BYTES.slice(990));
  });

  it("is filled once, however many read at once", async () => {
    const { read, settle, opened } = setUp();
    await Promise.all(Array.from({ length: 20 }, () => read()));
    await settle();
    expect(opened).toHaveLength(21);
  });

  it("keeps nothing that broke on the way, and says what broke", async () => {
    const { open, read, settle, opened, state } = setUp();
    state.isBroken = true;
    await expect(open({ begin: 0, end: 10 })).rejects.toThrow("the bucket is away");
    await settle();
    state.isBroken = false;
    state.isCut = true;
    expect(await read(0, 10)).toEqual(BYTES.slice(0, 10));
    await settle();
    state.isCut = false;
    const before = opened.length;
    expect(await read()).toEqual(BYTES);
    expect(opened.length).toBeGreaterThan(before);
  });

  it("leaves alone what is too large for it", async () => {
    const { open, settle, opened } = setUp({ bytes: 70 * 2 ** 20 });
    await new Response(await open({ begin: 0, end: 10 })).arrayBuffer();
    await settle();
    expect(opened).toHaveLength(1);
    const huge = setUp({ bytes: 600_000_000 });
    await ((await huge.open({ begin: 0, end: 600_000_000 })) as ReadableStream).cancel();
    await huge.settle();
    expect(huge.opened).toHaveLength(1);
  });

  it("holds entries of one host apart from those of another", async () => {
    const here = setUp();
    await here.read();
    await here.settle();
    const there = { ...here.use, url: "https://other.example/" };
    await new Response(await throughEdgeCache(there, here.content)({ begin: 0, end: 5 })).arrayBuffer();
    expect(here.opened).toContainEqual({ begin: 0, end: 5 });
    await here.settle();
  });

  it("makes a text once", async () => {
    const { use, content, settle } = setUp();
    let made = 0;
    const make = async () => `${++made}: ä`;
    expect(await cachedText(use, content.key, make)).toBe("1: ä");
    await settle();
    expect(await cachedText(use, content.key, make)).toBe("1: ä");
    expect(await cachedText(use, `${content.key}/other`, make)).toBe("2: ä");
    await settle();
    await expect(cachedText(use, `${content.key}/broken`, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  });
});
