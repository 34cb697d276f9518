import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { CreatedJob } from "../../../shared/api/jobs.ts";
import { migrate } from "../migrations.ts";
import { answer, claimRequest, emptyQueue, environment, json, look, pass, post, send, sweep } from "./world.ts";

beforeAll(migrate);
beforeEach(emptyQueue);
afterEach(() => void vi.restoreAllMocks());

const callback = (name: string | number) => `https://ci.example.com/${name}`;

/** Receivers that answer when they are let, or once it has taken too long for whoever waits. */
function slowReceivers() {
  const order: string[] = [];
  const begun: string[] = [];
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  vi.spyOn(globalThis, "fetch").mockImplementation(async (address) => {
    begun.push(String(address));
    await Promise.race([released, scheduler.wait(10_000)]);
    order.push("told");
    return new Response(null, { status: 204 });
  });
  return { order, begun, release };
}

/** Waits until so many callbacks are under way, or a while. */
const inFlight = (begun: readonly string[], count: number) =>
  vi.waitFor(() => expect(begun.length).toBeGreaterThanOrEqual(count), { timeout: 9_000 });

describe("the callback of a job", () => {
  it("has a key that only whoever made the job is told", async () => {
    const spec = { version: 1, kind: "train", callback: callback("mine") };
    const repeated = json("POST", { spec, deduplicate: true }, { "idempotency-key": "callback-1" });
    const created = (await (await send("/v1/jobs", repeated)).json()) as CreatedJob;
    expect(created.callbackKey).toMatch(/^[\w-]{43}$/);
    const found = await send(
      "/v1/jobs",
      json("POST", { spec: { ...spec, callback: callback("theirs") }, deduplicate: true }),
    );
    expect(found.status).toBe(200);
    expect(await found.json()).toMatchObject({ id: created.id, callbackKey: null });
    const again = await send("/v1/jobs", repeated);
    expect(again.status).toBe(201);
    expect(await again.json()).toEqual(created);
  });

  it("keeps no agent waiting that asks for another job", async () => {
    const { order, begun, release } = slowReceivers();
    // One ended unseen, as time passed; of the other the end was seen, and nobody told.
    const expired = await post({ queueSeconds: 60, callback: callback("expired") });
    const forgotten = await post({ callback: callback("forgotten") });
    await environment.CATALOG.prepare(
      "UPDATE jobs SET state = 'failed', reason = 'killed', finished_at = 1 WHERE id = ?",
    )
      .bind(forgotten.id)
      .run();
    const { id } = await post();
    pass(61_000);
    const { response, waited } = await answer("/v1/jobs/claim", claimRequest());
    order.push("claimed");
    expect(await response.json()).toMatchObject({ job: { id } });
    await inFlight(begun, 2);
    release();
    await Promise.all(waited);
    expect(order).toEqual(["claimed", "told", "told"]);
    for (const job of [expired, forgotten]) {
      expect((await look(job.id)).callback).toMatchObject({ state: "sent", status: 204 });
    }
  });

  it("waits for no other one, but for its turn where there are many; each is sent once", async () => {
    const { begun, release } = slowReceivers();
    const jobs: CreatedJob[] = [];
    for (let number = 1; number <= 6; number++) {
      jobs.push(await post({ queueSeconds: 60, callback: callback(number) }));
    }
    pass(60_000);
    const swept = sweep();
    await inFlight(begun, 4);
    expect(begun).toHaveLength(4);
    release();
    await swept;
    await sweep();
    expect(begun.toSorted()).toEqual(jobs.map((_, at) => callback(at + 1)));
    for (const { id } of jobs) expect((await look(id)).callback).toMatchObject({ state: "sent", status: 204 });
  });

  it("is sent by a later sweep where a request had no time for it", async () => {
    const { begun, release } = slowReceivers();
    release();
    for (let number = 1; number <= 6; number++) await post({ queueSeconds: 60, callback: callback(number) });
    pass(60_000);
    await send("/v1/queue");
    expect(begun).toHaveLength(4);
    pass(60_000);
    await send("/v1/queue");
    expect(new Set(begun).size).toBe(6);
    expect(begun).toHaveLength(6);
  });
});
