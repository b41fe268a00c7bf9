// Starts a demo server and a browser, and reads what the demo prints for a person.
import { spawn, execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';

const root = fileURLToPath(new URL('../../', import.meta.url));
export const binary = process.env.RINGBACK ?? join(root, 'target/debug/ringback');
const START_LIMIT_MS = 60_000;

export const screenshots = join(root, 'target/screenshots');

/** A running demo: its address, sign-in link, API key and curl line, as printed. */
export class Demo {
  static async start(...args) {
    if (!existsSync(binary)) throw new Error(`there is no server at ${binary}; run: cargo build --package ringback`);
    const demo = new Demo();
    demo.folder = mkdtempSync(join(tmpdir(), 'ringback-browser-'));
    demo.printed = '';
    demo.log = '';
    demo.child = spawn(binary, ['demo', '--listen', '127.0.0.1:0', '--data', join(demo.folder, 'data'), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    demo.child.stdout.setEncoding('utf8').on('data', (text) => { demo.printed += text; });
    demo.child.stderr.setEncoding('utf8').on('data', (text) => { demo.log = (demo.log + text).slice(-20_000); });
    demo.ended = new Promise((resolve) => demo.child.once('exit', resolve));
    try {
      await demo.ready();
    } catch (error) {
      await demo.stop();
      throw error;
    }
    return demo;
  }

  async ready() {
    let gone = false;
    this.ended.then(() => { gone = true; });
    const limit = Date.now() + START_LIMIT_MS;
    while (!this.read()) {
      if (gone || Date.now() > limit) {
        throw new Error(`the demo ${gone ? 'ended' : 'did not say all it should'}.\nIt printed:\n${this.printed}\nIts log:\n${this.log}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Reads what was printed so far; true when the address, the link, the key and a whole curl line are there. */
  read() {
    this.url = this.printed.match(/^listening on (http:\/\/\S+)/m)?.[1];
    this.key = this.printed.match(/rb_(?:live|test)_\w+/)?.[0];
    this.link = this.printed.match(/http:\/\/\S+\/sign-in\S*/)?.[0];
    this.curl = wholeCommand(this.printed, 'curl ');
    return Boolean(this.url && this.key && this.link && this.curl);
  }

  /** Runs the curl line as a person would paste it, and answers what it printed. */
  async pasteCurl() {
    const { stdout } = await promisify(execFile)('bash', ['-c', this.curl.replace(/^curl /, 'curl --silent --show-error --fail-with-body ')]);
    return stdout;
  }

  /** Asks the API. */
  async ask(path, options = {}) {
    const headers = { authorization: `Bearer ${this.key}`, accept: 'application/json', 'content-type': 'application/json' };
    const answer = await fetch(this.url + path, { ...options, headers });
    if (!answer.ok) throw new Error(`${options.method ?? 'GET'} ${path} was answered ${answer.status}: ${await answer.text()}`);
    return answer.json();
  }

  async stop() {
    this.child.kill('SIGTERM');
    const killer = setTimeout(() => this.child.kill('SIGKILL'), 35_000);
    await this.ended;
    clearTimeout(killer);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The first command in a text that starts so, over as many lines as its quotes and backslashes need; undefined while it is not whole. */
function wholeCommand(text, start) {
  const lines = text.split('\n').slice(0, -1);
  const first = lines.findIndex((line) => line.trimStart().startsWith(start));
  for (let last = first; first >= 0 && last < lines.length; last += 1) {
    const command = lines.slice(first, last + 1).join('\n').trim();
    if (command.split("'").length % 2 === 1 && !command.endsWith('\\')) return command;
  }
  return undefined;
}

/** A browser that calls nobody but the page. */
export function openBrowser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
}

/** Opens the link as a person does: the page it leads to has one button, since links are also opened by scanners. */
export async function signIn(page, demo) {
  page.setDefaultTimeout(15_000);
  await page.goto(demo.link);
  if (/\/sign-in/.test(page.url())) {
    await page.locator('main form button').first().click();
    await page.waitForURL((url) => !url.pathname.startsWith('/sign-in'));
  }
  await page.locator('main#main h1').waitFor();
}

/** Gathers what a page complains about: console errors, failed scripts, refused resources, breaches of the content policy. */
export async function listen(page) {
  const complaints = [];
  const say = (what) => complaints.push(`${new URL(page.url()).pathname}: ${what}`);
  await page.exposeFunction('complainToTheTest', say);
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      window.complainToTheTest(`content policy: ${event.violatedDirective} forbids ${event.blockedURI} (${event.sourceFile}:${event.lineNumber})`);
    });
  });
  page.on('console', (message) => {
    // The listener above is refused by frames that run no script, which is right.
    const ours = message.text().startsWith('Blocked script execution in ') && message.text().includes('frame is sandboxed');
    if (message.type() === 'error' && !ours) say(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => say(`script: ${error.message}`));
  page.on('response', (answer) => { if (answer.status() >= 400) say(`${answer.status()} for ${answer.url()}`); });
  page.on('requestfailed', (request) => {
    // Leaving a page ends its live feed and what it was still fetching.
    if (request.failure()?.errorText !== 'net::ERR_ABORTED') say(`${request.url()} failed: ${request.failure()?.errorText}`);
  });
  return complaints;
}

/** Waits until `check` answers something true and answers that; the time counts from `since`. */
export async function within(ms, since, check, what) {
  for (;;) {
    const found = await check();
    const after = Date.now() - since;
    if (found && after <= ms) return found;
    if (after > ms) throw new Error(`${what} within ${ms} ms: ${found ? `came only after ${after} ms` : `nothing after ${after} ms`}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
