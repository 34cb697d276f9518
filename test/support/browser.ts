import { existsSync } from "node:fs";
import packaged from "@sparticuz/chromium";
import { type Browser, chromium } from "playwright-core";

/** Where distributions install Chromium. */
const INSTALLED = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** No calls home: tests run where there is no network. Web security stays on, so CORS is really tested. */
const ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-zygote", "--disable-quic", "--disable-background-networking"];

/**
 * Starts a real Chromium: the one that comes through npm where it works, else an installed one.
 *
 * Returns undefined, loudly, where there is neither; under CI it throws instead, because there the browser tests must
 * run.
 */
export async function launchBrowser(): Promise<Browser | undefined> {
  const failures: string[] = [];
  for (const find of [
    () => packaged.executablePath(),
    ...INSTALLED.filter(existsSync).map((path) => async () => path),
  ]) {
    try {
      const browser = await chromium.launch({ executablePath: await find(), args: ARGUMENTS });
      await (await browser.newPage()).close();
      return browser;
    } catch (error) {
      failures.push(error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error));
    }
  }
  const message = `no Chromium works here (${failures.join("; ")}); install it with: apt-get install -y chromium`;
  if (process.env["CI"] === "true") throw new Error(message);
  process.stderr.write(`\n*** BROWSER TESTS SKIPPED: ${message} ***\n\n`);
  return undefined;
}
