import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { JOB_REASONS, REASONS } from "../../shared/jobs/reasons.ts";
import { JOB_KINDS, jobSpec } from "../../shared/jobs/spec.ts";
import { EXIT_CODES } from "../../trainer/failure.ts";
import { parseCommand, shellWords } from "../support/parse-command.ts";
import { runHere } from "../support/run-command-line.ts";

const ROOT = join(import.meta.dirname, "../..");
const PAGE = "docs/jobs.md";
const page = await readFile(join(ROOT, PAGE), "utf8");
const blocks = (language: string) =>
  [...page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
    .filter(([, name]) => name === language)
    .map(([, , text = ""]) => text);
const shell = blocks("sh").flatMap((block) => block.trim().split("\n"));
/** Words after `edgefuse`, of each line that calls it or starts its container. */
const lines = shell
  .map((line) => /^(?:docker run .*? edgefuse|edgefuse) (.*)$/.exec(line)?.[1])
  .filter((words) => words !== undefined);
/** Rows of the table below a heading's line, cell by cell. */
const rows = (head: string) => {
  const [, body = ""] = new RegExp(`^\\| ${head} \\|.*\\n\\|[- |]+\\n((?:\\|.*\\n)+)`, "m").exec(page) ?? [];
  return body
    .trimEnd()
    .split("\n")
    .map((row) =>
      row
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
};

describe("docs/jobs.md", () => {
  it("gives command lines that edgefuse takes", async () => {
    expect(lines.length).toBeGreaterThan(10);
    for (const line of lines) await expect(parseCommand(shellWords(line)), line).resolves.toBeDefined();
  });

  it("gives actions of `jobs` and `token` with what goes with them", async () => {
    const refusing: typeof fetch = () =>
      Promise.resolve(Response.json({ code: "forbidden", title: "No", status: 403 }, { status: 403 }));
    const actions = lines.filter((line) => /^(jobs|token) /.test(line));
    expect(actions.length).toBeGreaterThanOrEqual(7);
    for (const line of actions) {
      const { code, stderr } = await runHere(shellWords(line), {
        environment: { EDGEFUSE_URL: "https://edgefuse.example.com", EDGEFUSE_TOKEN: "t" },
        fetch: refusing,
      });
      // As far as the deployment, or a file that is not here.
      expect([EXIT_CODES.refused.code, EXIT_CODES["bad-input"].code], `${line}: ${stderr}`).toContain(code);
    }
  });

  it("gives specs that a deployment takes, and names every kind", () => {
    const specs = blocks("json");
    expect(specs.map((text) => jobSpec.parse(JSON.parse(text)).kind)).toEqual(["train", "pipeline"]);
    expect(rows("kind").map(([kind]) => kind)).toEqual(expect.arrayContaining(JOB_KINDS.map((kind) => `\`${kind}\``)));
  });

  it("gives the defaults of specs as they are", () => {
    const parsed = jobSpec.parse({ version: 1, kind: "train" });
    const cells = new Map(rows("member of every spec").map(([member = "", fallback]) => [member, fallback]));
    expect(cells.get("`timeoutSeconds`")).toBe(`${parsed.timeoutSeconds / 3600} h`);
    expect(cells.get("`queueSeconds`")).toBe(`${parsed.queueSeconds / 3600} h`);
    expect(cells.get("`stopGraceSeconds`")).toBe(String(parsed.stopGraceSeconds));
    expect(cells.get("`retry.attempts`")).toBe(String(parsed.retry.attempts));
    expect(cells.get("`resources.backend`")).toBe(`\`${parsed.resources.backend}\``);
  });

  it("says of every reason what follows from it", () => {
    const said = new Map(rows("reason").map(([reason = "", ...cells]) => [reason.replaceAll("`", ""), cells]));
    expect([...said.keys()].sort()).toEqual([...JOB_REASONS].sort());
    for (const reason of JOB_REASONS) {
      const { state, exitCode, retryable, counted } = REASONS[reason];
      const again = state === "succeeded" ? "" : retryable ? (counted ? "yes" : "yes, uncounted") : "no";
      expect(said.get(reason)?.slice(0, 3), reason).toEqual([state, String(exitCode), again]);
    }
  });

  it("gives routes with the scopes that open them", async () => {
    const table = await readFile(join(ROOT, "worker/auth/route-scopes.ts"), "utf8");
    const scopes = new Map(
      [...table.matchAll(/^ {2}"([A-Z]+ \S+)": \[(.*)\],$/gm)].map(([, route = "", names = ""]) => [
        route,
        [...names.matchAll(/"(\w+)"/g)].map(([, name]) => name),
      ]),
    );
    const found: string[] = [];
    for (const [routes = "", given = ""] of rows("route")) {
      const said = [...given.matchAll(/`(\w+)`/g)].map(([, scope]) => scope);
      let method = "";
      for (const [, text = ""] of routes.matchAll(/`([^`]+)`/g)) {
        const [first = "", second] = text.split(" ");
        if (second !== undefined) method = first;
        const path = (second ?? first).replace(/^…(?:\/\{id\})?/, "/v1/jobs/{id}");
        expect(scopes.get(`${method} ${path}`), `${method} ${path}`).toEqual(expect.arrayContaining(said));
        found.push(`${method} ${path}`);
      }
    }
    const ours = [...scopes.keys()].filter((route) => /\/v1\/(jobs|queue)\b/.test(route));
    expect([...new Set(found)].sort()).toEqual(ours.sort());
  });

  it("names files and folders that are there", () => {
    for (const [, target = ""] of page.matchAll(/\]\(([^)#:]+)\)/g)) {
      expect(existsSync(join(ROOT, dirname(PAGE), target)), target).toBe(true);
    }
    for (const [path] of page.matchAll(/\binfra\/[a-z/-]+[A-Za-z.]*/g)) {
      expect(existsSync(join(ROOT, path.replace(/[.,]$/, ""))), path).toBe(true);
    }
  });

  it("never shows a token as an argument", () => {
    for (const line of shell) expect(line).not.toMatch(/ef_|TOKEN=|--token/);
  });
});
