import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Checksums } from "../../../trainer/data/checksum.ts";
import { downloadFile, type PublishedFile } from "../../../trainer/data/download.ts";

const content = new TextEncoder().encode("pretend that these are images");
const file: PublishedFile = {
  name: "images.gz",
  bytes: content.length,
  sha256: createHash("sha256").update(content).digest("hex"),
};

let directory: string;
const closers: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "edgefuse-download-"));
});

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  await rm(directory, { recursive: true });
});

/** A mirror on loopback; counts its requests. */
async function mirror(listener: RequestListener): Promise<{ url: string; requests: string[] }> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? "");
    listener(request, response);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  closers.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => {
      server.close(resolve);
    });
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/set/`, requests };
}

const good: RequestListener = (_, response) => void response.end(content);
const run = (mirrors: readonly string[]) => downloadFile({ file, mirrors, directory, fetch });

describe("downloadFile", () => {
  it("fetches once, then serves from the cache", async () => {
    const { url, requests } = await mirror(good);
    expect(await run([url])).toEqual(content);
    expect(await run([url])).toEqual(content);
    expect(requests).toEqual(["/set/images.gz"]);
    expect(await readdir(directory)).toEqual(["images.gz"]);
  });

  it("replaces a cached file that is not the published one", async () => {
    await writeFile(join(directory, file.name), "half of");
    const { url } = await mirror(good);
    expect(await run([url])).toEqual(content);
    expect(new Uint8Array(await readFile(join(directory, file.name)))).toEqual(content);
  });

  it("removes a cached file that is not the published one, and says so, even where it cannot be fetched anew", async () => {
    await writeFile(join(directory, file.name), content.toReversed());
    const { url } = await mirror((_, response) => void response.writeHead(503).end());
    const notes: string[] = [];
    const promise = downloadFile({ file, mirrors: [url], directory, fetch, notify: (message) => notes.push(message) });
    await expect(promise).rejects.toMatchObject({ kind: "unreachable" });
    expect(notes[0]).toMatch(/^removed .*images\.gz from the cache: it is not the published file \(SHA-256/);
    expect(await readdir(directory)).toEqual([]);
  });

  it("checks an MD5 where that is what was published, and both where both are known", async () => {
    const md5 = createHash("md5").update(content).digest("hex");
    const wrong = "0".repeat(32);
    const { url } = await mirror(good);
    const fetchWith = (checksums: Checksums) =>
      downloadFile({ file: { name: file.name, bytes: file.bytes, ...checksums }, mirrors: [url], directory, fetch });
    expect(await fetchWith({ md5 })).toEqual(content);
    expect(await fetchWith({ sha256: createHash("sha256").update(content).digest("hex"), md5 })).toEqual(content);
    for (const checksums of [
      { md5: wrong },
      { sha256: createHash("sha256").update(content).digest("hex"), md5: wrong },
    ]) {
      await expect(fetchWith(checksums)).rejects.toMatchObject({
        kind: "bad-input",
        message: expect.stringContaining(`MD5 ${md5}, not ${wrong}`),
      });
    }
    expect(await readdir(directory)).toEqual([]);
  });

  it("goes on to the next mirror", async () => {
    const broken = await mirror((_, response) => void response.writeHead(503).end());
    const { url, requests } = await mirror(good);
    expect(await run([broken.url, url])).toEqual(content);
    expect([broken.requests.length, requests.length]).toEqual([1, 1]);
  });

  it.each<[string, RequestListener, string, RegExp]>([
    [
      "another content",
      (_, r) => void r.end(content.toReversed()),
      "bad-input",
      /SHA-256 [0-9a-f]{64}, not [0-9a-f]{64}/,
    ],
    ["too little", (_, r) => void r.end(content.subarray(1)), "bad-input", /28 of 29 bytes/],
    ["too much", (_, r) => void r.end(Buffer.concat([content, content])), "bad-input", /more than the 29 bytes/],
    ["an error page", (_, r) => void r.writeHead(404).end("no"), "unreachable", /HTTP 404/],
    [
      "a connection that breaks",
      (_, r) => {
        r.writeHead(200, { "content-length": content.length });
        r.write(content.subarray(0, 5), () => r.destroy());
      },
      "unreachable",
      /127\.0\.0\.1/,
    ],
  ])("refuses %s in one line and caches nothing", async (_, listener, kind, message) => {
    const { url } = await mirror(listener);
    const error: unknown = await run([url]).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ name: "Failure", kind });
    expect(error).toHaveProperty("message", expect.stringMatching(message));
    expect(error).toHaveProperty(
      "message",
      expect.stringMatching(/^images\.gz could not be downloaded .*nothing was kept.*--data-dir\.$/),
    );
    expect(await readdir(directory)).toEqual([]);
  });

  it("says that nobody answers", async () => {
    const { url } = await mirror(good);
    for (const close of closers.splice(0)) await close();
    await expect(run([url])).rejects.toMatchObject({
      kind: "unreachable",
      message: expect.stringContaining("ECONNREFUSED"),
    });
  });

  it("stops when told to", async () => {
    const stop = new AbortController();
    const { url } = await mirror((_, response) => {
      response.writeHead(200).write("x");
      stop.abort(new Error("stopped by the test"));
    });
    const promise = downloadFile({ file, mirrors: [url, url], directory, fetch, signal: stop.signal });
    await expect(promise).rejects.toThrow("stopped by the test");
    expect(await readdir(directory)).toEqual([]);
  });
});
