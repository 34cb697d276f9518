import { describe, expect, it } from "vitest";
import { ApiError } from "../../../shared/api/index.ts";
import { failureText, isLeaseLost, isOutage, LeaseLost, persistently } from "../../../trainer/agent/persistence.ts";
import { Failure } from "../../../trainer/failure.ts";
import { lost } from "../../support/scripted-client.ts";
import { refusal } from "./fake-lease.ts";

/** A clock that moves by what is waited for. */
function patient(patience: number, signal = new AbortController().signal) {
  let clock = 0;
  const waits: number[] = [];
  const wait = async (milliseconds: number) => {
    waits.push(milliseconds);
    clock += milliseconds;
  };
  return { persistence: { wait, now: () => clock, patience, signal }, waits };
}

const timedOut = () => new DOMException("too long", "TimeoutError");

describe("asking until there is an answer", () => {
  it("repeats what nobody answered, or only someone busy or broken", async () => {
    const answers = [lost(), refusal(503, "over-budget"), new Failure("unreachable", "S3 is away"), timedOut()];
    const { persistence, waits } = patient(60_000);
    const ask = async () => {
      const failure = answers.shift();
      if (failure !== undefined) throw failure;
      return "answer";
    };
    expect(await persistently(ask, persistence)).toBe("answer");
    expect(waits).toEqual([500, 1_000, 2_000, 5_000]);
  });

  it("gives up when its patience is over, or at once without any", async () => {
    const { persistence, waits } = patient(20_000);
    await expect(persistently(() => Promise.reject(lost()), persistence)).rejects.toThrow("fetch failed");
    expect(waits).toEqual([500, 1_000, 2_000, 5_000, 10_000, 10_000]);
    const none = patient(0);
    await expect(persistently(() => Promise.reject(lost()), none.persistence)).rejects.toThrow("fetch failed");
    expect(none.waits).toEqual([]);
  });

  it("takes a refusal for an answer, and knows that of a job that is another's", async () => {
    const { persistence, waits } = patient(20_000);
    const asking = (failure: Error) => persistently(() => Promise.reject(failure), persistence);
    await expect(asking(refusal(422, "digest-mismatch"))).rejects.toThrow(ApiError);
    for (const [status, code] of [
      [409, "lease-lost"],
      [404, "job-not-found"],
      [401, "invalid-token"],
      [403, "insufficient-scope"],
    ] as const) {
      await expect(asking(refusal(status, code)), code).rejects.toThrow(LeaseLost);
    }
    expect(waits).toEqual([]);
  });

  it("stops asking once nobody wants the answer", async () => {
    const over = new AbortController();
    over.abort();
    const { persistence, waits } = patient(20_000, over.signal);
    await expect(persistently(() => Promise.reject(lost()), persistence)).rejects.toThrow("fetch failed");
    expect(waits).toEqual([]);
  });

  it("tells outages from mistakes of its own", () => {
    const outages = [lost(), timedOut(), refusal(500, "internal"), refusal(429, "rate-limited")];
    expect(outages.map(isOutage)).toEqual([true, true, true, true]);
    expect([new Error("x"), new TypeError("x is not a function"), refusal(409, "log-gap")].map(isOutage)).toEqual([
      ...[false, false, false],
    ]);
    // Another server's error page says nothing about the job, unless it is that the body is too large.
    expect(isOutage(new ApiError("GET /", 404, undefined))).toBe(true);
    expect(isOutage(new ApiError("POST /", 413, undefined))).toBe(false);
    // What is uploaded by another way fails in the command line's terms.
    const kinds = ["unreachable", "refused", "bad-input", "usage"] as const;
    expect(kinds.map((kind) => isOutage(new Failure(kind, "x")))).toEqual([true, false, false, false]);
    expect(isLeaseLost(new Error("x"))).toBe(false);
  });

  it("tells of a failure in the words that it was given", () => {
    const refused = new Failure("refused", "The bucket refused it.", { cause: new Error("AccessDenied") });
    expect([refused, refusal(409, "log-gap"), lost()].map(failureText)).toEqual([
      ...["The bucket refused it.", "said log-gap (log-gap)", "reset"],
    ]);
  });
});
