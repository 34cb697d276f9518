// Before any schema is made: it gives schemas what the description of the API takes.
// oxlint-disable-next-line import/no-unassigned-import
import "@hono/zod-openapi";
import { bodyLimit } from "hono/body-limit";
import { MOST_TOPOLOGY_BYTES } from "../shared/evaluation/topology/topology.ts";
import { Problem } from "../shared/problem.ts";
import { authenticate } from "./auth/authenticate.ts";
import type { AppContext } from "./environment.ts";
import { limitRate } from "./auth/rate-limit.ts";
import { answerOnce } from "./idempotency/answer-once.ts";
import { logRequests } from "./logging/log-requests.ts";
import { redactText } from "./logging/redact.ts";
import { drain } from "./objects/drain.ts";
import { problemOf, renderProblem } from "./problems/render.ts";
import { aliasRedirects } from "./routes/alias-redirects.ts";
import { aliasRoutes } from "./routes/aliases.ts";
import { checkpointRoutes } from "./routes/checkpoints.ts";
import { catalogRoutes } from "./routes/catalog.ts";
import { crossOrigin } from "./routes/cross-origin.ts";
import { datasetRoutes } from "./routes/datasets.ts";
import { DOCS_PATH, PROBLEM_PAGE_PATH, serveDocs } from "./routes/docs.ts";
import { fuseRoutes } from "./routes/fuse.ts";
import { fusionRoutes } from "./routes/fusions.ts";
import { gateRoutes } from "./routes/gates.ts";
import { homeRoutes } from "./routes/home.ts";
import { hubRoutes } from "./routes/hub.ts";
import { jobAttemptRoutes } from "./routes/job-attempts.ts";
import { jobLogRoutes } from "./routes/job-logs.ts";
import { jobRoutes } from "./routes/jobs.ts";
import { linkRoutes } from "./routes/links.ts";
import { modelPageRoutes } from "./routes/model-pages.ts";
import { modelRoutes } from "./routes/models.ts";
import { describeApi, OPENAPI_PATH } from "./routes/openapi.ts";
import { pictureRoutes } from "./routes/pictures.ts";
import { probeRoutes } from "./routes/probes.ts";
import { onlyKnownRoutes } from "./routes/route-table.ts";
import { type Dependencies, newRouter } from "./routes/router.ts";
import { shardRoutes } from "./routes/shards.ts";
import { soupRoutes } from "./routes/soups.ts";
import { sweepRoutes } from "./routes/sweep.ts";
import { tokenRoutes } from "./routes/tokens.ts";
import { TOPOLOGIES_PATH, topologyRoutes } from "./routes/topologies.ts";
import { uploadRoutes } from "./routes/uploads.ts";
import { securityHeaders } from "./security-headers.ts";

/** JSON bodies are small; files come under other content types and have their own limit. */
const MAX_JSON_BYTES = 2 ** 20;

/** Every content type that the routes' validators read as JSON. */
const JSON_TYPE = /^\s*application\/([\w.-]+\+)?json\b/i;

function limitBody(maxSize: number) {
  return bodyLimit({
    maxSize,
    onError: () => {
      throw new Problem("payload-too-large", `A JSON body has at most ${maxSize} bytes.`, { limit: maxSize });
    },
  });
}

/** The whole application. Everything that is not a binding is passed in. */
export function createApp(dependencies: Dependencies) {
  const app = newRouter();
  app.onError((error, c) => respond(c, error));
  app.notFound((c) => respond(c, new Problem("not-found", "There is nothing at this address.")));

  app.use(logRequests(dependencies));
  app.use(securityHeaders());
  app.use(async (c, next) => {
    await next();
    const { body } = c.req.raw;
    if (c.res.status >= 400 && body !== null && !body.locked) {
      await drain((body as ReadableStream<Uint8Array>).getReader());
    }
  });
  app.use(crossOrigin());
  app.use(onlyKnownRoutes(app, [OPENAPI_PATH, DOCS_PATH, PROBLEM_PAGE_PATH]));
  app.use(authenticate(dependencies));
  app.use(limitRate(dependencies));
  const [limitJson, limitTopology] = [limitBody(MAX_JSON_BYTES), limitBody(MOST_TOPOLOGY_BYTES)];
  app.use((c, next) => {
    if (!JSON_TYPE.test(c.req.header("content-type") ?? "")) return next();
    return c.req.path === TOPOLOGIES_PATH ? limitTopology(c, next) : limitJson(c, next);
  });
  app.use(answerOnce(dependencies));

  const routed = app
    .route("/", homeRoutes())
    .route("/", checkpointRoutes(dependencies))
    .route("/", fusionRoutes(dependencies))
    .route("/", fuseRoutes())
    // Before the aliases' files: `@team/name` is a model.
    .route("/", modelPageRoutes(dependencies))
    // Before the models: `@name` is no id.
    .route("/", aliasRedirects(dependencies))
    // Before the models' files: a picture is no shard.
    .route("/", pictureRoutes(dependencies))
    .route("/", modelRoutes(dependencies))
    .route("/", aliasRoutes(dependencies))
    .route("/", hubRoutes(dependencies))
    .route("/", shardRoutes(dependencies))
    .route("/", datasetRoutes(dependencies))
    .route("/", topologyRoutes(dependencies))
    .route("/", probeRoutes(dependencies))
    .route("/", gateRoutes(dependencies))
    .route("/", soupRoutes(dependencies))
    .route("/", uploadRoutes(dependencies))
    .route("/", catalogRoutes(dependencies))
    .route("/", jobAttemptRoutes(dependencies))
    .route("/", jobLogRoutes())
    .route("/", jobRoutes(dependencies))
    .route("/", sweepRoutes(dependencies))
    .route("/", tokenRoutes(dependencies))
    .route("/", linkRoutes(dependencies));
  serveDocs(app, describeApi(app));
  return routed;
}

/** Types of every route, for typed clients. */
export type AppType = ReturnType<typeof createApp>;

function respond(c: AppContext, error: unknown): Response {
  const problem = problemOf(error);
  if (problem.status >= 500 && problem.code !== "over-budget") {
    const cause = problem.cause instanceof Error ? problem.cause : error;
    console.error(
      JSON.stringify({
        level: "error",
        code: problem.code,
        method: c.req.method,
        path: redactText(c.req.path),
        requestId: c.get("requestId"),
        detail: problem.message,
        cause: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause),
      }),
    );
  }
  return renderProblem(problem, c.req.path, c.get("requestId"));
}
