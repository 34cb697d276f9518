/** What a method does to a thing; generated clients name their functions so. */
const VERBS: Readonly<Record<string, string>> = { POST: "create", PUT: "put", PATCH: "patch", DELETE: "delete" };

/** Addresses of which the rule would make poor names. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  "GET /": "getHome",
  "GET /healthz": "getHealth",
  "GET /openapi.json": "getApiDescription",
  "POST /v1/fuse": "fuseFiles",
  "POST /v1/fusions/plan": "planFusion",
  "POST /v1/sweep": "sweep",
  "DELETE /v1/fusions/{id}": "cancelFusion",
  "DELETE /v1/tokens/{id}": "revokeToken",
  "POST /v1/uploads/{id}/complete": "completeUpload",
  "POST /v1/aliases/{name}/rollback": "rollBackAlias",
  "GET /v1/aliases/{name}/history": "listAliasHistory",
};

/**
 * `operationId` of a route: `GET /v1/checkpoints/{id}` is `getCheckpoint`, `POST /v1/models/{id}/links` is
 * `createModelLink`, `GET /v1/tokens` is `listTokens`.
 */
export function operationName(method: string, path: string): string {
  const exception = EXCEPTIONS[`${method} ${path}`];
  if (exception !== undefined) return exception;
  const segments = path.split("/").filter((segment) => segment !== "" && segment !== "v1");
  const last = segments.length - 1;
  const isList = method === "GET" && path.startsWith("/v1/") && isPlural(segments[last] ?? "");
  const words = segments.flatMap((segment, index) => {
    if (!segment.startsWith("{")) return [isList && index === last ? segment : singular(segment)];
    // A parameter after a name picks one of its things; any other is a thing itself.
    const before = segments[index - 1];
    return before === undefined || before.startsWith("{") ? [segment] : [];
  });
  return (isList ? "list" : (VERBS[method] ?? "get")) + words.map(pascalCase).join("");
}

function isFile(segment: string): boolean {
  return segment.includes(".");
}

function isPlural(segment: string): boolean {
  return segment.endsWith("s") && !isFile(segment);
}

function singular(segment: string): string {
  return isPlural(segment) ? segment.slice(0, -1) : segment;
}

function pascalCase(text: string): string {
  return text
    .split(/[^A-Za-z0-9]+/)
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join("");
}
