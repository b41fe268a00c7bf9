// Workflows, runs, a simulation, staff and speed to lead as a person uses them: with the mouse, with the keyboard, in both themes and on a phone.
import { AxeBuilder } from '@axe-core/playwright';
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Demo, listen, openBrowser, screenshots, signIn, within } from './house.mjs';

const WIDTHS = [1440, 390, 320];
const WAITS = `name: call-back
label: Call back
product: plumbing
trigger: manual
steps:
  - send: { to: { list: office }, channels: { all: [email] }, template: new-request, category: staff }
  - wait_for: { event: lead.acknowledged, within: 1h }
    otherwise:
      - create_task: { title: Call back now, due: 30m }
      - wait: 2h
`;

let demo, browser, page, complaints, base, lead;

before(async () => {
  mkdirSync(screenshots, { recursive: true });
  demo = await Demo.start();
  browser = await openBrowser();
  page = await (await browser.newContext({ viewport: { width: WIDTHS[0], height: 900 } })).newPage();
  complaints = await listen(page);
  await signIn(page, demo);
  base = new URL(page.url()).pathname;
  await demo.ask('/v1/workflows/call-back', { method: 'PUT', body: WAITS });
  ({ id: lead } = await demo.ask('/v1/leads', { method: 'POST', body: JSON.stringify({ first_name: 'Dana', last_name: 'Whitfield', phone: '+13035550142' }) }));
  await demo.ask('/v1/workflows/call-back/runs', { method: 'POST', body: JSON.stringify({ lead_id: lead }) });
});

after(async () => {
  await browser?.close();
  await demo?.stop();
});

/** Nothing is in the way of anybody, in both themes and at every width; keeps pictures. */
async function sound(name) {
  const found = [];
  for (const theme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: theme });
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 900 });
      const { violations } = await new AxeBuilder({ page }).analyze();
      for (const fault of violations) found.push(`${name} ${theme} ${width}: ${fault.id}, ${fault.help}: ${fault.nodes.map((node) => node.target.join(' ')).slice(0, 3).join('; ')}`);
      const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
      if (wide > room) found.push(`${name} ${theme} ${width}: is ${wide} px wide`);
      await page.screenshot({ path: join(screenshots, `${name}-${theme}-${width}.png`), fullPage: true });
    }
  }
  await page.setViewportSize({ width: WIDTHS[0], height: 900 });
  assert.deepEqual(found, []);
}

test('a workflow is drawn with its runs, edited as a draft, compared and published', { timeout: 300_000 }, async () => {
  await page.goto(`${demo.url}${base}/workflows/call-back`);
  assert.match(await page.locator('svg.flow desc').textContent(), /1 runs began, 0 went to the end, 1 wait now/);
  assert.match(await page.locator('main').innerText(), /1 came, 1 waits now/);
  await sound('workflow-one');
  await page.getByRole('link', { name: 'Edit', exact: true }).click();
  const text = page.locator('#text');
  await text.fill((await text.inputValue()).replace('within: 1h', 'within: soon'));
  await page.getByRole('button', { name: 'Keep as a draft' }).click();
  await page.locator('[role=alert]').waitFor();
  assert.match(await page.locator('[role=alert]').innerText(), /Line \d+/);
  await sound('workflow-edit-mistake');
  assert.match(await text.inputValue(), /within: soon/, 'nothing typed is lost');
  complaints.splice(0, complaints.length, ...complaints.filter((one) => !one.includes('422')));
  await text.fill((await text.inputValue()).replace('within: soon', 'within: 45m'));
  await page.getByRole('button', { name: 'Keep as a draft' }).click();
  await page.getByText('A draft differs').waitFor();
  await page.getByRole('link', { name: 'Compare and publish' }).click();
  await page.locator('.diff ins').waitFor();
  await sound('workflow-versions');
  await page.getByRole('link', { name: 'Simulate it' }).click();
  await page.getByRole('button', { name: 'Simulate' }).click();
  await page.getByRole('heading', { name: 'What the draft makes different' }).waitFor();
  await sound('simulate-draft');
  await page.goto(`${demo.url}${base}/workflows/call-back/versions?to=draft`);
  await page.getByRole('button', { name: 'Publish the draft' }).click();
  await page.getByText('Version 2 holds from now on').waitFor();
  await page.goto(`${demo.url}${base}/workflows/call-back/move`);
  await page.getByRole('button', { name: 'Look what would become of them' }).click();
  await within(15_000, Date.now(), async () => {
    await page.goto(`${demo.url}${base}/workflows/call-back/move`);
    return page.getByText('The last look: 1 run can go on').isVisible();
  }, 'the look is over');
  await sound('workflow-move');
});

test('a run says why it waits, and a person stops it', { timeout: 300_000 }, async () => {
  await page.goto(`${demo.url}${base}/runs?workflow=call-back`);
  await sound('runs-list');
  await page.getByRole('link', { name: 'Dana Whitfield' }).click();
  assert.match(await page.locator('h1').innerText(), /Waits for “I take this one”, until/);
  await sound('runs-one');
  await page.getByRole('button', { name: 'Stop it' }).click();
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Stop it' }).click();
  await page.getByRole('button', { name: 'Stop the run' }).click();
  await page.getByRole('heading', { name: 'call-back was stopped' }).waitFor();
});

test('a file of events is simulated, and a mistake keeps what was typed', { timeout: 300_000 }, async () => {
  await page.goto(`${demo.url}${base}/simulate`);
  await sound('simulate-empty');
  const file = join(demo.folder, 'day.jsonl');
  writeFileSync(file, `{"at_offset_s":0,"path":"/f/contact","body":{"first_name":"Dana","phone":"+1 303-555-0151","email":"dana@example.com","zip":"80202"}}\n`);
  await page.locator('#file').setInputFiles(file);
  await page.locator('#from').fill('2026-11-24T08:00');
  await page.getByRole('button', { name: 'Simulate' }).click();
  await page.getByRole('heading', { name: /\d+ messages would go out/ }).waitFor();
  await sound('simulate-told');
  await page.locator('#lines').fill('nonsense');
  await page.getByRole('button', { name: 'Simulate' }).click();
  await page.locator('#mistake').waitFor();
  assert.equal(await page.locator('#lines').inputValue(), 'nonsense');
  complaints.splice(0, complaints.length, ...complaints.filter((one) => !one.includes('422')));
});

test('staff and speed to lead, and an alert that comes while a page is open', { timeout: 300_000 }, async () => {
  await page.goto(`${demo.url}${base}/staff`);
  assert.match(await page.locator('h1').innerText(), /is on call/);
  await sound('staff');
  await page.goto(`${demo.url}${base}/leads`);
  await page.locator('[data-live-sign]', { hasText: 'Live' }).first().waitFor();
  const since = Date.now();
  await demo.pasteCurl();
  const toast = page.locator('.toast').first();
  await within(10_000, since, () => toast.isVisible(), 'the alert is on the page');
  assert.match(await toast.innerText(), /rings/);
  await sound('alert-toast');
  await toast.getByRole('button', { name: 'I take this one' }).click();
  await page.getByText('You have this one').waitFor();
  await page.goto(`${demo.url}${base}/reports`);
  await page.getByRole('heading', { name: /Half are answered within/ }).waitFor();
  await sound('reports');
});

test('no page complained', () => {
  assert.deepEqual(complaints, []);
});
