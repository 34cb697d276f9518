import { PROBLEM_MEDIA_TYPE, type ProblemDocument, problemSchema } from "../problem.ts";

/** A problem that a deployment answered with, or an answer that was none of ours. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** Stable name of the kind of problem; `unexpected-response` where the answer was not a problem document. */
  readonly code: string;
  readonly status: number;
  readonly detail: string;
  /** The whole document, with particulars such as `differences`. */
  readonly problem: ProblemDocument | undefined;
  /** Whether an earlier try of this request got no answer, so that what it asked for may have been done all the same. */
  readonly followsLostAnswer: boolean;

  constructor(request: string, status: number, problem: ProblemDocument | undefined, followsLostAnswer = false) {
    const detail = problem?.detail ?? `HTTP ${status} without a problem document`;
    super(`${request}: ${detail}`);
    this.code = problem?.code ?? "unexpected-response";
    this.status = status;
    this.detail = detail;
    this.problem = problem;
    this.followsLostAnswer = followsLostAnswer;
  }
}

/** The problem that an answer carries; undefined where it is another server's error page. */
export async function readProblem(response: Response): Promise<ProblemDocument | undefined> {
  if (!(response.headers.get("content-type") ?? "").startsWith(PROBLEM_MEDIA_TYPE)) {
    await response.body?.cancel();
    return undefined;
  }
  try {
    return problemSchema.safeParse(await response.json()).data;
  } catch {
    // The connection broke within the document; the status alone still says what to do.
    return undefined;
  }
}
