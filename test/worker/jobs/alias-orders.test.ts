import { beforeAll, describe, expect, it } from "vitest";
import type { AliasName } from "../../../shared/api/aliases.ts";
import type { GateId, ModelId } from "../../../shared/identity.ts";
import { JOB_ID_RANDOM_BYTES, type JobId, newJobId } from "../../../shared/jobs/job-id.ts";
import { newStatus, policyOf } from "../../../shared/jobs/decide.ts";
import { jobSpec } from "../../../shared/jobs/spec.ts";
import { ordersFor, placeOrder } from "../../../worker/catalog/alias-orders.ts";
import { insertJob } from "../../../worker/catalog/job-changes.ts";
import { requireJob } from "../../../worker/catalog/jobs.ts";
import { cancelJob } from "../../../worker/jobs/apply.ts";
import { bindings, migrate } from "../migrations.ts";

const { CATALOG } = bindings;
const model = "a".repeat(64) as ModelId;
const now = () => new Date(1_000_000);

beforeAll(async () => {
  await migrate();
  // An alias waits for what is being made.
  await CATALOG.prepare(
    `INSERT INTO fusions (id, recipe, state, attempt, bytes, data_offset, has_weights_form, part_bytes, etags, created_at,
       updated_at)
     VALUES (?1, '{}', 'running', 1, 1, 0, 0, 1, '{}', ?2, ?2)`,
  )
    .bind(model, now().toISOString())
    .run();
});

const order = (alias: string, job?: JobId) =>
  placeOrder(CATALOG, {
    model,
    alias: alias as AliasName,
    gates: ["b".repeat(64) as GateId],
    version: null,
    isProtected: null,
    gate: undefined,
    createdAt: now().toISOString(),
    createdBy: "test",
    job,
  });

describe("an alias that a job shall move once its gate has passed", () => {
  it("stays where it is when the job is cancelled before; what others ordered stands", async () => {
    const train = { models: 2 };
    const gate = { accuracyBarrier: { max: 0.1 } };
    const fuse = { method: "linear" };
    const spec = jobSpec.parse({ version: 1, kind: "pipeline", train, fuse, gate, dataset: "digits", alias: "mine" });
    const id = newJobId(now(), crypto.getRandomValues(new Uint8Array(JOB_ID_RANDOM_BYTES)));
    const status = newStatus(policyOf(spec, 1_000), now().getTime());
    await insertJob(
      CATALOG,
      { id, spec, status, parent: null, member: null, createdBy: "test", at: now().getTime() },
      false,
    );
    await order("mine", id);
    await order("theirs");
    expect((await ordersFor(CATALOG, model)).map(({ alias }) => alias)).toEqual(["mine", "theirs"]);

    const job = await cancelJob(bindings, await requireJob(CATALOG, id), now);
    expect(job.status.state).toBe("cancelled");
    expect((await ordersFor(CATALOG, model)).map(({ alias }) => alias)).toEqual(["theirs"]);
  });
});
