import { createApp } from "./app.ts";

/** Entry point of the worker. */
export default createApp({ now: () => new Date(), uniqueName: () => crypto.randomUUID() });
