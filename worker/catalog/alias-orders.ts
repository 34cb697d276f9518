import type { AliasName } from "../../shared/api/aliases.ts";
import type { ParsedGateForm } from "../../shared/api/gates.ts";
import type { GateId, ModelId } from "../../shared/identity.ts";
import type { JobId } from "../../shared/jobs/job-id.ts";

/** An alias that shall move to a model once that is stored and has passed all of these gates. */
export interface AliasOrder {
  readonly model: ModelId;
  readonly alias: AliasName;
  readonly gates: readonly GateId[];
  /** The version of the alias that whoever ordered it has seen; null: whichever there is, or none. */
  readonly version: number | null;
  /** What the alias becomes along with it; null: as it is. */
  readonly isProtected: boolean | null;
  /** Its new gate; undefined: as it is. */
  readonly gate: ParsedGateForm | null | undefined;
  readonly createdAt: string;
  readonly createdBy: string;
  /** Which ordered it; undefined: a request. */
  readonly job?: JobId | undefined;
}

interface Row {
  model: string;
  alias: string;
  gates: string;
  version: number | null;
  protected: number | null;
  gate: string | null;
  created_at: string;
  created_by: string;
}

/**
 * Of several orders that send an alias to one model, the last one counts. For a model that was deleted meanwhile, or whose
 * fusion has ended, none is placed: whoever makes it anew orders nothing.
 */
export async function placeOrder(catalog: D1Database, order: AliasOrder): Promise<void> {
  await catalog
    .prepare(
      `INSERT INTO alias_orders (model, alias, gates, version, protected, gate, created_at, created_by, job)
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9
       WHERE EXISTS (SELECT 1 FROM models WHERE id = ?1)
         OR EXISTS (SELECT 1 FROM fusions WHERE id = ?1 AND state IN ('lazy', 'queued', 'running'))
       ON CONFLICT (model, alias) DO UPDATE SET gates = excluded.gates, version = excluded.version,
         protected = excluded.protected, gate = excluded.gate, created_at = excluded.created_at,
         created_by = excluded.created_by, job = excluded.job`,
    )
    .bind(
      order.model,
      order.alias,
      JSON.stringify(order.gates),
      order.version,
      order.isProtected === null ? null : order.isProtected ? 1 : 0,
      order.gate === undefined ? null : JSON.stringify(order.gate),
      order.createdAt,
      order.createdBy,
      order.job ?? null,
    )
    .run();
}

export async function ordersFor(catalog: D1Database, model: ModelId): Promise<AliasOrder[]> {
  const { results } = await catalog
    .prepare("SELECT * FROM alias_orders WHERE model = ? ORDER BY seq")
    .bind(model)
    .all<Row>();
  return results.map((row) => ({
    model: row.model as ModelId,
    alias: row.alias as AliasName,
    gates: JSON.parse(row.gates) as GateId[],
    version: row.version,
    isProtected: row.protected === null ? null : row.protected !== 0,
    gate: row.gate === null ? undefined : (JSON.parse(row.gate) as ParsedGateForm | null),
    createdAt: row.created_at,
    createdBy: row.created_by,
  }));
}

/** Takes back what a job ordered and was not carried out yet. */
export async function withdrawOrders(catalog: D1Database, job: JobId): Promise<void> {
  await catalog.prepare("DELETE FROM alias_orders WHERE job = ?").bind(job).run();
}

/** To be called when an order was carried out, or cannot be any more. */
export async function dropOrder(
  catalog: D1Database,
  { model, alias, createdAt }: Pick<AliasOrder, "model" | "alias" | "createdAt">,
): Promise<void> {
  await catalog
    .prepare("DELETE FROM alias_orders WHERE model = ? AND alias = ? AND created_at = ?")
    .bind(model, alias, createdAt)
    .run();
}
