/** Load generator: takes a {@link Load} as JSON, prints {@link LoadFigures}. Started by load.ts. */
import { Agent, get } from "node:http";
import type { Load, LoadFigures } from "./load.ts";

const [argument = ""] = process.argv.slice(2);
const { url, headers, connections, seconds, expected } = JSON.parse(argument) as Load;
const agent = new Agent({ keepAlive: true, maxSockets: connections });

/** One request. @returns milliseconds until its last byte */
function ask(): Promise<number> {
  return new Promise((resolve, reject) => {
    const begin = performance.now();
    get(url, { agent, headers }, (response) => {
      let bytes = 0;
      response.on("data", (chunk: Buffer) => void (bytes += chunk.length));
      response.on("error", reject);
      response.on("end", () => {
        if (response.statusCode === expected.status && bytes === expected.bytes) resolve(performance.now() - begin);
        else reject(new Error(`got ${response.statusCode} and ${bytes} bytes, not ${JSON.stringify(expected)}`));
      });
    }).on("error", reject);
  });
}

const times: number[] = [];
const begin = performance.now();
const end = begin + seconds * 1000;
await Promise.all(
  Array.from({ length: connections }, async () => {
    while (performance.now() < end) times.push(await ask());
  }),
);
const elapsed = (performance.now() - begin) / 1000;
agent.destroy();
times.sort((a, b) => a - b);
const quantile = (share: number) => times[Math.min(times.length - 1, Math.floor(share * times.length))] ?? Number.NaN;
const figures: LoadFigures = {
  requestsPerSecond: times.length / elapsed,
  p50: quantile(0.5),
  p99: quantile(0.99),
};
process.stdout.write(JSON.stringify(figures));
