import { beforeAll, describe, expect, it, vi } from "vitest";
import { bindings, migrate } from "../migrations.ts";
import { fresh, freshFile, freshFusion, freshLargeFile, freshModel, freshShard, uploaded } from "./files.ts";
import { failEveryCall, type Prepared } from "./scenario.ts";
import { type Answer, type Ask, ask, digestOf, healthy, succeed } from "./world.ts";

// Some hundred requests a test, each a few milliseconds on a machine that has nothing else to do.
vi.setConfig({ testTimeout: 300_000 });
beforeAll(migrate);

const textOf = ({ bytes }: Answer) => new TextDecoder().decode(bytes);

interface Alias {
  readonly version: number;
  readonly model: string;
}

/** An alias of a fresh model, in version 1. */
async function freshAlias() {
  const first = await freshFusion();
  const path = `/v1/aliases/faults-${fresh()}`;
  await succeed({ method: "PUT", path, body: { model: first.id } });
  return { path, first };
}

/** Where the first request got through and only its answer was lost, a retry finds what it wanted to bring about. */
const orLook =
  (request: Ask, path: string, isDone: (alias: Alias | undefined) => boolean) => async (): Promise<Ask> => {
    const answer = await ask(healthy, { method: "GET", path });
    const alias = answer.status === 200 ? (JSON.parse(textOf(answer)) as Alias) : undefined;
    return isDone(alias) ? { method: "GET", path: `${path}/history` } : request;
  };

describe("whichever call to R2 or D1 fails, a retry succeeds and nothing is left over, while", () => {
  it("an alias is made", async () => {
    await failEveryCall({
      prepare: async () => {
        const { id } = await freshFusion();
        const path = `/v1/aliases/faults-${fresh()}`;
        const request = { method: "PUT", path, body: { model: id } };
        return {
          request,
          retry: orLook(request, path, (alias) => alias?.model === id),
          verify: async () => {
            expect(await succeed({ method: "GET", path })).toMatchObject({ version: 1, model: id });
          },
        };
      },
    });
  });

  it("an alias is moved", async () => {
    await failEveryCall({
      prepare: async () => {
        const { path } = await freshAlias();
        const { id } = await freshFusion();
        const request = { method: "PUT", path, headers: { "if-match": '"v1"' }, body: { model: id } };
        return {
          request,
          retry: orLook(request, path, (alias) => alias?.model === id),
          verify: async () => {
            expect(await succeed({ method: "GET", path })).toMatchObject({ version: 2, model: id });
          },
        };
      },
    });
  });

  it("an alias is rolled back", async () => {
    await failEveryCall({
      prepare: async () => {
        const { path, first } = await freshAlias();
        const { id } = await freshFusion();
        await succeed({ method: "PUT", path, headers: { "if-match": '"v1"' }, body: { model: id } });
        const request = { method: "POST", path: `${path}/rollback`, headers: { "if-match": '"v2"' }, body: {} };
        return {
          request,
          retry: orLook(request, path, (alias) => alias?.version === 3),
          verify: async () => {
            expect(await succeed({ method: "GET", path })).toMatchObject({ version: 3, model: first.id });
          },
        };
      },
    });
  });

  it("an alias is deleted", async () => {
    await failEveryCall({
      prepare: async () => {
        const { path } = await freshAlias();
        const request = { method: "DELETE", path, headers: { "if-match": '"v1"' } };
        return {
          request,
          retry: orLook(request, path, (alias) => alias === undefined),
          verify: async () => expect((await ask(healthy, { method: "GET", path })).status).toBe(404),
        };
      },
    });
  });

  it("a model is read by its alias", async () => {
    await failEveryCall({
      prepare: async () => {
        const { path, first } = await freshAlias();
        const name = path.split("/").at(-1);
        return {
          request: { method: "GET", path: `/models/@${name}/model.safetensors` },
          verify: async ({ headers }) =>
            expect(headers.get("location")).toContain(`/models/${first.id}/model.safetensors`),
        };
      },
    });
  });

  it("a token is made and revoked", async () => {
    const body = { name: "faults", scopes: ["read"] };
    await failEveryCall({
      prepare: async () => ({
        request: { method: "POST", path: "/v1/tokens", body },
        verify: async (answer) => {
          const { token } = JSON.parse(textOf(answer)) as { token: string };
          const headers = { authorization: `Bearer ${token}` };
          expect((await ask(healthy, { method: "GET", path: "/v1/checkpoints", headers })).status).toBe(200);
        },
      }),
    });
    await failEveryCall({
      prepare: async () => {
        const { id, token } = await succeed<{ id: string; token: string }>({
          method: "POST",
          path: "/v1/tokens",
          body,
        });
        return {
          request: { method: "DELETE", path: `/v1/tokens/${id}` },
          verify: async () => {
            const headers = { authorization: `Bearer ${token}` };
            expect((await ask(healthy, { method: "GET", path: "/v1/checkpoints", headers })).status).toBe(401);
          },
        };
      },
    });
  });

  it("a probe is answered", async () => {
    await failEveryCall({
      prepare: async () => {
        const [a, b] = [await uploaded(freshModel()), await uploaded(freshModel())];
        const { id } = await succeed<{ id: string }>({ method: "POST", path: "/v1/shards", body: freshShard() });
        return {
          request: { method: "POST", path: "/v1/probes", body: { a, b, shards: [id], points: 3 } },
          verify: async (answer) => {
            const probe = JSON.parse(textOf(answer)) as { id: string; points: unknown[] };
            expect(probe.points).toHaveLength(3);
            const chart = await ask(healthy, { method: "GET", path: `/v1/probes/${probe.id}/barrier.svg` });
            expect([chart.status, textOf(chart)]).toEqual([200, expect.stringContaining("<svg")]);
          },
        };
      },
    });
  });
});

