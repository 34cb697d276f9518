import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CommandFiles } from "../../../infra/github-action/src/command-files.ts";
import { WorkflowCommands } from "../../../infra/github-action/src/workflow-commands.ts";
import { parseValues } from "../../support/action-world.ts";

function said(say: (commands: WorkflowCommands) => void): string {
  let log = "";
  say(new WorkflowCommands({ write: (text) => (log += text), randomText: () => "word" }));
  return log;
}

describe("workflow commands", () => {
  it("are one line each, with what would end them escaped", () => {
    expect(said((commands) => commands.error("50 %\r\nfailed: a,b"))).toBe("::error::50 %25%0D%0Afailed: a,b\n");
    expect(said((commands) => commands.warning("x", { title: "a:b,c%", file: "d\ne" }))).toBe(
      "::warning title=a%3Ab%2Cc%25,file=d%0Ae::x\n",
    );
  });

  it("mask each line of a secret, and never the empty one", () => {
    expect(said((commands) => commands.mask("one\ntwo\n\n"))).toBe("::add-mask::one\n::add-mask::two\n");
  });

  it("are not obeyed in what others wrote", () => {
    expect(said((commands) => commands.foreign(["::error::x", "plain"]))).toBe(
      "::stop-commands::word\n::error::x\nplain\n::word::\n",
    );
    expect(said((commands) => commands.foreign([]))).toBe("");
  });
});

describe("files of the runner", () => {
  it("keep every value as it is", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(
          fc.stringMatching(/^[a-z][a-z-]{0,9}$/),
          fc.string({ unit: fc.constantFrom("a", "<<", "\n", "ends-", "=") }),
        ),
        async (given) => {
          let text = "";
          let words = 0;
          const files = new CommandFiles({
            environment: { GITHUB_OUTPUT: "output" },
            appendFile: (_, more) => {
              text += more;
              return Promise.resolve();
            },
            randomText: () => `word-${++words}`,
          });
          await files.setOutputs(given);
          expect(parseValues(text)).toEqual({ ...given });
        },
      ),
    );
  });

  it("are left alone where the runner names none", async () => {
    const files = new CommandFiles({
      environment: {},
      appendFile: () => Promise.reject(new Error("written")),
      randomText: () => "word",
    });
    await files.setOutputs({ a: "b" });
    await files.saveState({ a: "b" });
    await files.addSummary("# x");
  });
});
