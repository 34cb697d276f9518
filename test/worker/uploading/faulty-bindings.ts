import type { Environment } from "../../../worker/environment.ts";

/** An error as R2 or D1 gives it when something is wrong on their side. */
export class Outage extends Error {
  override readonly name = "Outage";
}

export interface FaultPlan {
  /** Which call fails, from 0. */
  readonly at: number;
  /** Whether the call is carried out, and only its answer is lost. */
  readonly isCarriedOut: boolean;
}

/** Bindings of which one call to the bucket or the catalog fails. */
export class FaultyBindings {
  calls = 0;
  readonly environment: Environment;
  readonly #plan: FaultPlan;
  readonly #statements = new WeakMap<object, D1PreparedStatement>();

  constructor(environment: Environment, plan: FaultPlan) {
    this.#plan = plan;
    this.environment = {
      ...environment,
      BUCKET: this.#intercept(environment.BUCKET, ["head", "get", "put", "delete", "list", "createMultipartUpload"]),
      CATALOG: this.#catalog(environment.CATALOG),
    };
  }

  /** Whether the call that was to fail was made. */
  get hasFailed(): boolean {
    return this.calls > this.#plan.at;
  }

  async #call<Result>(work: () => Promise<Result>): Promise<Result> {
    const fails = this.calls++ === this.#plan.at;
    if (!fails) return work();
    if (this.#plan.isCarriedOut) await work();
    throw new Outage(`call ${this.#plan.at} failed`);
  }

  #intercept<Target extends object>(target: Target, methods: readonly string[]): Target {
    return new Proxy(target, {
      get: (object, name) => {
        const member: unknown = Reflect.get(object, name, object);
        if (typeof member !== "function") return member;
        const method = (...parameters: unknown[]): unknown => Reflect.apply(member, object, parameters);
        if (methods.includes(String(name))) {
          return (...parameters: unknown[]) =>
            this.#call(async () => this.#wrapResult(await (method(...parameters) as Promise<unknown>)));
        }
        return name === "resumeMultipartUpload"
          ? (...parameters: unknown[]) => this.#wrapResult(method(...parameters))
          : method;
      },
    });
  }

  /** Calls of a multipart upload are calls to the bucket. */
  #wrapResult(result: unknown): unknown {
    const isMultipart = typeof result === "object" && result !== null && "uploadPart" in result;
    return isMultipart ? this.#intercept(result, ["uploadPart", "complete", "abort"]) : result;
  }

  #catalog(catalog: D1Database): D1Database {
    const wrap = (statement: D1PreparedStatement): D1PreparedStatement => {
      const wrapped = new Proxy(statement, {
        get: (object, name) => {
          if (name === "bind") return (...values: unknown[]) => wrap(object.bind(...values));
          const member = Reflect.get(object, name, object) as (...parameters: unknown[]) => Promise<unknown>;
          return (...parameters: unknown[]) => this.#call(() => Reflect.apply(member, object, parameters));
        },
      });
      this.#statements.set(wrapped, statement);
      return wrapped;
    };
    return new Proxy(catalog, {
      get: (object, name) => {
        if (name === "prepare") return (query: string) => wrap(object.prepare(query));
        if (name !== "batch") return Reflect.get(object, name, object) as unknown;
        return (statements: D1PreparedStatement[]) =>
          this.#call(() => object.batch(statements.map((statement) => this.#statements.get(statement) ?? statement)));
      },
    });
  }
}
