import { registerHooks } from "node:module";

/**
 * The API description as a deployment serves it, without starting one: the routes are there as soon as the worker's
 * modules are. Those of its kernels are nothing here, where nothing is computed.
 * @returns the text of `/openapi.json`
 */
export async function describeApiOffline(): Promise<string> {
  const hooks = registerHooks({
    load: (url, context, next) =>
      url.endsWith(".wasm")
        ? { format: "module", shortCircuit: true, source: "export default undefined;" }
        : next(url, context),
  });
  try {
    // As a variable, so that the worker's types, which are those of another runtime, stay out of this project.
    const entry = new URL("../../worker/app.ts", import.meta.url).href;
    const { createApp } = (await import(entry)) as {
      createApp: (dependencies: object) => {
        request: (path: string, init: object, bindings: object) => Promise<Response>;
      };
    };
    const app = createApp({
      now: () => new Date(0),
      uniqueName: () => "openapi",
      randomBytes: (length: number) => new Uint8Array(length),
      log: () => undefined,
    });
    const response = await app.request("/openapi.json", {}, {});
    if (!response.ok) throw new Error(`the description failed: ${await response.text()}`);
    return await response.text();
  } finally {
    hooks.deregister();
  }
}
