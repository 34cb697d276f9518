import { expect } from "vitest";
import { createApp } from "../../../worker/app.ts";
import type { Environment } from "../../../worker/environment.ts";
import { sha256Hex } from "../../../worker/objects/digest.ts";
import { bindings } from "../migrations.ts";
import { faultyBindings, openUploads } from "./faulty-bindings.ts";

const log: string[] = [];
const app = createApp({
  now: () => new Date(),
  uniqueName: () => crypto.randomUUID(),
  randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
  log: (line) => void log.push(line),
});

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Undefined where the body broke off. */
  readonly bytes: Uint8Array<ArrayBuffer> | undefined;
}

export interface Ask {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes are sent as they are, `stream` with them in chunks of unknown length; anything else as JSON. */
  readonly body?: unknown;
  readonly stream?: boolean;
}

/** Bindings that work, with what a test of faults varies. */
export const healthy: Environment = faultyBindings(bindings).environment;

/** Sends a request to the application over these bindings, and waits for all that it began. */
export async function ask(environment: Environment, { method, path, headers, body, stream }: Ask): Promise<Answer> {
  const pending: Promise<unknown>[] = [];
  const context = {
    waitUntil: (work: Promise<unknown>) => void pending.push(work),
    passThroughOnException: () => undefined,
    props: {},
  } as unknown as ExecutionContext;
  const isBytes = isFile(body);
  const type = isBytes ? "application/octet-stream" : "application/json";
  const request = new Request(`https://edgefuse.example${path}`, {
    method,
    headers: {
      authorization: `Bearer ${bindings.EDGEFUSE_ADMIN_TOKEN}`,
      ...(body === undefined ? {} : { "content-type": type }),
      ...(isBytes && stream !== true ? { "content-length": String(body.length) } : {}),
      ...headers,
    },
    ...(body === undefined ? {} : { body: isBytes ? bodyOf(body, stream === true) : JSON.stringify(body) }),
  });
  const response = await app.fetch(request, environment, context);
  const bytes = await response.arrayBuffer().then(
    (buffer) => new Uint8Array(buffer),
    () => undefined,
  );
  // What runs on behind the answer may begin more.
  for (let settled = 0; settled < pending.length; settled++) await pending[settled]?.catch(() => undefined);
  return { status: response.status, headers: response.headers, bytes };
}

function isFile(body: unknown): body is Uint8Array<ArrayBuffer> {
  return body instanceof Uint8Array;
}

function bodyOf(bytes: Uint8Array<ArrayBuffer>, isStream: boolean): Uint8Array<ArrayBuffer> | ReadableStream {
  return isStream ? new Blob([bytes]).stream() : bytes;
}

/** The answer's JSON, of a request that must succeed. */
export async function succeed<Body = Record<string, unknown>>(request: Ask, environment = healthy): Promise<Body> {
  const { status, bytes } = await ask(environment, request);
  const text = new TextDecoder().decode(bytes);
  expect([request.method, request.path, status < 300 ? "succeeded" : text]).toEqual([
    request.method,
    request.path,
    "succeeded",
  ]);
  return (text === "" ? {} : JSON.parse(text)) as Body;
}

async function rows<Row>(sql: string): Promise<Row[]> {
  return (await bindings.CATALOG.prepare(sql).all<Row>()).results;
}

async function objectSizes(): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  let cursor: string | undefined;
  do {
    const page: R2Objects = await bindings.BUCKET.list(cursor === undefined ? {} : { cursor });
    for (const { key, size } of page.objects) sizes.set(key, size);
    cursor = page.truncated ? page.cursor : undefined;
  } while (cursor !== undefined);
  return sizes;
}

/**
 * What is wrong between the catalog and the bucket: objects that no row knows, rows whose object is not there, parts and
 * multipart uploads of nothing. Empty where all is well.
 * @param isSenders objects that S3 clients have put there, and that are theirs until they are registered
 */