/** A deletion. Asked for again, it comes to its end; where it had come there, there is nothing to delete. */
const deletion = (path: string, page = path): Prepared => ({
  request: { method: "DELETE", path },
  retry: async () => {
    expect([204, 404]).toContain((await ask(healthy, { method: "DELETE", path })).status);
    return { method: "GET", path: "/healthz" };
  },
  verify: async () => {
    expect((await ask(healthy, { method: "GET", path: page })).status).toBe(404);
    // Nothing is left half-way either.
    expect((await bindings.CATALOG.prepare("SELECT key FROM deletions").all()).results).toEqual([]);
  },
});

describe("whichever call to R2 or D1 fails, deleting comes to its end when it is asked for again:", () => {
  it("a checkpoint", async () => {
    await failEveryCall({ prepare: async () => deletion(`/v1/checkpoints/${await uploaded(freshFile())}`) });
  });

  it("a model", async () => {
    await failEveryCall({
      prepare: async () => {
        const { id } = await freshFusion();
        return deletion(`/v1/models/${id}`, `/v1/fusions/${id}`);
      },
    });
  });

  it("a shard", async () => {
    await failEveryCall({
      prepare: async () => {
        const { id } = await succeed<{ id: string }>({ method: "POST", path: "/v1/shards", body: freshShard() });
        return deletion(`/v1/shards/${id}`);
      },
    });
  });
});

interface Upload {
  readonly id: string;
  readonly partBytes: number;
  readonly parts: number;
}

/** An upload of a file of two parts, of which so many are there. */
async function freshUpload(sent: number) {
  const file = freshLargeFile();
  const upload = await succeed<Upload>({
    method: "POST",
    path: "/v1/uploads",
    body: { kind: "checkpoint", bytes: file.length },
  });
  const part = (number: number): Ask => ({
    method: "PUT",
    path: `/v1/uploads/${upload.id}/parts/${number}`,
    body: file.slice((number - 1) * upload.partBytes, number * upload.partBytes),
  });
  for (let number = 1; number <= sent; number++) await succeed(part(number));
  return { file, part, ...upload, path: `/v1/uploads/${upload.id}` };
}

describe("whichever call to R2 or D1 fails, an upload in parts goes on, while", () => {
  it("it is begun", async () => {
    await failEveryCall({
      prepare: async () => ({
        request: { method: "POST", path: "/v1/uploads", body: { kind: "checkpoint", bytes: 9_000_000 } },
        verify: async (answer) => {
          const { id } = JSON.parse(textOf(answer)) as Upload;
          expect(await succeed({ method: "GET", path: `/v1/uploads/${id}` })).toMatchObject({ received: [] });
          await succeed({ method: "DELETE", path: `/v1/uploads/${id}` });
        },
      }),
    });
  });

  it("a part is sent", async () => {
    await failEveryCall({
      prepare: async () => {
        const { part, path } = await freshUpload(1);
        return {
          request: part(2),
          verify: async () => {
            expect(await succeed({ method: "GET", path })).toMatchObject({
              received: [{ number: 1 }, { number: 2 }],
            });
            await succeed({ method: "DELETE", path });
          },
        };
      },
    });
  });

  it("it is completed", async () => {
    await failEveryCall({
      prepare: async () => {
        const { file, parts, path } = await freshUpload(2);
        expect(parts).toBe(2);
        return {
          request: { method: "POST", path: `${path}/complete`, body: {} },
          verify: async () => {
            const id = await digestOf(file);
            const served = await ask(healthy, { method: "GET", path: `/v1/checkpoints/${id}/model.safetensors` });
            expect(await digestOf(served.bytes ?? new Uint8Array())).toBe(id);
          },
        };
      },
    });
  });

  it("it is given up", async () => {
    await failEveryCall({
      prepare: async () => {
        const { path } = await freshUpload(1);
        return {
          request: { method: "DELETE", path },
          retry: async () => {
            const { status } = await ask(healthy, { method: "GET", path });
            return status === 404 ? { method: "GET", path: "/healthz" } : { method: "DELETE", path };
          },
          verify: async () => expect((await ask(healthy, { method: "GET", path })).status).toBe(404),
        };
      },
    });
  });
});
