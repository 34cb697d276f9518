import type { OpenAPIHono } from "@hono/zod-openapi";
import type { ApiDocument } from "../docs/api-document.ts";
import { problemsPage } from "../docs/problems-page.ts";
import { referencePage } from "../docs/reference-page.ts";
import type { AppEnvironment } from "../environment.ts";
import { serveText } from "./text.ts";

export const DOCS_PATH = "/docs";
export const PROBLEM_PAGE_PATH = "/docs/problems";

/**
 * Serves the pages for people: the reference of the API, and the list of problems.
 * @param describe the API's description
 */
export function serveDocs(app: OpenAPIHono<AppEnvironment>, describe: () => ApiDocument): void {
  app.get(
    DOCS_PATH,
    serveText(() => referencePage(describe())),
  );
  app.get(PROBLEM_PAGE_PATH, serveText(problemsPage));
}
