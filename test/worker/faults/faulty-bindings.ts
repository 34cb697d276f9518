import type { Environment } from "../../../worker/environment.ts";

/**
 * When a call fails: before it does anything; half-way through the bytes that it reads or writes; or after it is done, so
 * that only its answer is lost.
 */
export type Moment = "before" | "during" | "after";
export const MOMENTS: readonly Moment[] = ["before", "during", "after"];

/** The one call that fails: the `number`-th, from 0, of all calls to R2, D1 and Workflows together. */
export interface Fault {
  readonly number: number;
  readonly moment: Moment;
}

export interface FaultyBindings {
  readonly environment: Environment;
  /** What was called, in order. */
  readonly calls: readonly string[];
  /** The call that failed; undefined where none did. */
  failed(): string | undefined;
}

/** Thrown by the bindings; no code may take it for anything else. */
export class InjectedFault extends Error {
  override readonly name = "InjectedFault";
}

/** Multipart uploads that were begun through any wrapped bucket and have not ended. R2's binding cannot list them. */
export const openUploads = new Set<string>();

type Call = <Result>(name: string, work: () => Promise<Result>, halfway?: () => Promise<Result>) => Promise<Result>;

/** Bindings of which one call fails, or none where `fault` is undefined. */
export function faultyBindings(real: Environment, fault?: Fault): FaultyBindings {
  const calls: string[] = [];
  let failed: string | undefined;
  const call: Call = async (name, work, halfway) => {
    const isIt = calls.length === fault?.number;
    calls.push(name);
    if (!isIt || fault === undefined) return work();
    const failure = new InjectedFault(`${name} failed ${fault.moment}`);
    switch (fault.moment) {
      case "before":
        failed = name;
        throw failure;
      case "during":
        // Calls without a body have no middle.
        if (halfway === undefined) return work();
        failed = name;
        return halfway();
      case "after":
        await work();
        failed = name;
        throw failure;
      default:
        return fault.moment satisfies never;
    }
  };
  const environment = {
    ...real,
    BUCKET: faultyBucket(real.BUCKET, call),
    CATALOG: faultyCatalog(real.CATALOG, call),
    FUSE_WORKFLOW: idleWorkflow(call),
  } satisfies Environment;
  return { environment, calls, failed: () => failed };
}

