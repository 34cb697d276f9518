import { type Scope, SCOPES, type TokenDescription, tokenId } from "../../shared/api/index.ts";
import { TOKEN_PATTERN } from "../../shared/api/tokens.ts";
import { type Action, chooseAction } from "../command-line/actions.ts";
import { defineCommand } from "../command-line/command.ts";
import { choice, flag, optional, repeated, text, type ValueOption } from "../command-line/options.ts";
import type { Terminal } from "../command-line/terminal.ts";
import { Failure } from "../failure.ts";
import { type RemoteWorker, workerOf } from "../remote/connect.ts";

/** Seconds that a token is good for unless it is said. */
const LIFETIME = 90 * 86_400;
const SECONDS = { m: 60, h: 3600, d: 86_400 } as const;

/** `12h`, `30d`, `never`; null: never. */
const lifetime: ValueOption<number | null> = {
  kind: "value",
  placeholder: "TIME",
  help: "create: how long it is good for: 15m, 12h, 30d, at most 366d, or never (default: 90d)",
  parse(given) {
    if (given === "never") return null;
    const [, digits = "", unit = ""] = /^(\d{1,6})([mhd])$/.exec(given) ?? [];
    const seconds = Number(digits) * (SECONDS[unit as keyof typeof SECONDS] ?? Number.NaN);
    if (!(seconds >= 60 && seconds <= 366 * SECONDS.d)) {
      throw new Error("a time such as 15m, 12h, 30d, at most 366d, or never");
    }
    return seconds;
  },
};

interface TokenOptions {
  readonly name: string | undefined;
  readonly scope: readonly Scope[];
  /** Seconds; null: it does not expire. */
  readonly expires: number | null | undefined;
  readonly all: boolean;
}

interface TokenAction extends Action {
  readonly options: readonly (keyof TokenOptions)[];
  run(operands: readonly string[], options: TokenOptions, worker: RemoteWorker, terminal: Terminal): Promise<void>;
}

const ACTIONS: ReadonlyMap<string, TokenAction> = new Map([
  ["create", { operands: [], options: ["name", "scope", "expires"], run: create }],
  ["list", { operands: [], options: ["all"], run: list }],
  ["revoke", { operands: ["ID"], options: [], run: revoke }],
]);

export const token = defineCommand({
  name: "token",
  summary: "make, list and revoke access tokens",
  description:
    "create --name NAME --scope SCOPE...; list; revoke ID.\n" +
    "A new token is printed once, alone on stdout; the worker keeps its SHA-256 only. Takes a token of scope admin, in\n" +
    "EDGEFUSE_TOKEN. No option takes a secret.",
  operands: { placeholder: "ACTION...", help: "what to do: create, list, revoke", least: 1 },
  options: {
    name: optional(text({ help: "create: who or what will use it", placeholder: "NAME" })),
    scope: repeated(choice(SCOPES, { help: "create: what it may do" })),
    expires: optional(lifetime),
    all: flag("list: also those that are revoked or expired"),
  },
  examples: [
    { what: "for a CI job", line: "edgefuse token create --name ci --scope write --scope fuse --expires 30d" },
    { what: "straight into a variable", line: "TOKEN=$(edgefuse token create --name laptop --scope read)" },
    { what: "end one", line: "edgefuse token revoke 0b9c2f6e-6f0e-4a53-9d0a-2f1c8f2f7a10" },
  ],
  async run(values, words, context) {
    const { name, action, operands } = chooseAction("token", ACTIONS, words);
    const options: TokenOptions = values;
    const given = (Object.keys(options) as (keyof TokenOptions)[]).filter((option) => isGiven(options[option]));
    const stray = given.find((option) => !action.options.includes(option));
    if (stray !== undefined) throw usage(`--${stray} does not go with token ${name}.`);
    await action.run(operands, options, workerOf(context), context.terminal);
  },
});

/** `--expires never` is null, and given. */
function isGiven(value: TokenOptions[keyof TokenOptions]): boolean {
  return value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0);
}

async function create(
  _: readonly string[],
  { name, scope, expires = LIFETIME }: TokenOptions,
  worker: RemoteWorker,
  terminal: Terminal,
) {
  if (name === undefined) throw usage("--name NAME is needed: who or what will use it.");
  if (scope.length === 0) throw usage(`--scope is needed: one or more of ${SCOPES.join(", ")}.`);
  const request = { name, scopes: [...new Set(scope)], expiresIn: expires };
  const created = await worker.ask("make a token", () => worker.client.tokens.create(request));
  const end = created.expiresAt === null ? "does not expire" : `expires ${created.expiresAt}`;
  terminal.note(`token ${created.id} (${created.name}): ${created.scopes.join(", ")}; ${end}. It is shown this once.`);
  terminal.result({ event: "created", ...created }, created.token);
}

async function list(_: readonly string[], { all }: TokenOptions, worker: RemoteWorker, terminal: Terminal) {
  const now = new Date().toISOString();
  await worker.ask("list tokens", async () => {
    for await (const found of worker.client.tokens.list()) {
      if (all || isGood(found, now)) terminal.result({ event: "token", ...found }, tokenText(found, now));
    }
  });
}

async function revoke([given = ""]: readonly string[], _: TokenOptions, worker: RemoteWorker, terminal: Terminal) {
  const id = tokenId.safeParse(given);
  if (!id.success) {
    // What was typed stays in histories and process lists; it is not repeated here.
    const advice = TOKEN_PATTERN.test(given)
      ? "That is a token itself, and now in your shell's history: find its id with edgefuse token list, and revoke it by that."
      : "revoke takes the id of a token, as edgefuse token list shows it.";
    throw usage(advice);
  }
  const revoked = await worker.ask(`revoke ${id.data}`, () => worker.client.tokens.revoke(id.data));
  terminal.result({ event: "revoked", ...revoked }, `${revoked.id}  ${revoked.name}  revoked ${revoked.revokedAt}`);
}

/** RFC 3339 in UTC sorts as text. */
function isGood({ revokedAt, expiresAt }: TokenDescription, now: string): boolean {
  return revokedAt === null && (expiresAt === null || expiresAt > now);
}

function tokenText(found: TokenDescription, now: string): string {
  const { id, name, scopes, expiresAt, lastUsedAt, revokedAt } = found;
  const expiry = expiresAt === null ? "does not expire" : `${expiresAt > now ? "expires" : "expired"} ${expiresAt}`;
  const state = revokedAt === null ? expiry : `revoked ${revokedAt}`;
  const use = lastUsedAt === null ? "never used" : `used ${lastUsedAt}`;
  return `${id}  ${name}  ${scopes.join(",")}  ${state}  ${use}`;
}

const usage = (message: string) => new Failure("usage", `${message} See edgefuse token --help.`);
