import { createApp } from "./app.ts";

export { FuseWorkflow } from "./workflows/fuse-workflow.ts";

/** Entry point of the worker. */
export default createApp({ now: () => new Date(), uniqueName: () => crypto.randomUUID() });
