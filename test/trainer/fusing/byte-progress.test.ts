import { describe, expect, it } from "vitest";
import { makeTerminal } from "../../../trainer/command-line/terminal.ts";
import { ByteProgress, byteSize, progressLine } from "../../../trainer/fusing/byte-progress.ts";

function setUp(isTTY: boolean) {
  let [now, shown] = [0, ""];
  const stderr = { isTTY, columns: 100, write: (text: string) => (shown += text) };
  const terminal = makeTerminal({ write: () => undefined }, stderr, {}, false);
  const progress = new ByteProgress(terminal, () => now);
  return { progress, pass: (milliseconds: number) => (now += milliseconds), shown: () => shown };
}

describe("ByteProgress", () => {
  it("says nothing about work of less than two seconds", () => {
    const { progress, pass, shown } = setUp(true);
    progress.begin("fusing", 1000);
    pass(1999);
    progress.advance(1000);
    progress.end();
    expect(shown()).toBe("");
  });

  it("redraws one line on a terminal, and leaves its last state", () => {
    const { progress, pass, shown } = setUp(true);
    progress.begin("fusing", 4_000_000);
    pass(2000);
    progress.advance(1_000_000);
    expect(shown()).toBe("\r\u001B[2Kfusing  [#####               ]  1.0 MB of 4.0 MB  500.0 kB/s  0:06 left");
    pass(50);
    progress.advance(1_000_000); // too soon to redraw
    pass(1950);
    progress.advance(2_000_000);
    progress.end();
    expect(shown().split("\r")).toHaveLength(4);
    expect(shown()).toMatch(/4\.0 MB of 4\.0 MB {2}1\.0 MB\/s {2}done in 0:04\n$/);
  });

  it("writes a line every five seconds to a log", () => {
    const { progress, pass, shown } = setUp(false);
    progress.begin("measuring");
    for (let second = 0; second < 12; second++) {
      pass(1000);
      progress.advance(2_000_000);
    }
    progress.end();
    expect(shown().split("\n")).toEqual([
      "measuring  4.0 MB  2.0 MB/s",
      "measuring  14.0 MB  2.0 MB/s",
      "measuring  24.0 MB  2.0 MB/s",
      "",
    ]);
  });

  it("does not know the time left where nothing has come", () => {
    expect(progressLine("x", 0, 10, 0)).toContain("-:-- left");
    expect(progressLine("x", 0, 0, 1)).toContain("[####################]");
  });
});

it("writes sizes in powers of 1000", () => {
  expect([0, 999, 1000, 999_949, 999_950, 2 ** 31, 1e16].map(byteSize)).toEqual([
    "0 B",
    "999 B",
    "1.0 kB",
    "999.9 kB",
    "1.0 MB",
    "2.1 GB",
    "10000.0 TB",
  ]);
});
