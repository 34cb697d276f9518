import { availableParallelism } from "node:os";
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

/**
 * CI runs the same cases every time, so that what fails there fails here; elsewhere properties look further each time.
 * EDGEFUSE_PROPERTY_SEED sets the seed.
 */
const seeds = process.env["EDGEFUSE_PROPERTY_SEED"] ?? (process.env["CI"] === "true" ? "1" : undefined);
const properties = {
  provide: { propertySeed: seeds === undefined ? undefined : Number(seeds) },
  setupFiles: ["test/support/property-seed.ts"],
};

/** Two kinds of test: `node` for the core, the trainer and everything over real HTTP; `workerd` inside the runtime. */
export default defineConfig({
  test: {
    // Vitest leaves a core free, which of two is half; tests wait for processes and stores most of their time.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    reporters:
      process.env["CI"] === "true" ? ["default", ["json", { outputFile: ".edgefuse/test-results.json" }]] : ["default"],
    projects: [
      {
        test: {
          name: "node",
          ...properties,
          include: ["test/{shared,trainer,infra,e2e}/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        plugins: [
          cloudflareTest({
            wrangler: { configPath: "./wrangler.toml" },
            miniflare: { bindings: { EDGEFUSE_ADMIN_TOKEN: "test-admin-token" } },
          }),
        ],
        test: {
          name: "workerd",
          ...properties,
          include: ["test/worker/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
