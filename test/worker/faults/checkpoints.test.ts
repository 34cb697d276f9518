import { beforeAll, describe, expect, it, vi } from "vitest";
import { f32Checkpoint } from "../../support/checkpoint-files.ts";
import { bindings, migrate } from "../migrations.ts";
import { fresh, freshFile, freshLargeFile, freshShard, uploaded } from "./files.ts";
import { failEveryCall, type Prepared } from "./scenario.ts";
import { type Answer, ask, digestOf, healthy, reprDigest, succeed } from "./world.ts";

// Some hundred requests a test, each a few milliseconds on a machine that has nothing else to do.
vi.setConfig({ testTimeout: 300_000 });
beforeAll(migrate);

/** The file is registered, and served as it was sent. */
async function expectServed({ bytes }: Answer, file: Uint8Array<ArrayBuffer>): Promise<void> {
  const { id } = JSON.parse(new TextDecoder().decode(bytes)) as { id: string };
  expect(id).toBe(await digestOf(file));
  const served = await ask(healthy, { method: "GET", path: `/v1/checkpoints/${id}/model.safetensors` });
  expect([served.status, await digestOf(served.bytes ?? new Uint8Array())]).toEqual([200, id]);
}

const posted = (file: Uint8Array<ArrayBuffer>, headers = {}, stream = false): Prepared => ({
  request: { method: "POST", path: "/v1/checkpoints", body: file, headers, stream },
  verify: (answer) => expectServed(answer, file),
});

const registered = (key: string, file: Uint8Array<ArrayBuffer>): Prepared => ({
  request: { method: "POST", path: "/v1/checkpoints", body: { key } },
  // What was put there through S3 is gone where the request got so far; a client then puts it once more.
  retry: async () => {
    if ((await bindings.BUCKET.head(key)) === null) await bindings.BUCKET.put(key, file);
    return { method: "POST", path: "/v1/checkpoints", body: { key } };
  },
  verify: (answer) => expectServed(answer, file),
});

describe("whichever call to R2 or D1 fails, a retry succeeds and nothing is left over, while", () => {
  it("a small checkpoint is uploaded", async () => {
    await failEveryCall({ prepare: async () => posted(freshFile()) });
  });

  it("a small checkpoint with an announced digest is uploaded", async () => {
    await failEveryCall({
      prepare: async () => {
        const file = freshFile();
        return posted(file, { "repr-digest": await reprDigest(file) });
      },
    });
  });

  it("a checkpoint that was uploaded before is uploaded again", async () => {
    await failEveryCall({
      prepare: async () => {
        const file = freshFile();
        await uploaded(file);
        return posted(file);
      },
    });
  });

  it("a large checkpoint of unknown length is uploaded", async () => {
    await failEveryCall({ prepare: async () => posted(freshLargeFile(), {}, true) });
  });

  it("a large checkpoint with an announced digest is uploaded", async () => {
    await failEveryCall({
      prepare: async () => {
        const file = freshLargeFile();
        return posted(file, { "repr-digest": await reprDigest(file) });
      },
    });
  });

  it("an object below incoming/ is registered", async () => {
    await failEveryCall({
      prepare: async () => {
        const file = freshFile();
        const key = `incoming/${fresh()}.safetensors`;
        await bindings.BUCKET.put(key, file);
        return registered(key, file);
      },
    });
  });

  it("an object under its canonical key is registered", async () => {
    const files: string[] = [];
    await failEveryCall({
      prepare: async () => {
        // Of an earlier round that was not registered: what an S3 client has put there is its own until then.
        const file = freshFile();
        const key = `checkpoints/${await digestOf(file)}.safetensors`;
        await bindings.BUCKET.put(key, file);
        files.push(key);
        return registered(key, file);
      },
      mayHold: (key) => files.includes(key),
    });
  });

  it("a sharded checkpoint is registered", async () => {
    await failEveryCall({
      prepare: async () => {
        const files: Record<string, string> = {};
        const weightMap: Record<string, string> = {};
        for (const part of [1, 2]) {
          const name = `model-0000${part}-of-00002.safetensors`;
          files[name] = await uploaded(f32Checkpoint({ [`w${part}`]: [fresh()] }));
          weightMap[`w${part}`] = name;
        }
        const index = { metadata: { total_size: 8 }, weight_map: weightMap };
        return {
          request: { method: "POST", path: "/v1/checkpoints", body: { index, shards: files } },
          verify: async ({ bytes }) => {
            const { id } = JSON.parse(new TextDecoder().decode(bytes)) as { id: string };
            const path = `/v1/checkpoints/${id}/model.safetensors`;
            expect((await ask(healthy, { method: "GET", path })).bytes?.length).toBeGreaterThan(8);
          },
        };
      },
    });
  });

  it("a checkpoint is described and read", async () => {
    for (const file of ["", "/model.safetensors"]) {
      await failEveryCall({
        prepare: async () => {
          const bytes = freshFile();
          const path = `/v1/checkpoints/${await uploaded(bytes)}${file}`;
          return {
            request: { method: "GET", path },
            verify: async (answer) => {
              if (file !== "") expect(answer.bytes).toEqual(bytes);
            },
          };
        },
      });
    }
  });

  it("a shard is uploaded, and a data set made of it", async () => {
    await failEveryCall({
      prepare: async () => {
        const shard = freshShard();
        return {
          request: { method: "POST", path: "/v1/shards", body: shard },
          verify: async ({ bytes }) => {
            const { id } = JSON.parse(new TextDecoder().decode(bytes)) as { id: string };
            const path = `/v1/shards/${id}/shard.safetensors`;
            expect((await ask(healthy, { method: "GET", path })).bytes).toEqual(shard);
          },
        };
      },
    });
    await failEveryCall({
      prepare: async () => {
        const { id } = await succeed<{ id: string }>({ method: "POST", path: "/v1/shards", body: freshShard() });
        const path = `/v1/datasets/faults-${fresh()}`;
        return {
          request: { method: "PUT", path, body: { shards: [id] } },
          verify: async () => {
            expect(await succeed({ method: "GET", path })).toMatchObject({ version: 1, shards: [id] });
          },
        };
      },
    });
  });
});
