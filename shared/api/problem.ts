import * as z from "zod";

/** RFC 9457 problem details, as every error of the worker is written. Other members depend on the code. */
export const problemSchema = z
  .looseObject({
    type: z.string().describe("URI reference that names the kind of problem"),
    title: z.string(),
    status: z.int(),
    code: z.string().describe("Stable name of the kind of problem"),
    detail: z.string(),
    requestId: z.string().optional().describe("`x-request-id` of the answer, by which a log can be searched"),
    errors: z
      .array(z.object({ pointer: z.string().describe("JSON Pointer (RFC 6901) into the request"), detail: z.string() }))
      .optional(),
  })
  .meta({ id: "Problem" });

export type ProblemDocument = z.infer<typeof problemSchema>;

export const PROBLEM_MEDIA_TYPE = "application/problem+json";
