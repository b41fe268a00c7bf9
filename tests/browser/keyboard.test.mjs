// Without a mouse: the skip link works, Tab reaches everything that matters, and where one is can always be seen.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Demo, openBrowser, signIn } from './house.mjs';

const MOST_STOPS = 150;

let demo, browser, page;

before(async () => {
  demo = await Demo.start();
  browser = await openBrowser();
  page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
  await signIn(page, demo);
  await demo.pasteCurl();
  await page.locator('.ring-grid a.name').first().waitFor();
});

after(async () => {
  await browser?.close();
  await demo?.stop();
});

/** What has the focus: its name, where it leads, whether it is in the menu or the page, and whether one can see that. */
const focused = () => page.evaluate(() => {
  const here = document.activeElement;
  if (!here || here === document.body) return null;
  const style = getComputedStyle(here);
  return {
    name: (here.getAttribute('aria-label') ?? here.textContent).trim().replace(/\s+/g, ' '),
    tag: here.localName,
    href: here.getAttribute('href') ?? '',
    menu: Boolean(here.closest('nav')),
    main: Boolean(here.closest('main')),
    seen: style.outlineStyle !== 'none' || style.boxShadow !== 'none',
  };
});

test('the first Tab is the skip link, and it skips', async () => {
  await page.reload();
  await page.keyboard.press('Tab');
  const first = await focused();
  assert.equal(first.href, '#main');
  assert.ok(first.seen);
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  const next = await focused();
  assert.ok(next.main, `after skipping, Tab goes on inside the page, not to ${JSON.stringify(next)}`);
});

test('Tab reaches menu, lead, call and take, and each stop can be seen', async () => {
  await page.reload();
  const stops = [];
  for (let n = 0; n < MOST_STOPS; n += 1) {
    await page.keyboard.press('Tab');
    const stop = await focused();
    if (!stop) break;
    stops.push(stop);
  }
  assert.deepEqual(stops.filter((stop) => !stop.seen), [], 'every stop shows that it has the focus');
  assert.ok(stops.filter((stop) => stop.menu && stop.tag === 'a').length >= 5, 'the menu');
  for (const [what, is] of Object.entries({
    'a ringing lead': (stop) => stop.main && /\/leads\//.test(stop.href),
    'the call link or the take button': (stop) => stop.main && (/^tel:/.test(stop.href) || /take/i.test(stop.name)),
  })) {
    assert.ok(stops.some(is), `${what} is among ${stops.map((stop) => stop.name).join(' | ')}`);
  }
});

test('a lead is taken with the keyboard alone', async () => {
  await page.reload();
  const first = await page.locator('.ring-grid a.name').first().getAttribute('href');
  for (let n = 0; n < MOST_STOPS; n += 1) {
    await page.keyboard.press('Tab');
    const stop = await focused();
    if (stop?.main && stop.tag === 'button' && /take/i.test(stop.name)) {
      await page.keyboard.press('Enter');
      await page.waitForFunction((lead) => document.querySelector('main#main h1')
        && document.querySelector('.ring-grid a.name')?.getAttribute('href') !== lead, first);
      return;
    }
  }
  assert.fail('no button to take a lead was reached');
});
