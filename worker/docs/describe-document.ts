import { ROUTE_SCOPES } from "../auth/route-scopes.ts";
import { IDEMPOTENCY_KEY } from "../idempotency/key.ts";
import {
  type ApiDocument,
  type Operation,
  operationsOf,
  type Parameter,
  referenceTo,
  type Schema,
} from "./api-document.ts";
import { schemaNamer, withoutNull } from "./name-schemas.ts";
import { operationName } from "./operation-name.ts";
import { tagOf, TAGS } from "./tags.ts";

/** Fields that requests may have, of more than one route. */
const PARAMETERS = {
  IdempotencyKey: {
    name: IDEMPOTENCY_KEY,
    in: "header",
    required: false,
    description:
      "Any text of your own, such as a UUID. For a day the same request with the same key is answered with the first " +
      "one's answer, and `Idempotency-Replayed: true`",
    schema: { type: "string", minLength: 1, maxLength: 255 },
  },
  Prefer: {
    name: "Prefer",
    in: "header",
    required: false,
    description:
      "RFC 7240. `wait=10` waits up to so many seconds for the result; `respond-async` answers 202 at once. What was " +
      "done of it says `Preference-Applied`",
    schema: { type: "string" },
  },
} as const satisfies Record<string, Parameter>;

const HEADERS = {
  RequestId: {
    description: "Name of this request in the log: the request's own `x-request-id`, or a fresh one",
    schema: { type: "string" },
  },
  Location: { description: "Where the thing is, or will be", schema: { type: "string" } },
  RetryAfter: { description: "When to ask again, in seconds", schema: { type: "string" } },
} as const;

/** Routes that know `Prefer`. */
const TAKES_PREFERENCES: ReadonlySet<string> = new Set([
  "POST /v1/fusions",
  "GET /v1/fusions/{id}",
  "POST /v1/probes",
  "GET /v1/probes/{id}",
]);

/**
 * Completes what the routes' schemas make with what holds for all routes alike: names, groups, scopes, common fields.
 * @param generated changed by nobody; the result shares nothing with it
 */
export function describeDocument(generated: object): ApiDocument {
  // The generator's own types are wider than what it makes.
  const document = JSON.parse(JSON.stringify(generated)) as ApiDocument;
  const schemas = { ...document.components.schemas, ...unnamedComponents(document.components.schemas) };
  const named = schemaNamer(schemas);
  document.paths = named(document.paths);
  document.components.schemas = Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => [name, named(schema, name)]),
  );
  document.components.parameters = PARAMETERS;
  document.components.headers = HEADERS;
  document.servers = [{ url: "/", description: "This deployment" }];
  for (const { method, path, operation } of operationsOf(document)) {
    operation.operationId = operationName(method, path);
    operation.tags = [tagOf(path)];
    describeScopes(`${method} ${path}`, operation);
    describeFields(method, path, operation);
  }
  const used = new Set(operationsOf(document).flatMap(({ operation }) => operation.tags ?? []));
  document.tags = TAGS.filter(({ name }) => used.has(name)).map(({ name, description }) => ({ name, description }));
  return document;
}

/** What has a name of its own in the API, but is nullable wherever it stands, so that the generator does not name it. */
function unnamedComponents({ Checkpoint }: Readonly<Record<string, Schema>>): Record<string, Schema> {
  const { alignment, architecture } = Checkpoint?.properties ?? {};
  return {
    ...(alignment === undefined ? {} : { Alignment: withoutNull(alignment) }),
    ...(architecture === undefined ? {} : { Architecture: withoutNull(architecture) }),
  };
}

/** OpenAPI 3.1 lets a bearer scheme list roles; each of the alternatives is enough. */
function describeScopes(route: string, operation: Operation): void {
  const requirement = ROUTE_SCOPES[route];
  if (operation.security === undefined || requirement === undefined || requirement === "public") return;
  operation.security = requirement.map((scope) => ({ bearer: [scope] }));
}

function describeFields(method: string, path: string, operation: Operation): void {
  const parameters = [...(operation.parameters ?? [])];
  if (TAKES_PREFERENCES.has(`${method} ${path}`)) parameters.push({ $ref: referenceTo("parameters", "Prefer") });
  const content = operation.requestBody?.content;
  if (method === "POST" && path.startsWith("/v1/") && (content === undefined || "application/json" in content)) {
    parameters.push({ $ref: referenceTo("parameters", "IdempotencyKey") });
  }
  if (parameters.length > 0) operation.parameters = parameters;
  for (const [status, response] of Object.entries(operation.responses)) {
    const header = (name: keyof typeof HEADERS) => ({ $ref: referenceTo("headers", name) });
    response.headers = {
      ...response.headers,
      "x-request-id": header("RequestId"),
      ...(["201", "202"].includes(status) ? { location: header("Location") } : {}),
      ...(status === "202" ? { "retry-after": header("RetryAfter") } : {}),
    };
  }
}
