import { Problem } from "../../shared/problem.ts";

/** The problem that something throws; anything else fails the test. */
export function caught(work: () => unknown): Problem {
  try {
    work();
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
