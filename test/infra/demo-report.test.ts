import { describe, expect, it } from "vitest";
import { commandsText, type DemoRow, demoTable } from "../../infra/demo/report.ts";

const row = (fixedRatio: number, accuracyBarrier: number, gate: DemoRow["gate"]): DemoRow => ({
  fixedRatio,
  accuracies: [0.95, 0.96],
  fusedAccuracy: 0.95 - accuracyBarrier,
  accuracyBarrier,
  lossBarrier: 10 * accuracyBarrier,
  alignment: fixedRatio === 0 ? "no mask" : "verified",
  gate,
  alias: "demo/x",
  parents: ["a", "b"],
  model: "m",
  probe: "p",
  points: [],
});

describe("the demo's table", () => {
  it("says of each ratio what its gate published", () => {
    const rows = [row(0.8, 0.001, "published"), row(0, 0.4, "refused"), row(0.8, 0.03, "refused")];
    const lines = demoTable({ rows, pairs: 2, allowed: 0.02 }).split("\n");
    expect(lines[0]).toMatch(/alignment +gate at 2\.0 points$/);
    expect(lines[2]).toMatch(/^none .* 40\.0 points .* no mask +refused$/);
    expect(lines[3]).toMatch(/^80 % .* verified +1 of 2 published$/);
    expect(demoTable({ rows: rows.slice(0, 1), pairs: 1, allowed: 0.02 })).toMatch(/verified +published$/);
  });

  it("shows command lines with their exit codes", () => {
    const text = commandsText([{ line: "edgefuse fuse", exitCode: 9, output: ["gate refused"] }]);
    expect(text).toBe("$ edgefuse fuse\n  gate refused\n  exit code 9");
  });
});
