// Without JavaScript: a customer books, everybody is told; a member of the staff signs in (L2, U).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Demo, openBrowser, signIn, within } from './house.mjs';

/** Forms that are filled in faster than this are taken for a robot's (L3). */
const QUICKEST_MS = 2_000;
const tomorrow = new Date(Date.now() + 24 * 3600 * 1000).toISOString().slice(0, 10);
const answers = {
  first_name: 'Dana', last_name: 'Whitfield', phone: '(303) 555-0142', email: 'dana.whitfield@example.com',
  vehicle_year: '2021', vehicle_make: 'BMW', vehicle_model: 'X3', service_type: 'replacement', mobile_service: true,
  preferred_date: tomorrow, city: 'Denver', state: 'CO', zip: '80202', sms_consent: true,
};

let demo, browser, page, tenant;

before(async () => {
  demo = await Demo.start('--preset', 'auto-glass');
  browser = await openBrowser();
  page = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
});

after(async () => {
  await browser?.close();
  await demo?.stop();
});

/** Answers what the page asks, as far as `given` has an answer, and presses its button. */
async function fillAndGoOn(given) {
  for (const [name, value] of Object.entries(given)) {
    const field = page.locator(`form [name="${name}"]:not([type="hidden"])`);
    if (await field.count() === 0) continue;
    if (value === true) await field.check();
    else if (await field.evaluate((element) => element.localName === 'select')) await field.selectOption(value);
    else await field.fill(value);
  }
  await page.locator('form button:not([name="_go"])').first().click();
}

/** Opens the booking form and goes through its steps up to the last. */
async function goToLastStep() {
  await page.goto(`${demo.url}/f/${tenant}.booking`);
  const opened = Date.now();
  for (let step = 1; await page.locator('form [name="email"]').count() === 0; step += 1) {
    assert.ok(step < 10, 'the form comes to an end');
    await fillAndGoOn(answers);
  }
  return opened;
}

const sent = async () => (await demo.ask('/v1/sandbox/messages?limit=100')).data;

test('the sign-in link works', async () => {
  await signIn(page, demo);
  tenant = new URL(page.url()).pathname.match(/^\/t\/([^/]+)$/)?.[1];
  assert.ok(tenant, page.url());
  assert.ok(await page.locator('nav[aria-label="Pages"] a').count() > 0);
});

test('a mistake is explained beside its field, and nothing that was typed is lost', async () => {
  await goToLastStep();
  await fillAndGoOn({ ...answers, phone: '303 555' });
  const problems = page.locator('[role="alert"]');
  await problems.waitFor();
  assert.match(await problems.innerText(), /phone/i);
  assert.equal(await page.locator('[name="phone"]').getAttribute('aria-invalid'), 'true');
  assert.equal(await page.locator('[name="email"]').inputValue(), answers.email);
});

test('a booking brings the customer a mail and a text, and the staff theirs, each within a second', async () => {
  const opened = await goToLastStep();
  const before = new Set((await sent()).map((message) => message.id));
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, opened + QUICKEST_MS + 100 - Date.now())));
  await fillAndGoOn(answers);
  const since = Date.now();
  assert.match(page.url(), /thank/, 'the customer is thanked');
  const thanks = await page.locator('main').innerText();
  assert.match(thanks, /reference/i);
  const isFor = (message, channel, customer) => message.channel === channel && !before.has(message.id)
    && (customer ? [answers.email, '+13035550142'].includes(message.recipient) : message.category === 'staff');
  for (const [what, channel, customer] of [
    ['a mail to the customer', 'email', true], ['a text to the customer', 'sms', true],
    ['a mail to the staff', 'email', false], ['a text to the person on call', 'sms', false],
  ]) {
    await within(1_000, since, async () => (await sent()).some((message) => isFor(message, channel, customer)), what);
  }
});
