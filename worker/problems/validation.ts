import type * as z from "zod";
import { Problem } from "../../shared/problem.ts";

/**
 * Turns a failed validation at the boundary into a problem with one JSON Pointer (RFC 6901) for each fault.
 * @param target the part of the request, such as `json` or `param`
 */
export function malformedRequest(target: string, error: z.ZodError): Problem {
  const errors = error.issues.flatMap(ownIssues).map(({ path, message }) => ({
    pointer: path.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join(""),
    detail: message,
  }));
  const [first] = errors;
  const place = first?.pointer ? ` at ${first.pointer}` : "";
  return new Problem("malformed-request", `The ${NAMES[target] ?? "request"} is not valid${place}: ${first?.detail}.`, {
    errors: errors.slice(0, 20),
  });
}

/** Of a body that may have one of several forms: what is wrong with the form that it comes closest to. */
function ownIssues(issue: z.core.$ZodIssue): readonly z.core.$ZodIssue[] {
  if (issue.code !== "invalid_union") return [issue];
  const [closest] = issue.errors.toSorted((a, b) => a.length - b.length);
  return closest?.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })) ?? [issue];
}

const NAMES: Readonly<Record<string, string>> = {
  json: "body",
  param: "address",
  query: "query",
  header: "header",
};
