import { createExecutionContext, createScheduledController, waitOnExecutionContext } from "cloudflare:test";
import { beforeAll, expect, it } from "vitest";
import { newStatus, policyOf } from "../../../shared/jobs/decide.ts";
import { JOB_ID_RANDOM_BYTES, newJobId } from "../../../shared/jobs/job-id.ts";
import { jobSpec } from "../../../shared/jobs/spec.ts";
import { insertJob } from "../../../worker/catalog/job-changes.ts";
import { findJob } from "../../../worker/catalog/jobs.ts";
import worker from "../../../worker/index.ts";
import { bindings, migrate } from "../migrations.ts";

beforeAll(migrate);

it("every minute the schedule ends jobs that nobody took in time", async () => {
  const spec = jobSpec.parse({ version: 1, kind: "train", queueSeconds: 60 });
  const insert = async (at: number) => {
    const id = newJobId(new Date(at), crypto.getRandomValues(new Uint8Array(JOB_ID_RANDOM_BYTES)));
    const status = newStatus(policyOf(spec, 1_000), at);
    await insertJob(bindings.CATALOG, { id, spec, status, parent: null, member: null, createdBy: "test", at }, false);
    return id;
  };
  const [late, fresh] = [await insert(Date.now() - 61_000), await insert(Date.now())];
  const context = createExecutionContext();
  worker.scheduled?.(createScheduledController({ cron: "* * * * *" }), bindings as never, context);
  await waitOnExecutionContext(context);
  const states = await Promise.all(
    [late, fresh].map(async (id) => (await findJob(bindings.CATALOG, id))?.status.state),
  );
  expect(states).toEqual(["expired", "queued"]);
});
