/** Exits with 0 where a browser for the tests starts, with 1 where none does. */
import { launchBrowser } from "../../test/support/browser.ts";

try {
  const browser = await launchBrowser();
  process.stdout.write(browser === undefined ? "" : `Chromium ${browser.version()}\n`);
  await browser?.close();
  process.exitCode = browser === undefined ? 1 : 0;
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
