import { OpenAPIHono } from "@hono/zod-openapi";
import type { AppEnvironment } from "../environment.ts";
import { malformedRequest } from "../problems/validation.ts";

/** What routes need from the outside besides bindings: passed in, so that tests decide. */
export interface Dependencies {
  now(): Date;
  /** A fresh, unguessable name. */
  uniqueName(): string;
  /** Bytes that nobody can guess. */
  randomBytes(length: number): Uint8Array<ArrayBuffer>;
  /** Where the log's lines go; the console by default. */
  log?(line: string): void;
}

/** An empty set of routes; whatever fails validation becomes one kind of problem. */
export function newRouter(): OpenAPIHono<AppEnvironment> {
  return new OpenAPIHono<AppEnvironment>({
    defaultHook: (result) => {
      if (!result.success) throw malformedRequest(result.target, result.error);
    },
  });
}
