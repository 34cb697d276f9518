import { describe, expect, it } from "vitest";
import { workerAccess } from "../../../trainer/remote/connect.ts";
import { registerCheckpoint } from "../../../trainer/storage/register.ts";

const ID = "0123456789abcdef".repeat(4);
const access = { url: "https://fuse.example/base", token: "secret-token" };

/** A fetch that answers from a list and remembers what it was asked. */
function scripted(...answers: (Response | Error)[]) {
  const requests: Request[] = [];
  const script = (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    requests.push(new Request(input, init));
    const next = answers.shift();
    if (next === undefined) throw new Error("asked once too often");
    return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
  };
  return { fetch: script as typeof fetch, requests };
}

const problem = (status: number, code: string, detail: string) =>
  Response.json(
    { type: "about:blank", title: "x", status, code, detail },
    { status, headers: { "content-type": "application/problem+json" } },
  );

const down = () => new TypeError("fetch failed", { cause: Object.assign(new Error("x"), { code: "ECONNREFUSED" }) });

describe("registerCheckpoint", () => {
  it("posts the key with the token and says whether the worker knew it", async () => {
    for (const [status, known] of [
      [201, false],
      [200, true],
    ] as const) {
      const { fetch, requests } = scripted(Response.json({ id: ID, more: 1 }, { status }));
      expect(await registerCheckpoint(access, "checkpoints/x", { fetch })).toEqual({ id: ID, known });
      const [request] = requests;
      expect(request?.url).toBe("https://fuse.example/base/v1/checkpoints");
      expect(request?.headers.get("authorization")).toBe("Bearer secret-token");
      expect(await request?.json()).toEqual({ key: "checkpoints/x" });
    }
  });

  it("asks again where nobody answers or the worker is busy", async () => {
    const { fetch, requests } = scripted(
      new TypeError("fetch failed", { cause: Object.assign(new Error("x"), { code: "ECONNRESET" }) }),
      problem(503, "over-budget", "Busy."),
      Response.json({ id: ID }, { status: 201 }),
    );
    expect(await registerCheckpoint(access, "k", { fetch, longestWait: 1 })).toEqual({ id: ID, known: false });
    expect(requests).toHaveLength(3);
  });

  it.each<[number, string, string]>([
    [401, "unauthorized", "refused"],
    [403, "forbidden", "refused"],
    [404, "object-not-found", "refused"],
    [422, "digest-mismatch", "bad-input"],
  ])("passes on at once why the worker refuses (%d %s)", async (status, code, kind) => {
    const { fetch, requests } = scripted(problem(status, code, "Because."));
    const error: unknown = await registerCheckpoint(access, "k", { fetch, longestWait: 1 }).catch(
      (caught: unknown) => caught,
    );
    expect(error).toMatchObject({ kind, message: expect.stringContaining(`Because. (${code})`) });
    expect(String(error)).not.toContain("secret-token");
    expect(requests).toHaveLength(1);
  });

  it("gives up after a few tries", async () => {
    const { fetch } = scripted(down(), down(), down(), down());
    await expect(registerCheckpoint(access, "k", { fetch, longestWait: 1 })).rejects.toMatchObject({
      kind: "unreachable",
      message: "The worker at https://fuse.example does not answer (ECONNREFUSED); check EDGEFUSE_URL.",
    });
  });

  it("does not take any web page for a worker", async () => {
    const { fetch } = scripted(new Response("<html>"));
    await expect(registerCheckpoint(access, "k", { fetch })).rejects.toMatchObject({
      kind: "refused",
      message: expect.stringContaining("is it an edgefuse worker?"),
    });
  });
});

describe("workerAccess", () => {
  it("names what is missing", () => {
    expect(() => workerAccess({})).toThrow(/Set EDGEFUSE_URL, EDGEFUSE_TOKEN/);
    expect(() => workerAccess({ EDGEFUSE_URL: "ftp://x", EDGEFUSE_TOKEN: "t" })).toThrow(/EDGEFUSE_URL is "ftp:\/\/x"/);
  });
});
