// Every page, in both themes, at three widths: nothing complains, nothing is in the way of anybody (U, WCAG 2.2 AA).
import { AxeBuilder } from '@axe-core/playwright';
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Demo, listen, openBrowser, screenshots, signIn } from './house.mjs';

const WIDTHS = [1440, 390, 320];
const HEIGHT = 900;

let demo, browser, page, complaints;

before(async () => {
  mkdirSync(screenshots, { recursive: true });
  demo = await Demo.start();
  browser = await openBrowser();
  page = await (await browser.newContext({ viewport: { width: WIDTHS[0], height: HEIGHT } })).newPage();
  complaints = await listen(page);
  await signIn(page, demo);
  await demo.pasteCurl();
});

after(async () => {
  await browser?.close();
  await demo?.stop();
});

/** The addresses of a page's links, without what comes after the path, on this server only. */
async function links(scope) {
  const hrefs = await page.locator(`${scope} a[href]`).evaluateAll((all) => all.map((a) => a.href));
  const paths = hrefs.map((href) => new URL(href)).filter((url) => url.origin === demo.url).map((url) => url.pathname);
  return [...new Set(paths)];
}

/** Every page of the menu, and the first single thing behind each list. */
async function everyPage() {
  const home = new URL(page.url()).pathname;
  const menu = await links('nav[aria-label="Pages"]');
  assert.ok(menu.includes(home), `the menu leads to the page it is on: ${menu}`);
  const pages = [...menu];
  for (const list of menu.filter((path) => path !== home)) {
    await page.goto(demo.url + list);
    const inside = (await links('main')).filter((path) => path.startsWith(`${list}/`) && !pages.includes(path));
    // The settings are a handful of pages; of a list, one thing stands for all.
    const parts = inside.filter((path) => /\/settings\/[a-z]+$/.test(path));
    pages.push(...(parts.length ? parts : inside.slice(0, 1)));
  }
  assert.ok(pages.some((path) => path.endsWith('/settings/compliance')), `the rules are among ${pages}`);
  for (const one of ["runs", "simulate", "staff", "reports"]) assert.ok(pages.some((path) => path.endsWith(`/${one}`)), `${one} is among ${pages}`);
  for (const kind of ['leads', 'messages']) {
    assert.ok(pages.some((path) => new RegExp(`/${kind}/[^/]+$`).test(path)), `a page of one of the ${kind} is among ${pages}`);
  }
  return pages;
}

/** Looks at one page in both themes at every width, and keeps its picture. */
async function examine(page, path, name) {
  const found = [];
  for (const theme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: theme });
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: HEIGHT });
      found.push(...await faults(page, path, theme, width));
      if (width === 320) continue;
      await page.screenshot({ path: join(screenshots, `${name}-${theme}-${width}.png`), fullPage: true });
    }
  }
  return found;
}

async function faults(page, path, theme, width) {
  const found = [];
  // A mail's own words stand in a frame that runs no script, the examiner's neither.
  const { violations } = await new AxeBuilder({ page }).exclude('iframe').analyze();
  for (const fault of violations.filter(({ impact }) => ['serious', 'critical'].includes(impact))) {
    found.push(`${path} ${theme} ${width} px: ${fault.id}, ${fault.help}: ${fault.nodes.map((node) => node.target.join(' ')).slice(0, 3).join('; ')}`);
  }
  const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  if (wide > room) found.push(`${path} ${theme} ${width} px: is ${wide} px wide and scrolls sideways`);
  return found;
}

test('every page is sound in light and dark at 1440, 390 and 320 px', { timeout: 600_000 }, async () => {
  const found = [];
  const pages = await everyPage();
  for (const path of pages) {
    await page.setViewportSize({ width: WIDTHS[0], height: HEIGHT });
    const answer = await page.goto(demo.url + path);
    assert.equal(answer.status(), 200, path);
    // Single things have ids in their address; their picture is named after the list.
    const name = path.replace(/^\/t\/[^/]+/, '').replace(/(?<=\/)\w+_\w{13}$/, 'one').replaceAll('/', '-').replace(/^-/, '') || 'overview';
    found.push(...await examine(page, path, name));
  }
  assert.deepEqual(found, []);
  assert.deepEqual(complaints, []);
});

test('signing in is sound for somebody who is not signed in, also after a mistake', { timeout: 120_000 }, async () => {
  const stranger = await (await browser.newContext({ viewport: { width: WIDTHS[0], height: HEIGHT } })).newPage();
  const found = [];
  await stranger.goto(demo.url + '/sign-in');
  assert.equal(await stranger.locator('h1').innerText(), 'Sign in');
  found.push(...await examine(stranger, '/sign-in', 'sign-in'));
  await stranger.locator('#email').fill(`${'very.long.name'.repeat(4)}@mail.example.com`);
  await stranger.locator('#pw').fill('not the password');
  await stranger.locator('button.main').click();
  await stranger.locator('[role=alert]').waitFor();
  found.push(...await examine(stranger, '/sign-in after a mistake', 'sign-in-mistake'));
  assert.deepEqual(found, []);
  await stranger.context().close();
});

test('the policy of every page forbids what pages do not need', async () => {
  const answer = await page.goto(demo.url + '/sign-in');
  const policy = answer.headers()['content-security-policy'] ?? '';
  for (const part of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]) {
    assert.ok(policy.includes(part), `${part} is missing from: ${policy}`);
  }
  assert.doesNotMatch(policy, /unsafe-/);
  assert.equal(answer.headers()['x-content-type-options'], 'nosniff');
});
