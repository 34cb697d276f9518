import type { ZodType } from "zod";
import { PROBLEM_MEDIA_TYPE, problemSchema } from "../../shared/api/problem.ts";

/** Building blocks of the OpenAPI description of responses. */
export const jsonOf = <Schema extends ZodType>(description: string, schema: Schema) => ({
  description,
  content: { "application/json": { schema } },
});

/** Every error, of every route. */
export const problems = {
  default: { description: "A problem (RFC 9457)", content: { [PROBLEM_MEDIA_TYPE]: { schema: problemSchema } } },
};

/** Immutable bytes with `ETag`, `Range` and `Repr-Digest`. */
export const bytesOf = (description: string, mediaType: string, schema?: ZodType) => {
  const content = { [mediaType]: { schema: schema ?? { type: "string" as const, format: "binary" } } };
  return {
    200: { description, content },
    206: { description: "The range asked for", content },
    304: { description: "The copy named in If-None-Match is current" },
  };
};

export const bearer = [{ bearer: [] }];
