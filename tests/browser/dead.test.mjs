// What people see of messages that did not arrive, or of which nobody knows: in both themes, wide and narrow (M3, M4, M10, P4).
import { AxeBuilder } from '@axe-core/playwright';
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { binary, listen, openBrowser, screenshots, signIn, within } from './house.mjs';

const CONFIG = `[egress]
allow = ["127.0.0.0/8"]

[limits]
look_up_seconds = [1, 2, 3, 4, 5]
absent_after_seconds = 2
`;

let folder, child, far, url, key, browser, page, complaints;

/** Plays Twilio and Resend: what it does next is in `does`, its log in `log`. */
class Far {
  does = [];
  said = [];
  log = [];
  logFails = false;

  static async open() {
    const far = new Far();
    far.server = createServer((request, answer) => {
      let body = '';
      request.on('data', (chunk) => { body += chunk; });
      request.on('end', () => far.answer(request, body, answer));
    });
    await new Promise((resolve) => far.server.listen(0, '127.0.0.1', resolve));
    far.url = `http://127.0.0.1:${far.server.address().port}`;
    return far;
  }

  answer(request, body, answer) {
    const say = (status, value) => { answer.writeHead(status, { 'content-type': 'application/json' }); answer.end(JSON.stringify(value)); };
    if (request.method === 'GET') {
      return this.logFails ? say(500, {}) : say(200, { messages: this.log.toReversed(), next_page_uri: null });
    }
    this.said.push(new URLSearchParams(body).get('Body') ?? '');
    const what = this.does.shift();
    if (what === 'busy') return say(429, { name: 'rate_limit_exceeded', message: 'Try again later.' });
    if (what === 'refuses') return say(422, { statusCode: 422, name: 'validation_error', message: 'Invalid `to` field.' });
    if (what === 'breaks') {
      const form = new URLSearchParams(body);
      const now = new Date().toUTCString().replace('GMT', '+0000');
      this.log.push({
        sid: `SM${this.log.length + 1}`, to: form.get('To'), from: form.get('From'), body: form.get('Body'), status: 'sent',
        direction: 'outbound-api', date_created: now, messaging_service_sid: null, error_code: null, price: null, price_unit: 'USD',
      });
      return request.socket.destroy();
    }
    return say(200, { sid: `SM9${this.log.length}`, status: 'queued', id: 'mail-1' });
  }
}

/** A time zone in which it is night now; with a number of New York an offer waits until it is day in both (C4). */
function whereItIsNight(now = new Date()) {
  const hour = now.getUTCHours();
  return hour >= 11 && hour < 22 ? 'Asia/Tokyo' : 'Europe/Berlin'; // from 7 to 11 o'clock UTC it is night in New York itself
}

