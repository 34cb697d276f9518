import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import type { FusionDescription, FusionState } from "../../../shared/api/fusions.ts";
import type { AppEnvironment } from "../../../worker/environment.ts";
import { fusionEvents } from "../../../worker/routes/fusion-events.ts";

const seen = (state: FusionState, partsDone = 0, gate: "pending" | "passed" | null = null) =>
  ({
    state,
    progress: { partsDone, parts: 3, bytesDone: 0, bytes: 0 },
    gate: gate === null ? null : { state: gate },
  }) as FusionDescription;

/** The events that a client is told while a fusion goes through these states. */
async function listen(states: readonly FusionDescription[], lastEventId?: string, heartbeatMs = 1e6, looks = 1000) {
  let at = 0;
  const app = new Hono<AppEnvironment>();
  app.get("/", (c) =>
    fusionEvents(c, async () => states[Math.min(at++, states.length - 1)] ?? seen("failed"), {
      pollMs: 1,
      heartbeatMs,
      looks,
    }),
  );
  const headers: HeadersInit = lastEventId === undefined ? {} : { "last-event-id": lastEventId };
  const response = await app.request("/", { headers });
  const text = await response.text();
  const events = text
    .split("\n\n")
    .filter((block) => block.includes("event:"))
    .map((block) => [/^event: (.*)$/m.exec(block)?.[1], /^id: (.*)$/m.exec(block)?.[1]]);
  return { response, text, events };
}

describe("events of a fusion", () => {
  const course = [
    seen("queued"),
    seen("running"),
    seen("running", 1),
    seen("running", 1),
    seen("running", 2),
    seen("succeeded", 3),
  ];

  it("are told once each, with ids, and end", async () => {
    const { response, events, text } = await listen(course);
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    expect(response.headers.get("cache-control")).toBe("no-store, no-transform");
    expect(events).toEqual([
      ["progress", "queued-0"],
      ["progress", "running-0"],
      ["progress", "running-1"],
      ["progress", "running-2"],
      ["end", "succeeded-3"],
    ]);
    expect(JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? "")).toEqual(seen("queued"));
    expect(text).toContain("retry: 1000");
  });

  it("tell of the verdict of a gate, and end with it", async () => {
    const { events } = await listen([
      seen("running", 1, "pending"),
      seen("succeeded", 3, "pending"),
      seen("succeeded", 3, "passed"),
    ]);
    expect(events).toEqual([
      ["progress", "running-1-pending"],
      ["progress", "succeeded-3-pending"],
      ["end", "succeeded-3-passed"],
    ]);
  });

  it("go on after the last one that was seen", async () => {
    const { events } = await listen(course.slice(2), "running-1");
    expect(events).toEqual([
      ["progress", "running-2"],
      ["end", "succeeded-3"],
    ]);
  });

  it("come to an end for good: 204 for who has seen it", async () => {
    const { response, text } = await listen([seen("succeeded", 3)], "succeeded-3");
    expect([response.status, text]).toEqual([204, ""]);
    expect((await listen([seen("failed", 1)], "running-1")).events).toEqual([["end", "failed-1"]]);
  });

  it("are filled with heartbeats while nothing happens", async () => {
    const quiet = Array.from({ length: 12 }, () => seen("running"));
    const { text, events } = await listen([...quiet, seen("succeeded", 3)], undefined, 3);
    expect(text.split("\n\n").filter((block) => block === ": still here").length).toBeGreaterThanOrEqual(2);
    expect(events).toHaveLength(2);
    expect((await listen([...quiet, seen("succeeded", 3)])).text).not.toContain(": still here");
  });

  it("stop after so many looks, and the client comes back", async () => {
    const { events } = await listen([seen("running"), seen("running", 1), seen("running", 2)], undefined, 1e6, 2);
    expect(events.map(([, id]) => id)).toEqual(["running-0", "running-1"]);
  });
});
