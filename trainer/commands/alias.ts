import {
  type AliasChange,
  type AliasCondition,
  type AliasDescription,
  ApiError,
  type GateForm,
} from "../../shared/api/index.ts";
import type { ModelId } from "../../shared/identity.ts";
import { type Action, chooseAction } from "../command-line/actions.ts";
import { defineCommand } from "../command-line/command.ts";
import { flag, optional, wholeNumber } from "../command-line/options.ts";
import type { Terminal } from "../command-line/terminal.ts";
import { Failure } from "../failure.ts";
import { type RemoteWorker, workerOf } from "../remote/connect.ts";
import { findRemote } from "../remote/find-remote.ts";
import { showRefusal } from "../remote/refusal.ts";
import { parseReference } from "../remote/reference.ts";
import { GATE_OPTIONS, gateFromOptions } from "./gate-options.ts";

interface AliasOptions {
  readonly "if-version": number | undefined;
  readonly new: boolean;
  readonly protect: boolean;
  readonly unprotect: boolean;
  /** What models must hold from now on that it moves to; null: nothing any more; undefined: as before. */
  readonly gate: GateForm | null | undefined;
  readonly to: number | undefined;
}

interface AliasAction extends Action {
  readonly options: readonly (keyof AliasOptions)[];
  run(operands: readonly string[], options: AliasOptions, worker: RemoteWorker, terminal: Terminal): Promise<void>;
}

const ACTIONS: ReadonlyMap<string, AliasAction> = new Map([
  ["list", { operands: [], options: [], run: list }],
  ["get", { operands: ["NAME"], options: [], run: get }],
  ["set", { operands: ["NAME", "MODEL"], options: ["if-version", "new", "protect", "unprotect", "gate"], run: set }],
  ["history", { operands: ["NAME"], options: [], run: history }],
  ["rollback", { operands: ["NAME"], options: ["if-version", "to"], run: rollback }],
  ["delete", { operands: ["NAME"], options: ["if-version"], run: remove }],
]);

export const alias = defineCommand({
  name: "alias",
  summary: "name models, move names, roll them back",
  description:
    "list; get NAME; set NAME MODEL; history NAME; rollback NAME; delete NAME.\n" +
    "MODEL is the id of a model, or another alias. A change happens only if the alias still is what it was when this\n" +
    "command looked, or what --if-version says: nobody's change is undone unseen. The worker is EDGEFUSE_URL; reading\n" +
    "takes a token (EDGEFUSE_TOKEN) of scope read or publish, changing one of scope publish.",
  operands: { placeholder: "ACTION...", help: "what to do: list, get, set, history, rollback, delete", least: 1 },
  options: {
    "if-version": optional(wholeNumber(1, 2 ** 31, { help: "change it only if it is at this version" })),
    new: flag("set: make it, and never move one that is there"),
    protect: flag("set: from now on it moves only to models that passed a gate"),
    unprotect: flag("set: end its protection (takes scope admin)"),
    ...GATE_OPTIONS,
    "no-gate": flag("set: end its gate (takes scope admin)"),
    to: optional(wholeNumber(1, 2 ** 31, { help: "rollback: to this version (default: the one before)" })),
  },
  examples: [
    { what: "publish a model under a name", line: "edgefuse alias set team/digits 3f2a…" },
    {
      what: "from now on every model must hold this to be published under the name",
      line: "edgefuse alias set team/digits 3f2a… --gate accuracyBarrier=0.02 --gate-dataset digits",
    },
    { what: "what it was before", line: "edgefuse alias history team/digits" },
    { what: "undo the last move", line: "edgefuse alias rollback team/digits" },
  ],
  async run(values, words, context) {
    const { name, action, operands } = chooseAction("alias", ACTIONS, words);
    const { gate: _limits, "gate-dataset": _dataset, "no-gate": endsGate, ...rest } = values;
    const asked = gateFromOptions(values, "alias");
    if (endsGate && asked !== undefined) throw usage("--gate and --no-gate contradict each other.");
    const options: AliasOptions = { ...rest, gate: endsGate ? null : asked };
    const given = (Object.keys(options) as (keyof AliasOptions)[]).filter(
      (key) => options[key] !== undefined && options[key] !== false,
    );
    const stray = given.find((option) => !action.options.includes(option));
    if (stray !== undefined) throw usage(`--${stray} does not go with alias ${name}.`);
    await action.run(operands, options, workerOf(context), context.terminal);
  },
});

async function list(_: readonly string[], __: AliasOptions, worker: RemoteWorker, terminal: Terminal): Promise<void> {
  await worker.ask("list aliases", async () => {
    for await (const found of worker.client.aliases.list()) show(found, "alias", terminal);
  });
}

