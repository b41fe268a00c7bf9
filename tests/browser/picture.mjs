// Writes the picture of the overview for the README: the real page of a demo after its curl line.
import { mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Demo, openBrowser, signIn } from './house.mjs';

const target = resolve(process.argv[2] ?? '../../docs/images/overview.png');
const demo = await Demo.start();
const browser = await openBrowser();
try {
  const page = await (await browser.newContext({ viewport: { width: 1440, height: 900 }, deviceScaleFactor: 1 })).newPage();
  await signIn(page, demo);
  await demo.pasteCurl();
  await page.locator('.ring-grid .told').first().waitFor();
  mkdirSync(dirname(target), { recursive: true });
  await page.screenshot({ path: target });
  console.log(`picture: ${target}`);
} finally {
  await browser.close();
  await demo.stop();
}
