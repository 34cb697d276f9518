import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { problem } from "../../support/scripted-client.ts";
import { runHere } from "../../support/run-command-line.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "edgefuse-agent-command-"));
});
afterEach(() => rm(folder, { recursive: true }));

const environment = { EDGEFUSE_URL: "http://host.example", EDGEFUSE_TOKEN: "t" };

async function agent(words: readonly string[], answer: () => Response = () => new Response(null, { status: 204 })) {
  const asked: { line: string; body: unknown; headers: Headers }[] = [];
  const answering: typeof fetch = async (input, init) => {
    const { origin, pathname } = new URL(String(input));
    const body = JSON.parse(typeof init?.body === "string" ? init.body : "null") as unknown;
    asked.push({ line: `${init?.method} ${origin}${pathname}`, body, headers: new Headers(init?.headers) });
    return answer();
  };
  const ended = await runHere(["agent", "--backend", "wasm", ...words], { environment, fetch: answering });
  return { ...ended, asked };
}

describe("edgefuse agent", () => {
  it("says what it can do, and goes where there is nothing to do", async () => {
    const words = ["--max-idle", "1s", "--label", "gpu", "--label", "team-a", "--label", "gpu", "--name", "box:1"];
    const { code, asked, json } = await agent([...words, "--url", "http://other.example", "--json"]);
    expect(code).toBe(0);
    expect(asked[0]?.line).toBe("POST http://other.example/v1/jobs/claim");
    expect(asked[0]?.body).toEqual({
      agent: "box:1",
      capabilities: {
        ...{ kinds: ["train", "experiment"], backends: ["wasm"], labels: ["gpu", "team-a"] },
        memoryBytes: expect.any(Number) as number,
      },
    });
    expect(asked[0]?.headers.get("authorization")).toBe("Bearer t");
    expect(json()).toEqual([{ event: "ended", agent: "box:1", jobs: [] }]);
  });

  it("has a name of its own where none is given", async () => {
    const names = new Set<unknown>();
    for (let run = 0; run < 2; run++) {
      const { asked } = await agent(["--max-idle", "1s"]);
      names.add((asked[0]?.body as { agent: string } | undefined)?.agent);
    }
    expect(names.size).toBe(2);
  });

  it("removes what a former life of it left, and nothing else", async () => {
    const left = join(folder, "box", "01J8ZQ4M6X0000000000000000-3");
    const other = join(folder, "other", "01J8ZQ4M6X0000000000000000-4");
    const mine = join(folder, "box", "mine");
    for (const path of [left, other, mine]) await mkdir(path, { recursive: true });
    await agent(["--max-idle", "1s", "--name", "box", "--work-dir", folder]);
    expect(await readdir(join(folder, "box"))).toEqual(["mine"]);
    expect(await readdir(join(folder, "other"))).toHaveLength(1);
  });

  it.each<[string, string[], RegExp]>([
    ["a name with a slash", ["--name", "a/b"], /--name: 1 to 100 of letters/],
    ["a label with a blank", ["--label", "a b"], /--label "a b" is not valid/],
    ["a time that is none", ["--max-idle", "soon"], /a time such as 90s, 10m or 2h/],
    ["a dataset that is none", ["--data", "minst=x"], /a dataset and its folder/],
  ])("refuses %s", async (_, words, message) => {
    const ended = await agent(words);
    expect(ended).toMatchObject({ code: 2, stdout: "", stderr: expect.stringMatching(message) });
    expect(ended.asked).toEqual([]);
  });

  it("ends where the deployment refuses it, or never answers", async () => {
    const refused = await agent([], () => problem(403, "insufficient-scope"));
    expect(refused).toMatchObject({ code: 4, stderr: expect.stringContaining("did not give out jobs") });
    const alone = await agent(["--max-idle", "1s"], () => {
      throw new TypeError("fetch failed", { cause: new Error("down") });
    });
    expect(alone).toMatchObject({ code: 5, stderr: expect.stringContaining("did not answer") });
  });

  it("needs a token, from the environment alone", async () => {
    const { code, stderr } = await runHere(["agent"], { environment: { EDGEFUSE_URL: "http://host.example" } });
    expect([code, stderr]).toEqual([2, expect.stringContaining("Set EDGEFUSE_TOKEN in the environment")]);
  });
});
