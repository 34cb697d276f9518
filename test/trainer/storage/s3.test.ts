import type { S3Client } from "@aws-sdk/client-s3";
import { createHash } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { connectS3, etagOf, PART_SIZE, uploadObject, type UploadSource } from "../../../trainer/storage/s3.ts";
import { Failure } from "../../../trainer/failure.ts";
import { s3Settings } from "../../../trainer/storage/s3-settings.ts";
import { type Disturbance, type FakeS3, startFakeS3 } from "./fake-s3.ts";

const KEY = "checkpoints/abc.safetensors";
const PATH = `/bucket/${KEY}`;
const small = Uint8Array.from({ length: 1000 }, (_, index) => index % 251);
const large = Uint8Array.from({ length: 2 * PART_SIZE + 5 }, (_, index) => index % 241);

let fake: FakeS3;
let client: S3Client;

async function start(disturb?: (request: string) => Disturbance | undefined, attempts = 2): Promise<void> {
  fake = await startFakeS3(disturb);
  const environment = {
    EDGEFUSE_S3_ENDPOINT: fake.endpoint,
    EDGEFUSE_S3_BUCKET: "bucket",
    AWS_ACCESS_KEY_ID: "id",
    AWS_SECRET_ACCESS_KEY: "very-secret",
  };
  client = connectS3(s3Settings(environment), attempts);
}

const upload = (bytes: Uint8Array<ArrayBuffer>, signal?: AbortSignal) =>
  uploadObject(client, "bucket", KEY, bytes, { signal });

afterEach(async () => {
  client.destroy();
  await fake.close();
});

