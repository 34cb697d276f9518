import { describe, expect, it } from "vitest";
import { barLine, ProgressBar } from "../../../trainer/command-line/progress-bar.ts";
import { makeTerminal } from "../../../trainer/command-line/terminal.ts";

describe("ProgressBar", () => {
  it("counts, and says how long it will take", () => {
    let [now, shown] = [0, ""];
    const stderr = { isTTY: true, columns: 100, write: (text: string) => (shown += text) };
    const bar = new ProgressBar(makeTerminal({ write: () => undefined }, stderr, {}, false), () => now);
    bar.begin("probing", 33);
    now = 3000;
    bar.advance(11);
    expect(shown).toBe("\r\u001B[2Kprobing  [#######             ]  11 of 33  0:06 left");
    now = 9000;
    bar.advance(22);
    bar.end();
    expect(shown).toMatch(/33 of 33 {2}done in 0:09\n$/);
  });

  it("has no rate where its unit has none", () => {
    expect(barLine("x", 2, undefined, 1)).toBe("x  2");
    expect(barLine("x", 2, undefined, 1, { amount: String, rate: (rate) => `${rate}/s` })).toBe("x  2  2/s");
  });
});