async function ask(path, body) {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const answer = await fetch(url + path, body ? { method: 'POST', headers, body: JSON.stringify(body) } : { headers });
  assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`);
  return answer.json();
}

/** Waits until a message stands there and answers it whole. */
const stands = (id, fits, what) => within(20_000, Date.now(), async () => {
  const message = await ask(`/v1/messages/${id}`);
  return fits(message) && message;
}, what);

before(async () => {
  mkdirSync(screenshots, { recursive: true });
  folder = mkdtempSync(join(tmpdir(), 'ringback-dead-'));
  const data = join(folder, 'data');
  writeFileSync(join(folder, 'ringback.toml'), CONFIG);
  const run = (...args) => execFileSync(binary, [...args, '--data', data], { encoding: 'utf8' });
  ({ api_key: key } = JSON.parse(run('tenant', 'create', 'Alder Plumbing', '--preset', 'plumbing', '--json')));
  const link = run('user', 'add', 'inez@example.com', '--name', 'Inez Ford').match(/\/sign-in\/link\/\S+/)[0];
  child = spawn(binary, ['serve', '--config', join(folder, 'ringback.toml'), '--data', data, '--listen', '127.0.0.1:0']);
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text) => { said += text; });
  child.stderr.resume();
  [, url] = await within(60_000, Date.now(), async () => said.match(/listening on (http:\/\/\S+)/), 'the server');
  far = await Far.open();
  browser = await openBrowser();
  page = await (await browser.newContext({ viewport: { width: 1440, height: 900 } })).newPage();
  complaints = await listen(page);
  await signIn(page, { link: url + link });
});

after(async () => {
  await browser?.close();
  child?.kill('SIGTERM');
  await new Promise((resolve) => { child ? child.once('exit', resolve) : resolve(); });
  far?.server.closeAllConnections();
  far?.server.close();
  rmSync(folder, { recursive: true, force: true });
});

async function faults(path, theme, width) {
  const { violations } = await new AxeBuilder({ page }).exclude('iframe').analyze();
  return violations
    .filter(({ impact }) => ['serious', 'critical'].includes(impact))
    .map((fault) => `${path} ${theme} ${width}: ${fault.id}: ${fault.nodes.map((node) => node.target.join(' ')).slice(0, 3).join('; ')}`);
}

/** Opens a page, looks at it as everybody does, keeps its picture, and answers its words. */
async function look(path, name) {
  const found = [];
  const home = new URL(page.url()).pathname.match(/^\/t\/[^/]+/)[0];
  await page.goto(url + home + path);
  for (const theme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: theme });
    for (const width of [1440, 390, 320]) {
      await page.setViewportSize({ width, height: 900 });
      if (width !== 320) found.push(...await faults(path, theme, width));
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      if (wide > 0) found.push(`${path} ${theme} ${width}: scrolls sideways by ${wide} px`);
      if (width !== 320) await page.screenshot({ path: join(screenshots, `dead-${name}-${theme}-${width}.png`), fullPage: true });
    }
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  assert.deepEqual(found, []);
  return page.locator('main').innerText();
}

test('unknown and found, unknown and given up, dead and replayed, changed, discarded', { timeout: 600_000 }, async () => {
  const lead = await ask('/v1/leads', {
    first_name: 'Dana', last_name: 'Reyes', phone: '+13035550142', email: 'dana@example.com', source: 'curl',
    consents: [{ channel: 'sms', purpose: 'promotional', granted: true, wording: 'Offers by text', method: 'form' }],
  });
  const account = { account_sid: 'AC00000000000000000000000000000001', auth_token: 'made-up', from: '+13035550100', campaign: 'CMPEXAMPLE', base_url: far.url };
  await ask('/v1/connections', { channel: 'sms', provider: 'twilio', name: 'texts', settings: account });
  await ask('/v1/connections', {
    channel: 'email', provider: 'resend', name: 'mails', settings: { api_key: 're_made_up', from: 'Alder <hello@example.com>', base_url: far.url },
  });
  // Emergencies alone are said at any hour, so staff is written to: the test runs at night too.
  const staff = (await ask('/v1/staff')).data[0].name;
  const write = async (channel, words, does) => {
    far.does.push(...does);
    const body = { staff_id: staff, channel, category: 'staff', subject: channel === 'email' ? words : undefined, body: words };
    return (await ask('/v1/messages', body)).id;
  };

  // Everybody on the staff confirms the number once, by the link in the question that comes before the first alert (ST-1).
  const first = await write('sms', 'The first alert', []);
  const link = await within(20_000, Date.now(), () => far.said.map((words) => words.match(/https?:\/\/\S+\/c\/\S+/)?.[0]).find(Boolean), 'the question to the staff');
  assert.ok((await fetch(link, { method: 'POST' })).ok, 'the number is confirmed');

  await stands(first, (one) => one.settled_at, 'an alert that goes another way');
  assert.match(await look(`/messages/${first}`, 'redirected'), /by email instead/i);

  const sent = await write('sms', 'A dripping tap in Birch Street', []);
  await stands(sent, (one) => one.status === 'accepted', 'an alert that is sent');
  assert.match(await look(`/messages/${sent}`, 'sent'), /gates let it through/);

  const twice = await write('sms', 'A burst pipe in Elm Street', ['breaks']);
  await stands(twice, (one) => one.status === 'accepted', 'an alert that is said again');
  assert.match(await look(`/messages/${twice}`, 'possibly-repeated'), /may have gone out twice/);

  far.logFails = true;
  const given = await write('sms', 'A flooded cellar in Oak Street', ['breaks', 'breaks']);
  await stands(given, (one) => one.status === 'unknown' && one.settled_at, 'an alert that is given up');
  assert.match(await look(`/messages/${given}`, 'given-up'), /may or may not have arrived/i);
  far.logFails = false;
  const found = await write('sms', 'A cold boiler in Fir Street', ['breaks', 'breaks']);
  await stands(found, (one) => one.attempts.some((call) => call.outcome === 'found'), 'an alert that is found');
  assert.match(await look(`/messages/${found}`, 'found'), /Looked up in the log of Twilio: found/);
  assert.match(await look('/queue/unknown', 'unknown'), /possibly repeated/i);

  const dead = [];
  for (const street of ['Elm', 'Oak', 'Fir']) {
    const id = await write('email', `A call back, ${street}`, ['refuses']);
    await stands(id, (one) => one.status === 'failed', 'a mail that is refused');
    dead.push(id);
  }
  assert.match(await look('/queue', 'queue'), /did not arrive/);
  assert.match(await look('/queue/dead', 'list'), /4 messages did not arrive/);
  assert.match(await look(`/messages/${dead[0]}`, 'letter'), /Change and send/);
  const { data: [group] } = await ask('/v1/dead-letters');
  assert.match(await look(`/queue/dead/${group.id}`, 'group'), /3 emails/);
  assert.match(await look(`/queue/dead/${dead[0]}/edit`, 'edit'), /stands in for/);
  assert.match(await look(`/queue/dead/${dead[1]}/discard`, 'discard'), /Discard 1 message/);
  await page.fill('#reason', 'They called us');
  await page.click('button.bad');
  assert.match(await look(`/messages/${dead[1]}`, 'discarded'), /Inez Ford discarded it/);
  assert.match(await look(`/queue/dead/${group.id}/replay`, 'replay'), /Replay 2 messages/);
  await page.click('main form button.main');
  await stands(dead[0], (one) => one.status === 'accepted', 'a replayed letter');
  assert.match(await look(`/messages/${dead[0]}`, 'replayed'), /Inez Ford had it tried again/);
  assert.match(await look('', 'now'), /possibly repeated/);
  assert.deepEqual(complaints, []);
});

test('deferred until morning, blocked without consent, expired while the provider was busy', { timeout: 300_000 }, async () => {
  const person = (phone, consents, time_zone) => ask('/v1/leads', { first_name: 'Noa', last_name: 'Lind', phone, source: 'curl', consents, time_zone });
  const offer = { channel: 'sms', category: 'promotional', body: 'Alder Plumbing: 10 % off boilers this week. Reply STOP to end.' };
  const grant = { channel: 'sms', purpose: 'promotional', granted: true, wording: 'Alder Plumbing may send offers by text. Consent is no condition of purchase.', method: 'form' };
  const asleep = await person('+12125550142', [grant], whereItIsNight());
  const later = await ask('/v1/messages', { lead_id: asleep.id, ...offer });
  assert.equal(later.status, 'deferred', JSON.stringify(later));
  const waits = await look(`/messages/${later.id}`, 'deferred');
  assert.match(waits, /\d\d:\d\d/);
  assert.match(waits, /To go sooner/);

  const unasked = await person('+13035550177', []);
  const no = await ask('/v1/messages', { lead_id: unasked.id, ...offer });
  assert.equal(no.status, 'blocked', JSON.stringify(no));
  assert.match(await look(`/messages/${no.id}`, 'blocked'), /consent/i);

  const workflow = `name: short-lived
label: Short-lived
trigger: manual
steps:
  - send: { to: { list: office }, channels: { all: [email] }, template: new-request, category: staff, priority: low, expires: 10s }
`;
  const put = await fetch(`${url}/v1/workflows/short-lived`, {
    method: 'PUT', headers: { authorization: `Bearer ${key}`, 'content-type': 'application/yaml' }, body: workflow,
  });
  assert.ok(put.ok, await put.text());
  far.does.push('busy', 'busy', 'busy');
  await ask('/v1/workflows/short-lived/runs', { lead_id: unasked.id });
  const late = await within(20_000, Date.now(), async () => {
    const { data } = await ask(`/v1/messages?lead_id=${unasked.id}`);
    return data.find((one) => one.status === 'expired');
  }, 'a mail that came too late');
  far.does.length = 0;
  assert.match(await look(`/messages/${late.id}`, 'expired'), /stopped to matter/);
  assert.deepEqual(complaints, []);
});
