import { describe, expect, it } from "vitest";
import { KeyedTurns, Turns } from "../../../worker/engine/turns.ts";

const never = new Promise<never>(() => undefined);

describe("turns", () => {
  it("run one at a time, in order, also after a failure", async () => {
    const turns = new Turns(10_000);
    const trace: string[] = [];
    const work = (name: string, fails = false) =>
      turns.run(async () => {
        trace.push(`${name} begins`);
        await new Promise((resolve) => setTimeout(resolve, 1));
        trace.push(`${name} ends`);
        if (fails) throw new Error(name);
        return name;
      });
    const results = await Promise.allSettled([work("a"), work("b", true), work("c")]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(trace).toEqual(["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
  });

  it("are not lost with a holder that never comes back", async () => {
    const turns = new Turns(5);
    void turns.run(() => never);
    await expect(turns.run(async () => "too early")).rejects.toMatchObject({ code: "over-budget" });
    expect(await turns.run(async () => "served")).toBe("served");
  });

  it("of different keys do not wait for each other", async () => {
    const turns = new KeyedTurns<string>(5);
    void turns.run("a", () => never);
    expect(await turns.run("b", async () => 1)).toBe(1);
    await expect(turns.run("a", async () => 1)).rejects.toMatchObject({ code: "over-budget" });
  });
});
