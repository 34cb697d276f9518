import { expect } from "vitest";
import type { Environment } from "../../../worker/environment.ts";
import { bindings } from "../migrations.ts";
import { faultyBindings, MOMENTS } from "./faulty-bindings.ts";
import { type Answer, type Ask, ask, empty, healthy, inconsistencies } from "./world.ts";

export interface Scenario {
  /** Brings about what the request builds upon, over bindings that work, all of it fresh. */
  prepare(): Promise<Prepared>;
  /** Variables of the deployment, such as EDGEFUSE_INLINE_BYTES. */
  readonly variables?: Partial<Environment>;
  /** Objects without a row that are not the service's, but their sender's. */
  mayHold?(key: string): boolean;
}

export interface Prepared {
  readonly request: Ask;
  /** Where a retry is not the very same request: what the client asks then, having seen how the first one ended. */
  retry?(first: Answer): Promise<Ask>;
  /** Looks at the answer of the retry, and at what is there now. */
  verify(answer: Answer): Promise<void>;
}

/** More calls than any request makes: a scenario that goes beyond does not end. */
const MOST_CALLS = 200;

/**
 * Makes every call of a request fail, one after the other, at every moment. After each the catalog and the bucket agree,
 * the answer is a problem document or right, and the same request again succeeds.
 */
export async function failEveryCall({ prepare, variables = {}, mayHold }: Scenario): Promise<void> {
  const wrong: string[] = [];
  let faults = 0;
  for (const moment of MOMENTS) {
    for (let number = 0; number < MOST_CALLS; number++) {
      const prepared = await prepare();
      const faulty = faultyBindings({ ...bindings, ...variables }, { number, moment });
      const first = await ask(faulty.environment, prepared.request);
      const failed = faulty.failed();
      if (number >= faulty.calls.length) {
        await prepared.verify(first);
        break;
      }
      if (failed === undefined) continue;
      faults++;
      const found = [...(await inconsistencies(mayHold)), ...misleading(first)];
      const { request } = prepared;
      const second = await ask({ ...healthy, ...variables }, (await prepared.retry?.(first)) ?? request);
      if (second.status >= 400) found.push(`the retry failed: ${new TextDecoder().decode(second.bytes)}`);
      else await prepared.verify(second);
      for (const remains of await inconsistencies(mayHold)) found.push(`after the retry: ${remains}`);
      wrong.push(...found.map((what) => `${moment} call ${number}, ${failed}: ${what}`));
      if (found.length > 0) await empty();
    }
  }
  expect(wrong).toEqual([]);
  expect(faults).toBeGreaterThan(0);
}

/** What an answer to a request that met a fault must not say. */
function misleading({ status, headers, bytes }: Answer): string[] {
  if (status < 400) return [];
  const text = new TextDecoder().decode(bytes);
  const found = status < 500 ? [`the caller is blamed: ${status} ${text}`] : [];
  if (headers.get("content-type") !== "application/problem+json") found.push(`no problem document: ${text}`);
  // What the platform said is for the log alone.
  if (/Injected|broke off|failed (before|during|after)/.test(text)) found.push(`it tells too much: ${text}`);
  return found;
}