describe("uploadObject", () => {
  it("puts a small file, verified by MD5, and does not send it twice", async () => {
    await start();
    expect(await upload(small)).toBe("uploaded");
    expect(fake.objects.get(PATH)).toEqual(Buffer.from(small));
    expect(await upload(small)).toBe("exists");
    expect(fake.requests).toEqual([`HEAD ${PATH}`, `PUT ${PATH}`, `HEAD ${PATH}`, `HEAD ${PATH}`]);
  });

  it("sends a large file in equal parts", async () => {
    await start();
    const reported: number[] = [];
    const outcome = await uploadObject(client, "bucket", KEY, large, { onProgress: (bytes) => reported.push(bytes) });
    expect(outcome).toBe("uploaded");
    expect(fake.objects.get(PATH)?.equals(large)).toBe(true);
    expect(fake.requests.filter((request) => request.includes("partNumber"))).toHaveLength(3);
    expect(fake.openUploads.size).toBe(0);
    expect(Math.max(...reported)).toBe(large.length);
  });

  /** A file that notes what is read of it at a time. */
  function source(bytes: Uint8Array, reads: number[], checkUnchanged = async () => {}): UploadSource {
    const read = async (begin: number, end: number) => {
      reads.push(end - begin);
      return bytes.slice(begin, end);
    };
    return { bytes: bytes.length, read, checkUnchanged };
  }

  it.each([small, new Uint8Array(0), large, large.subarray(0, 2 * PART_SIZE)])(
    "reads a file part by part, each once, as it may be larger than memory",
    async (bytes) => {
      await start();
      const reads: number[] = [];
      expect(await uploadObject(client, "bucket", KEY, source(bytes, reads))).toBe("uploaded");
      expect(fake.objects.get(PATH)?.equals(bytes)).toBe(true);
      expect(reads).toHaveLength(Math.max(1, Math.ceil(bytes.length / PART_SIZE)));
      expect(Math.max(...reads)).toBeLessThanOrEqual(PART_SIZE);
    },
  );

  it.each([small, large])("leaves nothing of a file that was written to meanwhile", async (bytes) => {
    await start();
    const changed = source(bytes, [], () => Promise.reject(new Failure("bad-input", "it was written to")));
    await expect(uploadObject(client, "bucket", KEY, changed)).rejects.toMatchObject({
      kind: "bad-input",
      message: "it was written to",
    });
    expect([fake.objects.size, fake.openUploads.size]).toEqual([0, 0]);
  });

  it("sends again over an object of another size", async () => {
    await start();
    fake.objects.set(PATH, Buffer.from("half"));
    expect(await upload(small)).toBe("uploaded");
    expect(fake.objects.get(PATH)).toEqual(Buffer.from(small));
  });

  it("tries again after a hiccup", async () => {
    let failed = false;
    await start((request) => {
      if (!request.startsWith("PUT") || failed) return undefined;
      failed = true;
      return { status: 503, code: "SlowDown" };
    });
    expect(await upload(small)).toBe("uploaded");
    expect(fake.requests.filter((request) => request.startsWith("PUT"))).toHaveLength(2);
  });

  it.each<[string, Disturbance, string, RegExp]>([
    [
      "wrong credentials",
      { status: 403, code: "SignatureDoesNotMatch" },
      "refused",
      /bucket bucket refused .*403.*AWS_ACCESS_KEY_ID/,
    ],
    [
      "unknown credentials, as R2 puts it",
      { status: 401, code: "Unauthorized" },
      "refused",
      /401.*check AWS_ACCESS_KEY_ID/,
    ],
    [
      "no bucket",
      { status: 404, code: "NoSuchBucket" },
      "refused",
      /no bucket bucket at this endpoint.*EDGEFUSE_S3_BUCKET/,
    ],
    [
      "storage that is down",
      { status: 500, code: "InternalError" },
      "unreachable",
      /could not be uploaded.*500.*push again/,
    ],
    ["a full bucket", { status: 400, code: "QuotaExceeded" }, "refused", /refused .*400 QuotaExceeded/],
    ["a connection that breaks", { drop: true }, "unreachable", /could not be uploaded.*push again/],
  ])("says what to do about %s", async (_, disturbance, kind, message) => {
    await start((request) => (request.startsWith("PUT") ? disturbance : undefined));
    const error: unknown = await upload(small).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ name: "Failure", kind, message: expect.stringMatching(message) });
    expect(String(error)).not.toMatch(/very-secret|\n/);
  });

  it("knows refused credentials from a HEAD too, which has no body", async () => {
    await start(() => ({ status: 403 }));
    await expect(upload(small)).rejects.toMatchObject({
      kind: "refused",
      message: expect.stringMatching(/refused .*\(403 .*check AWS_ACCESS_KEY_ID/),
    });
  });

  it("says that nobody listens", async () => {
    await start();
    await fake.close();
    await expect(upload(small)).rejects.toMatchObject({
      kind: "unreachable",
      message: expect.stringContaining("ECONNREFUSED"),
    });
  });

  it("leaves no part behind when a part cannot be sent", async () => {
    await start((request) => (request.includes("partNumber") ? { status: 500 } : undefined), 1);
    await expect(upload(large)).rejects.toMatchObject({ kind: "unreachable" });
    expect(fake.openUploads.size).toBe(0);
    expect(fake.objects.size).toBe(0);
  });

  it("leaves no part behind when it is stopped", async () => {
    const stop = new AbortController();
    await start((request) => {
      if (request.includes("partNumber")) stop.abort(new Error("stopped by the test"));
      return undefined;
    });
    await expect(upload(large, stop.signal)).rejects.toThrow("stopped by the test");
    await expect.poll(() => fake.openUploads.size).toBe(0);
    expect(fake.objects.size).toBe(0);
  });

  it("notices that the bucket holds something else", async () => {
    await start();
    const damaged = fake.objects;
    const set = damaged.set.bind(damaged);
    damaged.set = (key, bytes) => set(key, bytes.subarray(1));
    await expect(upload(small)).rejects.toMatchObject({
      kind: "unreachable",
      message: expect.stringMatching(/stored object has 999 bytes after uploading 1000/),
    });
  });
});

describe("etagOf", () => {
  it("follows S3: MD5 of the file, or of the parts' MD5s", async () => {
    await start();
    const empty = Buffer.from("d41d8cd98f00b204e9800998ecf8427e", "hex");
    expect(etagOf([empty])).toBe("d41d8cd98f00b204e9800998ecf8427e");
    const both = createHash("md5").update(empty).update(empty).digest("hex");
    expect(etagOf([empty, empty])).toBe(`${both}-2`);
  });
});

describe("s3Settings", () => {
  it("names what is missing, and never a secret", async () => {
    await start();
    expect(() => s3Settings({ AWS_SECRET_ACCESS_KEY: "very-secret" })).toThrow(
      "Set EDGEFUSE_S3_ENDPOINT, EDGEFUSE_S3_BUCKET, AWS_ACCESS_KEY_ID in the environment; see edgefuse push --help.",
    );
    expect(() =>
      s3Settings({
        EDGEFUSE_S3_ENDPOINT: "r2",
        EDGEFUSE_S3_BUCKET: "b",
        AWS_ACCESS_KEY_ID: "i",
        AWS_SECRET_ACCESS_KEY: "s",
      }),
    ).toThrow(/EDGEFUSE_S3_ENDPOINT is "r2"; it is an http\(s\) URL/);
  });
});
