import { describe, expect, it } from "vitest";
import { runHere } from "../../support/run-command-line.ts";

const ID = "0b9c2f6e-6f0e-4a53-9d0a-2f1c8f2f7a10";

/** `edgefuse token` at a worker that notes what it is asked, and knows of no token. */
async function runToken(...words: readonly string[]) {
  const bodies: unknown[] = [];
  const ended = await runHere(["token", ...words], {
    environment: { EDGEFUSE_URL: "http://host.example", EDGEFUSE_TOKEN: "admin" },
    fetch: async (input, init) => {
      bodies.push(await new Request(input, init).json().catch(() => undefined));
      return Response.json({ title: "no", status: 403, code: "insufficient-scope", detail: "no" }, { status: 403 });
    },
  });
  return { ...ended, bodies };
}

describe("edgefuse token", () => {
  it.each<[string[], string]>([
    [["list", "--expires", "30d"], "--expires does not go with token list."],
    [["list", "--expires", "never"], "--expires does not go with token list."],
    [["list", "--name", "ci"], "--name does not go with token list."],
    [["list", "--scope", "read"], "--scope does not go with token list."],
    [["revoke", ID, "--all"], "--all does not go with token revoke."],
    [["revoke", ID, "--expires", "1h"], "--expires does not go with token revoke."],
    [["create", "--name", "ci", "--scope", "read", "--all"], "--all does not go with token create."],
  ])("refuses an option that does not go with what it does (%j)", async (words, message) => {
    const { code, stderr, bodies } = await runToken(...words);
    expect({ code, stderr, bodies }).toEqual({
      code: 2,
      stderr: `edgefuse: ${message} See edgefuse token --help.\n`,
      bodies: [],
    });
  });

  it.each<[string[], number | null]>([
    [[], 90 * 86_400],
    [["--expires", "12h"], 12 * 3600],
    [["--expires", "never"], null],
  ])("asks for tokens that end, unless it is said otherwise (%j)", async (words, expiresIn) => {
    const { code, bodies } = await runToken("create", "--name", "ci", "--scope", "read", ...words);
    expect(code).toBe(4);
    expect(bodies).toEqual([{ name: "ci", scopes: ["read"], expiresIn }]);
  });
});
