/**
 * `npm run bench [-- NAME …]`: timings, each comparing things in one run. Absolute figures depend on the machine and on
 * what else it does; ratios are what to read.
 */
const BENCHES: Readonly<Record<string, { summary: string; run(): Promise<unknown> }>> = {
  average: {
    summary: "averaging kernels against tfjs element-wise operations and plain loops",
    run: async () => (await import("./averaging.ts")).benchAveraging(),
  },
  train: {
    summary: "training steps against stock tfjs-wasm, and masked against plain",
    run: async () => (await import("./training.ts")).benchTraining(),
  },
};

const names = process.argv.slice(2);
const unknown = names.filter((name) => !Object.hasOwn(BENCHES, name));
if (unknown.length > 0 || names.includes("--help")) {
  process.stderr.write(`usage: npm run bench [-- NAME …]\n`);
  for (const [name, { summary }] of Object.entries(BENCHES)) process.stderr.write(`  ${name.padEnd(10)}${summary}\n`);
  process.exit(names.includes("--help") ? 0 : 2);
}
for (const [name, { summary, run }] of Object.entries(BENCHES)) {
  if (names.length > 0 && !names.includes(name)) continue;
  process.stdout.write(`\n${name}: ${summary}\n`);
  await run();
}
process.exit(0);