async function get([name = ""]: readonly string[], _: AliasOptions, worker: RemoteWorker, terminal: Terminal) {
  show(await worker.ask(`show the alias ${name}`, () => worker.client.aliases.get(plain(name))), "alias", terminal);
}

async function set(
  [given = "", text = ""]: readonly string[],
  options: AliasOptions,
  worker: RemoteWorker,
  terminal: Terminal,
): Promise<void> {
  const name = plain(given);
  if (options.protect && options.unprotect) throw usage("--protect and --unprotect contradict each other.");
  if (options.new && options["if-version"] !== undefined) throw usage("--new and --if-version contradict each other.");
  const model = await modelOf(worker, text);
  if (options.unprotect && options.gate) throw usage("--unprotect and --gate contradict each other.");
  const wanted = {
    ...(options.protect || options.unprotect ? { protected: options.protect } : {}),
    ...(options.gate === undefined ? {} : { gate: options.gate }),
  };
  const { aliases } = worker.client;
  const before = await worker.ask(`show the alias ${name}`, () => aliases.find(name));
  const isSo =
    before?.model === model &&
    (wanted.protected ?? before.protected) === before.protected &&
    (options.gate === undefined || (options.gate === null && before.gate === null));
  if (isSo && !options.new && (options["if-version"] ?? before.version) === before.version) {
    terminal.note("It is so already.");
    return show(before, "set", terminal);
  }
  const version = options["if-version"] ?? before?.version;
  const condition: AliasCondition = options.new || version === undefined ? "new" : { version };
  const after = await showRefusal(terminal, () =>
    worker.ask(`set the alias ${name}`, () => aliases.put(name, { model, ...wanted }, condition)),
  );
  if (before !== undefined && before.model !== after.model) terminal.note(`was ${before.model} (v${before.version})`);
  show(after, "set", terminal);
}

async function history([given = ""]: readonly string[], _: AliasOptions, worker: RemoteWorker, terminal: Terminal) {
  const name = plain(given);
  await worker.ask(`show the history of ${name}`, async () => {
    for await (const change of worker.client.aliases.history(name)) {
      terminal.result({ event: "version", name, ...change }, changeText(change));
    }
  });
}

async function rollback(
  [given = ""]: readonly string[],
  options: AliasOptions,
  worker: RemoteWorker,
  terminal: Terminal,
) {
  const name = plain(given);
  const { aliases } = worker.client;
  const version =
    options["if-version"] ?? (await worker.ask(`show the alias ${name}`, () => aliases.get(name))).version;
  const request = options.to === undefined ? {} : { version: options.to };
  const after = await worker.ask(`roll back ${name}`, () => aliases.rollback(name, request, { version }));
  show(after, "rollback", terminal);
}

async function remove(
  [given = ""]: readonly string[],
  options: AliasOptions,
  worker: RemoteWorker,
  terminal: Terminal,
) {
  const name = plain(given);
  const { aliases } = worker.client;
  const version =
    options["if-version"] ?? (await worker.ask(`show the alias ${name}`, () => aliases.get(name))).version;
  await worker.ask(`delete the alias ${name}`, () => aliases.delete(name, { version }));
  terminal.result({ event: "deleted", name, version }, `${name} is deleted; its history stays`);
}

/** `@digits` is `digits` too. @throws Failure `usage` */
function plain(given: string): string {
  const reference = parseReference(given);
  if (reference.kind === "id" || reference.revision !== "main") {
    throw usage(`${JSON.stringify(given)} is no alias; write one such as digits or team/digits.`);
  }
  return reference.name;
}

async function modelOf(worker: RemoteWorker, text: string): Promise<ModelId> {
  try {
    const thing = await findRemote(worker, parseReference(text));
    if (thing.kind === "model") return thing.id;
    throw new Failure("refused", `${text} is a checkpoint; an alias points at a fused model.`);
  } catch (error) {
    if (!(error instanceof Failure) || !(error.cause instanceof ApiError) || error.cause.status !== 403) throw error;
    // Who may publish may not be allowed to read; the worker decides when the alias is set.
    const reference = parseReference(text);
    if (reference.kind === "id") return reference.id as ModelId;
    throw error;
  }
}

function show(found: AliasDescription, event: string, { result }: Terminal): void {
  const { name, model, version, protected: isProtected, updatedAt } = found;
  result({ event, ...found }, `${name}  v${version}  ${model}  ${updatedAt}${isProtected ? "  protected" : ""}`);
}

function changeText({ version, model, action, restored, createdAt, createdBy }: AliasChange): string {
  const what = restored === null ? action : `${action} to v${restored}`;
  return `v${version}  ${model ?? "-".padEnd(64)}  ${createdAt}  ${what} by ${createdBy}`;
}

const usage = (message: string) => new Failure("usage", `${message} See edgefuse alias --help.`);