/** An object's methods, each replaced by the one of its name; the rest as it is. */
function overlay<Real extends object>(real: Real, replaced: Partial<Record<keyof Real, unknown>>): Real {
  return new Proxy(real, {
    get(target, name) {
      if (Object.hasOwn(replaced, name)) return replaced[name as keyof Real];
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

function faultyBucket(real: R2Bucket, call: Call): R2Bucket {
  return overlay(real, {
    head: (key: string) => call("R2 head", () => real.head(key)),
    list: (options?: R2ListOptions) => call("R2 list", () => real.list(options)),
    delete: (keys: string | string[]) => call("R2 delete", () => real.delete(keys)),
    get: (key: string, options?: R2GetOptions) =>
      call(
        "R2 get",
        () => real.get(key, options),
        async () => {
          const object = await real.get(key, options);
          return object === null || !("body" in object) ? object : breaking(object);
        },
      ),
    put: (key: string, value: Body, options?: R2PutOptions) =>
      call(
        "R2 put",
        () => real.put(key, value, options),
        async () => breakOff(value),
      ),
    createMultipartUpload: (key: string, options?: R2MultipartOptions) =>
      call("R2 createMultipartUpload", async () => {
        const upload = await real.createMultipartUpload(key, options);
        return faultyUpload(upload, call);
      }).then((upload) => {
        // Where the answer is lost, so is the upload: nothing but R2's own lifecycle rule can find it.
        openUploads.add(upload.uploadId);
        return upload;
      }),
    resumeMultipartUpload: (key: string, id: string) => faultyUpload(real.resumeMultipartUpload(key, id), call),
  });
}

function faultyUpload(real: R2MultipartUpload, call: Call): R2MultipartUpload {
  return overlay(real, {
    uploadPart: (number: number, value: Body) =>
      call(
        "R2 uploadPart",
        () => real.uploadPart(number, value),
        async () => breakOff(value),
      ),
    complete: (parts: R2UploadedPart[]) =>
      call("R2 complete", async () => {
        const object = await real.complete(parts);
        openUploads.delete(real.uploadId);
        return object;
      }),
    abort: () =>
      call("R2 abort", async () => {
        await real.abort();
        openUploads.delete(real.uploadId);
      }),
  });
}

type Body = ReadableStream | ArrayBuffer | ArrayBufferView | string | Blob;

/** Takes one chunk of a body and no more. Nobody reads on, and nobody says so: the worst that a store can do. */
async function breakOff(value: Body | null): Promise<never> {
  if (value instanceof ReadableStream) {
    const reader = (value as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    reader.releaseLock();
  }
  throw new InjectedFault("the store broke off");
}

const WHOLE_READS: ReadonlySet<string> = new Set(["arrayBuffer", "bytes", "text", "json", "blob"]);

/** An object whose body ends half-way in an error. */
function breaking(object: R2ObjectBody): R2ObjectBody {
  const fail = async () => {
    await object.body.cancel();
    throw new InjectedFault("the object's body broke off");
  };
  let left = Math.floor((object.range === undefined ? object.size : lengthOf(object)) / 2);
  const body = () =>
    (object.body as ReadableStream<Uint8Array>).pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          const passed = chunk.subarray(0, left);
          left -= passed.length;
          if (passed.length > 0) controller.enqueue(passed);
          if (passed.length < chunk.length) controller.error(new InjectedFault("the object's body broke off"));
        },
      }),
    );
  let broken: ReadableStream<Uint8Array> | undefined;
  return new Proxy(object, {
    get(target, name) {
      if (name === "body") return (broken ??= body());
      if (typeof name === "string" && WHOLE_READS.has(name)) return fail;
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

function lengthOf({ range, size }: R2ObjectBody): number {
  return range !== undefined && "length" in range && range.length !== undefined ? range.length : size;
}

/** Which statement of D1 a wrapped one stands for: `batch` wants its own. */
const originals = new WeakMap<D1PreparedStatement, D1PreparedStatement>();

function faultyCatalog(real: D1Database, call: Call): D1Database {
  const wrap = (statement: D1PreparedStatement, sql: string): D1PreparedStatement => {
    const name = `D1 ${sql.trim().split(/\s+/).slice(0, 3).join(" ")}`;
    const wrapped = overlay(statement, {
      bind: (...values: unknown[]) => wrap(statement.bind(...values), sql),
      first: (column?: string) =>
        call(name, () => (column === undefined ? statement.first() : statement.first(column))),
      run: () => call(name, () => statement.run()),
      all: () => call(name, () => statement.all()),
      raw: () => call(name, () => statement.raw()),
    });
    originals.set(wrapped, statement);
    return wrapped;
  };
  return overlay(real, {
    prepare: (sql: string) => wrap(real.prepare(sql), sql),
    batch: (statements: D1PreparedStatement[]) =>
      call("D1 batch", () => real.batch(statements.map((statement) => originals.get(statement) ?? statement))),
  });
}

/** A Workflow that takes instances and runs none: tests run its steps themselves. */
function idleWorkflow(call: Call): Environment["FUSE_WORKFLOW"] {
  const instance = (id: string) => ({ id, terminate: () => call("Workflow terminate", async () => undefined) });
  return {
    create: ({ id = "" }: { id?: string } = {}) => call("Workflow create", async () => instance(id)),
    get: (id: string) => call("Workflow get", async () => instance(id)),
  } as unknown as Environment["FUSE_WORKFLOW"];
}
