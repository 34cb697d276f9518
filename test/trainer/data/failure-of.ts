import { Failure } from "../../../trainer/failure.ts";

/** The failure that `run` ends with; any other end fails the test. */
export async function failureOf(run: () => unknown): Promise<Failure> {
  try {
    await run();
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
