import { describe, expect, it } from "vitest";
import { requestIdOf } from "../../../worker/logging/request-id.ts";
import { continueTrace, traceparentOf } from "../../../worker/logging/trace-context.ts";

const bytes = (length: number) => new Uint8Array(length).fill(0xab);
const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT = "00f067aa0ba902b7";
const OWN = "ab".repeat(8);

describe("a trace", () => {
  it.each([
    [`00-${TRACE}-${PARENT}-01`, `00-${TRACE}-${OWN}-01`],
    [`00-${TRACE}-${PARENT}-00`, `00-${TRACE}-${OWN}-00`],
    [`00-${TRACE}-${PARENT}-ff`, `00-${TRACE}-${OWN}-01`],
    // A later version has more fields, of which nothing is known.
    [`cc-${TRACE}-${PARENT}-01-what-comes`, `00-${TRACE}-${OWN}-01`],
  ])("is continued: %s", (given, continued) => {
    expect(traceparentOf(continueTrace(given, bytes))).toBe(continued);
  });

  it.each([
    undefined,
    "",
    `00-${"0".repeat(32)}-${PARENT}-01`,
    `00-${TRACE}-${"0".repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${PARENT}-01`,
    `00-${TRACE}-${PARENT}-01-more`,
    `ff-${TRACE}-${PARENT}-01`,
    `00-${TRACE}-${PARENT}`,
    `00-${TRACE}-${PARENT}-1`,
  ])("begins anew where there is none: %s", (given) => {
    expect(traceparentOf(continueTrace(given, bytes))).toBe(`00-${"ab".repeat(16)}-${OWN}-00`);
  });
});

describe("a request's id", () => {
  it("is the caller's where it is plain, and fresh where it is not", () => {
    const fresh = () => "fresh";
    for (const id of ["a", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "Root=1-67891233-abcdef", "x".repeat(128)]) {
      expect(requestIdOf(id, fresh)).toBe(id);
    }
    for (const id of [undefined, "", "a b", '"}{', "<b>", "a\tb", "x".repeat(129), "ä"]) {
      expect(requestIdOf(id, fresh)).toBe("fresh");
    }
  });
});