export async function inconsistencies(isSenders: (key: string) => boolean = () => false): Promise<string[]> {
  const objects = await objectSizes();
  const wrong: string[] = [];
  const owned = new Set<string>();
  const own = (key: string, bytes?: number) => {
    owned.add(key);
    const size = objects.get(key);
    if (size === undefined || (bytes !== undefined && size !== bytes)) wrong.push(`row without its object: ${key}`);
  };
  for (const { id, bytes, composite } of await rows<{ id: string; bytes: number; composite: string | null }>(
    "SELECT id, bytes, composite FROM checkpoints",
  )) {
    if (composite === null) own(`checkpoints/${id}.safetensors`, bytes);
  }
  for (const { id, bytes } of await rows<{ id: string; bytes: number }>("SELECT id, bytes FROM shards")) {
    own(`shards/${id}.safetensors`, bytes);
  }
  for (const model of await rows<{ id: string; bytes: number; manifest_bytes: number }>("SELECT * FROM models")) {
    own(`models/${model.id}/model.safetensors`, model.bytes);
    own(`models/${model.id}/manifest.json`, model.manifest_bytes);
    owned.add(`models/${model.id}/statistics.json`);
  }
  const uploads = new Set<string>();
  for (const fusion of await rows<{ id: string; state: string; upload_id: string | null }>("SELECT * FROM fusions")) {
    if (fusion.state !== "failed" && fusion.state !== "cancelled") owned.add(`models/${fusion.id}/statistics.json`);
    if (fusion.upload_id !== null) uploads.add(fusion.upload_id);
    if (fusion.upload_id !== null && fusion.state !== "queued" && fusion.state !== "running") {
      wrong.push(`${fusion.state} fusion with an upload: ${fusion.id}`);
    }
  }
  for (const { upload_id } of await rows<{ upload_id: string }>("SELECT DISTINCT upload_id FROM fusion_parts")) {
    if (!uploads.has(upload_id)) wrong.push(`parts of no upload: ${upload_id}`);
  }
  for (const upload of await rows<{ id: string; upload_id: string | null; result: string | null }>(
    "SELECT id, upload_id, result FROM uploads",
  )) {
    if (upload.upload_id !== null) uploads.add(upload.upload_id);
    if (upload.result === null) owned.add(`staging/uploads/${upload.id}`);
  }
  for (const { upload } of await rows<{ upload: string }>(
    "SELECT DISTINCT upload FROM upload_parts WHERE upload NOT IN (SELECT id FROM uploads)",
  )) {
    wrong.push(`parts of no upload: ${upload}`);
  }
  for (const id of openUploads) if (!uploads.has(id)) wrong.push(`multipart upload of nobody: ${id}`);
  for (const { probe } of await rows<{ probe: string }>(
    "SELECT DISTINCT probe FROM probe_parts WHERE probe NOT IN (SELECT id FROM probe_questions)",
  )) {
    wrong.push(`parts of no probe: ${probe}`);
  }
  for (const { id } of await rows<{ id: string }>("SELECT id FROM probe_questions")) {
    if (objects.has(`probes/${id}.json`)) wrong.push(`question that is answered: ${id}`);
  }
  // What is on its way out is written down, and goes with the next deletion or sweep.
  for (const { key } of await rows<{ key: string }>("SELECT key FROM deletions")) {
    owned.add(key);
    const model = /^models\/[0-9a-f]{64}\//.exec(key)?.[0];
    if (model !== undefined) for (const file of ["manifest.json", "statistics.json"]) owned.add(model + file);
  }
  for (const key of objects.keys()) {
    if (/^probes\/[0-9a-f]{64}\.json$/.test(key)) owned.add(key);
    if (!owned.has(key) && !key.startsWith("incoming/") && !isSenders(key)) wrong.push(`object without a row: ${key}`);
  }
  for (const { name } of await rows<{ name: string }>(
    `SELECT name FROM aliases AS a WHERE NOT EXISTS
       (SELECT 1 FROM alias_history AS h WHERE h.name = a.name AND h.version = a.version AND h.model = a.model)
     OR EXISTS (SELECT 1 FROM alias_history AS h WHERE h.name = a.name AND h.version > a.version)
     OR NOT EXISTS (SELECT 1 FROM models WHERE id = a.model UNION SELECT 1 FROM fusions WHERE id = a.model)`,
  )) {
    wrong.push(`alias that is not what its history says: ${name}`);
  }
  return wrong;
}

/** Begins anew, so that what one fault left behind is not laid at the next one's door. */
export async function empty(): Promise<void> {
  openUploads.clear();
  for (const key of (await objectSizes()).keys()) await bindings.BUCKET.delete(key);
  const tables = await rows<{ name: string }>(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\'",
  );
  for (const { name } of tables) await bindings.CATALOG.prepare(`DELETE FROM ${name}`).run();
}

/** SHA-256 in hex. */
export const digestOf = (bytes: Uint8Array<ArrayBuffer>): Promise<string> => sha256Hex(bytes);

/** A `Repr-Digest` field of these bytes. */
export async function reprDigest(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `sha-256=:${btoa(String.fromCharCode(...digest))}:`;
}
