/** The OpenAPI 3.1 description of the API, as far as it is worked on here. */
export interface ApiDocument {
  readonly openapi: string;
  info: { readonly title: string; readonly version: string; readonly description?: string };
  tags?: { readonly name: string; readonly description: string }[];
  servers?: { readonly url: string; readonly description?: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: {
    schemas: Record<string, Schema>;
    parameters?: Record<string, Parameter>;
    headers?: Record<string, HeaderDescription>;
    securitySchemes?: Record<string, unknown>;
  };
}

export interface Operation {
  operationId?: string;
  tags?: string[];
  readonly summary?: string;
  readonly description?: string;
  security?: Record<string, string[]>[];
  parameters?: (Parameter | Reference)[];
  readonly requestBody?: { readonly required?: boolean; readonly content: Content };
  responses: Record<string, ResponseDescription>;
}

export interface ResponseDescription {
  readonly description: string;
  readonly content?: Content;
  headers?: Record<string, HeaderDescription | Reference>;
}

export interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required?: boolean;
  readonly description?: string;
  readonly schema: Schema;
}

export interface HeaderDescription {
  readonly description: string;
  readonly schema: Schema;
}

export interface Reference {
  readonly $ref: string;
}

export type Content = Record<string, { schema: Schema }>;

/** A JSON Schema, of which only some words are read here. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly format?: string;
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly items?: Schema;
  readonly prefixItems?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
}

/** Every operation with its method in upper case, in the order of the document. */
export function operationsOf(document: ApiDocument): { method: string; path: string; operation: Operation }[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
}

/** Where a component of the document is referred to. */
export function referenceTo(kind: "schemas" | "parameters" | "headers", name: string): string {
  return `#/components/${kind}/${name}`;
}
