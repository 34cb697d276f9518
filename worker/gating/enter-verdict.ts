import { type Decision, deciding, type GateRecord } from "../catalog/gates.ts";
import { findModel } from "../catalog/models.ts";
import type { Environment } from "../environment.ts";
import { describeGate } from "./describe.ts";
import { verdictOf } from "./manifest-verdict.ts";

type Bindings = Pick<Environment, "BUCKET" | "CATALOG">;

/**
 * Records a verdict and, in the same transaction, makes a model that passed what its gate says. While a model is private,
 * its manifest is nobody's yet, and takes the verdict up; what is public never changes. Where there is a verdict already,
 * that one stays. What a model that passes becomes is what the catalog says then, not what it said before the work.
 */
export async function enterVerdict({ BUCKET, CATALOG }: Bindings, gate: GateRecord, decision: Decision): Promise<void> {
  const { id, question } = gate;
  const { model } = question;
  const record = await findModel(CATALOG, model);
  if (record === undefined) throw new Error(`model ${model} was there a moment ago`);
  const statements = [deciding(CATALOG, id, decision)];
  if (record.visibility === "private") {
    const { text, sha256 } = await verdictOf(BUCKET, model, describeGate({ ...gate, ...decision }));
    statements.push(
      CATALOG.prepare(
        `UPDATE models SET verdict = ?1, verdict_sha256 = ?2,
           visibility = (SELECT CASE state WHEN 'passed' THEN release ELSE 'private' END FROM gates WHERE id = ?3)
         WHERE id = ?4 AND visibility = 'private'
           AND EXISTS (SELECT 1 FROM gates WHERE id = ?3 AND state = ?5 AND decided_at = ?6)`,
      ).bind(text, sha256, id, model, decision.state, decision.decidedAt),
    );
  }
  await CATALOG.batch(statements);
}

/** Does what hangs on a verdict once more: for a model that was deleted and made anew, or shall be public now. */
export async function repeatVerdict(bindings: Bindings, gate: GateRecord): Promise<void> {
  const { state, probe, measured, reasons, decidedAt } = gate;
  if (state === "pending" || decidedAt === null) return;
  await enterVerdict(bindings, gate, { state, probe, measured, reasons, decidedAt });
}
