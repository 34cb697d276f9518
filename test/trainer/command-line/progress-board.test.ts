import { describe, expect, it } from "vitest";
import { duration, ProgressBoard } from "../../../trainer/command-line/progress-board.ts";
import { makeTerminal } from "../../../trainer/command-line/terminal.ts";
import type { MemberProgress } from "../../../trainer/training/member-task.ts";

const at = (task: number, step: number): MemberProgress => ({
  task,
  label: "unused",
  epoch: Math.floor(step / 10),
  epochs: 2,
  step,
  steps: 20,
  loss: 0.5,
  learningRate: 0.1,
  validation: step < 10 ? undefined : { loss: 1, accuracy: 0.9312 },
  samplesPerSecond: 1234.5,
  secondsLeft: 65,
});

function makeBoard(interactive: boolean, columns = 200) {
  const written: string[] = [];
  const stderr = { isTTY: interactive, columns, write: (text: string) => written.push(text) };
  const terminal = makeTerminal({ write: () => undefined }, stderr, { NO_COLOR: "1" }, false);
  let now = 0;
  const board = new ProgressBoard(terminal, ["first", "second"], () => now);
  return { board, written, wait: (milliseconds: number) => void (now += milliseconds) };
}

describe("ProgressBoard", () => {
  it("writes whole lines where lines cannot be redrawn: every few seconds, and at the end", () => {
    const { board, written, wait } = makeBoard(false);
    for (let step = 1; step <= 20; step++) {
      board.update(at(0, step));
      wait(1000);
    }
    expect(written.map((line) => /step +(\d+)/.exec(line)?.[1])).toEqual(["1", "6", "11", "16", "20"]);
    expect(written[0]).toBe("first  epoch 1/2  step  1/20  loss 0.5000  accuracy      -  1235 samples/s  1:05 left\n");
    expect(written.at(-1)).toBe("first  epoch 2/2  step 20/20  loss 0.5000  accuracy 93.1 %  1235 samples/s  done\n");
    expect(written.join("")).not.toContain("\u001B");
  });

  it("redraws one line a model in place on a terminal, never wider than it", () => {
    const { board, written, wait } = makeBoard(true, 40);
    board.update(at(0, 1));
    wait(50);
    board.update(at(1, 1)); // too soon after the last drawing
    wait(100);
    board.update(at(1, 2));
    board.finish();
    expect(written[0]).toMatch(/^first {3}epoch.*\nsecond {2}waiting\n$/);
    expect(written[1]).toBe("\u001B[2A\u001B[0J");
    expect(written[2]).toMatch(/^first {3}.*\nsecond {2}epoch.*\n$/);
    for (const text of written) for (const line of text.split("\n")) expect(line.length).toBeLessThan(40);
    expect(written).toHaveLength(5);
  });

  it("writes durations as people do", () => {
    expect([7, 65, 3605, 36_000, Infinity].map(duration)).toEqual(["0:07", "1:05", "1:00:05", "10:00:00", "-:--"]);
  });
});

const styled = (isTTY: boolean, environment: Record<string, string>) =>
  makeTerminal({ isTTY, write: () => undefined }, { write: () => undefined }, environment, false).styles.red("x");

describe("makeTerminal", () => {
  it("colours terminals only, and never with NO_COLOR or TERM=dumb", () => {
    expect(styled(true, {})).toBe("\u001B[31mx\u001B[39m");
    expect(styled(false, {})).toBe("x");
    expect(styled(true, { NO_COLOR: "1" })).toBe("x");
    expect(styled(true, { TERM: "dumb" })).toBe("x");
  });
});
