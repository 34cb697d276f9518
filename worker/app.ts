import { bodyLimit } from "hono/body-limit";
import { cors } from "hono/cors";
import { Problem } from "../shared/problem.ts";
import { requireToken } from "./auth/bearer.ts";
import type { AppContext } from "./environment.ts";
import { drain } from "./objects/drain.ts";
import { problemOf, renderProblem } from "./problems/render.ts";
import { checkpointRoutes } from "./routes/checkpoints.ts";
import { datasetRoutes } from "./routes/datasets.ts";
import { fuseRoutes } from "./routes/fuse.ts";
import { fusionRoutes } from "./routes/fusions.ts";
import { homeRoutes } from "./routes/home.ts";
import { modelRoutes } from "./routes/models.ts";
import { describeApi, OPENAPI_PATH } from "./routes/openapi.ts";
import { probeRoutes } from "./routes/probes.ts";
import { PROBLEM_PAGE_PATH, problemPage } from "./routes/problem-page.ts";
import { onlyKnownRoutes } from "./routes/route-table.ts";
import { type Dependencies, newRouter } from "./routes/router.ts";
import { shardRoutes } from "./routes/shards.ts";

/** JSON bodies are small; files come under other content types and have their own limit. */
const MAX_JSON_BYTES = 2 ** 20;

/** What anyone may read: liveness, the description of the API, published models. */
const PUBLIC = /^\/(healthz|openapi\.json|docs\/problems|models\/.*)?$/;

/** The whole application. Everything that is not a binding is passed in. */
export function createApp(dependencies: Dependencies) {
  const app = newRouter();
  app.onError((error, c) => respond(c, error));
  app.notFound((c) => respond(c, new Problem("not-found", "There is nothing at this address.")));

  app.use(async (c, next) => {
    await next();
    const { body } = c.req.raw;
    if (c.res.status >= 400 && body !== null && !body.locked) {
      await drain((body as ReadableStream<Uint8Array>).getReader());
    }
  });
  app.use(
    "/models/*",
    cors({
      origin: "*",
      allowMethods: ["GET", "HEAD", "OPTIONS"],
      allowHeaders: ["Range", "If-None-Match", "If-Range"],
      exposeHeaders: ["ETag", "Content-Range", "Accept-Ranges", "Repr-Digest", "Content-Length"],
      maxAge: 86_400,
    }),
  );
  app.use(onlyKnownRoutes(app, [OPENAPI_PATH, PROBLEM_PAGE_PATH]));
  app.use((c, next) => (PUBLIC.test(c.req.path) && isRead(c) ? next() : requireToken(c, next)));
  const limitJson = bodyLimit({
    maxSize: MAX_JSON_BYTES,
    onError: () => {
      throw new Problem("payload-too-large", `A JSON body has at most ${MAX_JSON_BYTES} bytes.`, {
        limit: MAX_JSON_BYTES,
      });
    },
  });
  app.use((c, next) =>
    /^application\/json\b/i.test(c.req.header("content-type") ?? "") ? limitJson(c, next) : next(),
  );

  const routed = app
    .route("/", homeRoutes())
    .route("/", checkpointRoutes(dependencies))
    .route("/", fusionRoutes(dependencies))
    .route("/", fuseRoutes())
    .route("/", modelRoutes(dependencies))
    .route("/", shardRoutes(dependencies))
    .route("/", datasetRoutes(dependencies))
    .route("/", probeRoutes(dependencies));
  app.get(PROBLEM_PAGE_PATH, () => problemPage());
  describeApi(app);
  return routed;
}

/** Types of every route, for typed clients. */
export type AppType = ReturnType<typeof createApp>;

function isRead(c: AppContext): boolean {
  return c.req.raw.method === "GET" || c.req.raw.method === "HEAD";
}

function respond(c: AppContext, error: unknown): Response {
  const problem = problemOf(error);
  if (problem.status >= 500 && problem.code !== "over-budget") {
    const cause = problem.cause instanceof Error ? problem.cause : error;
    console.error(
      JSON.stringify({
        level: "error",
        code: problem.code,
        method: c.req.method,
        path: c.req.path,
        detail: problem.message,
        cause: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause),
      }),
    );
  }
  return renderProblem(problem, c.req.path);
}
