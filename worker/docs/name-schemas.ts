import { referenceTo, type Schema } from "./api-document.ts";

/**
 * Writes schemas that are spelled out as references to the component that says the same. The generator spells a
 * component out wherever it is nullable or described anew, and generated clients then have no name for it.
 * @param components what may be referred to
 * @returns a function that rewrites any part of the document; `within` is the component that the part is
 */
export function schemaNamer(components: Readonly<Record<string, Schema>>): <Part>(part: Part, within?: string) => Part {
  const names = new Map(Object.entries(components).map(([name, schema]) => [likeness(schema), name]));

  function visit(part: unknown, within: string | undefined): unknown {
    if (Array.isArray(part)) return part.map((one) => visit(one, undefined));
    if (!isObject(part)) return part;
    const name = isStructured(part) ? names.get(likeness(part)) : undefined;
    if (name === undefined || name === within) {
      return Object.fromEntries(Object.entries(part).map(([key, member]) => [key, visit(member, undefined)]));
    }
    const reference = { $ref: referenceTo("schemas", name) };
    const { description } = part;
    const described = description === undefined || description === components[name]?.description ? {} : { description };
    return isNullable(part) ? { anyOf: [reference, { type: "null" }], ...described } : { ...reference, ...described };
  }

  return <Part>(part: Part, within?: string) => visit(part, within) as Part;
}

/** The schema of what may be null where it may not be; its description was of the place, and is left out. */
export function withoutNull({ description: _text, type, anyOf, oneOf, ...rest }: Schema): Schema {
  const types = typeof type === "string" ? type : type?.filter((one) => one !== "null");
  const [only, ...others] = types ?? [];
  return {
    ...(types === undefined
      ? {}
      : { type: typeof types !== "string" && others.length === 0 && only !== undefined ? only : types }),
    ...rest,
    ...(anyOf === undefined ? {} : { anyOf: anyOf.filter((form) => !isNull(form)) }),
    ...(oneOf === undefined ? {} : { oneOf: oneOf.filter((form) => !isNull(form)) }),
  };
}

type Loose = Schema & { readonly discriminator?: unknown };

function isObject(part: unknown): part is Loose {
  return typeof part === "object" && part !== null;
}

/** Components are objects and choices of objects; whatever is simpler is not worth a comparison. */
function isStructured({ properties, oneOf, anyOf }: Loose): boolean {
  return isObject(properties) || Array.isArray(oneOf) || Array.isArray(anyOf);
}

function isNullable({ type, anyOf, oneOf }: Loose): boolean {
  return (Array.isArray(type) && type.includes("null")) || [...(anyOf ?? []), ...(oneOf ?? [])].some(isNull);
}

function isNull({ type }: Schema): boolean {
  return type === "null";
}

/** What two schemas have in common that differ in their description and in whether they admit null. */
function likeness({ description: _text, discriminator: _mapping, type, anyOf, oneOf, ...rest }: Loose): string {
  const forms = [...(anyOf ?? []), ...(oneOf ?? [])].filter((form) => !isNull(form));
  const types = (Array.isArray(type) ? type : [type]).filter((one: unknown) => one !== undefined && one !== "null");
  // Equal schemas come from one generator, which writes their members in one order.
  return JSON.stringify([types, forms, rest]);
}
