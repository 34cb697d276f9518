import { beforeSeq } from "./paging.ts";

type Value = string | number;

/** The `WHERE` of a list that is filtered by what was asked for, and its parameters in their order. */
export class Conditions {
  readonly #texts: string[] = [];
  readonly #values: Value[] = [];

  /** A cursor: rows that were entered before it. */
  before(column: string, cursor: string | undefined): this {
    return this.add(`${column} < ?`, beforeSeq(cursor));
  }

  /** @param text SQL with one `?` for each value; left out where a value is undefined: it was not asked for */
  add(text: string, ...values: (Value | undefined)[]): this {
    const given = values.filter((value) => value !== undefined);
    if (given.length < values.length) return this;
    this.#texts.push(`(${text})`);
    this.#values.push(...given);
    return this;
  }

  get text(): string {
    return this.#texts.length === 0 ? "true" : this.#texts.join(" AND ");
  }

  get values(): readonly Value[] {
    return this.#values;
  }
}
