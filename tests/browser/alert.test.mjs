// The first minute of a new user: demo, sign-in link, one curl line, an alert on the open page.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Demo, listen, openBrowser, signIn, within } from './house.mjs';

let demo, browser, page, complaints;

before(async () => {
  demo = await Demo.start();
  browser = await openBrowser();
  page = await (await browser.newContext()).newPage();
  complaints = await listen(page);
});

after(async () => {
  await browser?.close();
  await demo?.stop();
});

/** Addresses of the leads that ring, and of the messages in the feed, as the page shows them. */
const shown = () => page.evaluate(() => ({
  leads: [...document.querySelectorAll('.ring-grid a.name')].map((a) => a.getAttribute('href')),
  told: [...document.querySelectorAll('.ring-grid > li')].filter((li) => li.querySelector('.told')).map((li) => li.querySelector('a.name')?.getAttribute('href')),
}));

test('the sign-in link leads to the overview', async () => {
  await signIn(page, demo);
  assert.match(page.url(), /\/t\/[^/]+$/);
  assert.ok(await page.title());
});

test('the printed curl line brings a lead and its emergency alert onto the open page within a second', async () => {
  await page.locator('.live:visible').filter({ hasText: /^\s*Live\s*$/ }).waitFor();
  const before = await shown();
  const stays = await page.evaluate(() => { window.sameDocument = true; return performance.timeOrigin; });
  await demo.pasteCurl();
  const since = Date.now();
  await within(1_000, since, async () => {
    const now = await shown();
    const fresh = now.leads.filter((lead) => !before.leads.includes(lead));
    return fresh.some((lead) => now.told.includes(lead));
  }, 'a new ringing lead that somebody was told of');
  assert.equal(await page.evaluate(() => window.sameDocument && performance.timeOrigin), stays, 'the page was not loaded again');
  const { data } = await demo.ask('/v1/sandbox/messages');
  assert.ok(data.some((message) => message.channel === 'sms' && /emergency/i.test(JSON.stringify(message))), 'the alert went out as a text');
});

test('nothing on the way complained', () => {
  assert.deepEqual(complaints, []);
});
