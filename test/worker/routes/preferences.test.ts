import { describe, expect, it } from "vitest";
import { preferencesOf, waitFor } from "../../../worker/routes/preferences.ts";

describe("Prefer", () => {
  it.each([
    [undefined, false, undefined],
    ["respond-async", true, undefined],
    ["Respond-Async, WAIT=10", true, 10],
    ["wait=10", false, 10],
    ['wait="7"; why=not', false, 7],
    ["wait = 3 , respond-async;x=1", true, 3],
    ["wait=0", false, 0],
    ["wait=100000", false, 60],
    // The first counts, and what makes no sense is passed over.
    ["wait=1, wait=2", false, 1],
    ["wait=-1", false, undefined],
    ["wait=soon, handling=lenient", false, undefined],
    ["return=minimal,,", false, undefined],
  ])("%s", (field, isAsync, waitSeconds) => {
    expect(preferencesOf(field)).toEqual({ isAsync, waitSeconds });
  });
});

describe("waiting", () => {
  const hasEnded = (seen: number) => seen >= 3;

  it("ends when the thing has", async () => {
    let looks = 0;
    expect(await waitFor(async () => ++looks, { hasEnded, seconds: 60, now: () => new Date() })).toBe(3);
    expect(looks).toBe(3);
  });

  it("looks once where nobody would wait, and no longer than they would", async () => {
    let looks = 0;
    expect(await waitFor(async () => ++looks, { hasEnded, seconds: 0, now: () => new Date() })).toBe(1);
    let clock = 0;
    const now = () => new Date((clock += 400));
    looks = 0;
    expect(await waitFor(async () => (looks++, 0), { hasEnded, seconds: 1, now })).toBe(0);
    expect(looks).toBe(3);
  });
});
