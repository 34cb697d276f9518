import type { JobDescription, JobSummary } from "../../shared/api/jobs.ts";

/** `running  train  attempt 1, box-1  40 %  pr=12`. */
export function jobText({
  state,
  reason,
  kind,
  attempt,
  agent,
  progress,
  labels,
  cancelRequested,
}: JobSummary): string {
  const { done, total } = progress ?? {};
  const share = done === undefined || !total ? [] : [`${Math.floor((100 * done) / total)} %`];
  return [
    state + (reason === null || reason === "done" || reason === state ? "" : ` (${reason})`),
    kind,
    ...(attempt === 0 ? [] : [`attempt ${attempt}${agent === null ? "" : `, ${agent}`}`]),
    ...(state === "running" ? share : []),
    ...(cancelRequested && (state === "leased" || state === "running") ? ["is to stop"] : []),
    ...Object.entries(labels).map(([name, value]) => `${name}=${value}`),
  ].join("  ");
}

/** The same, with what it made and kept, and what is part of it. */
export function fullText(job: JobDescription): string {
  const { model = null, alias = null } = job.result ?? {};
  return [
    `${job.id}  ${jobText(job)}`,
    ...(job.message === null ? [] : [`  ${job.message}`]),
    ...job.outputs.map(({ checkpoint, name }) => `  made  ${checkpoint}${name === null ? "" : `  ${name}`}`),
    ...job.files.map(({ name, bytes, attempt }) => `  kept  ${name}  ${bytes} bytes, of attempt ${attempt}`),
    ...job.children.map((child) => `  part  ${child.id}  ${jobText(child)}`),
    ...(model === null ? [] : [`  model  ${model}`]),
    ...(alias === null ? [] : [`  alias  ${alias.name}, version ${alias.version}`]),
  ].join("\n");
}
