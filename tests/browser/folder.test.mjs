// Configuration as code from outside: a running server, a folder, and two people who change the same file (I5).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Demo, binary } from './house.mjs';

const ALERT = 'workflows/emergency-alert.yaml';
let demo, mine, theirs;

before(async () => {
  demo = await Demo.start();
  mine = join(demo.folder, 'mine');
  theirs = join(demo.folder, 'theirs');
});

after(async () => { await demo?.stop(); });

/** Runs a command on a folder against the demo: exit code and everything that it said. */
function run(command, folder, ...more) {
  const done = spawnSync(binary, [command, folder, '--url', demo.url, ...more], { env: { ...process.env, RINGBACK_KEY: demo.key }, encoding: 'utf8' });
  return { code: done.status, said: done.stdout + done.stderr };
}

function change(folder, path, from, to) {
  const text = readFileSync(join(folder, path), 'utf8');
  assert.ok(text.includes(from), `${from} in ${path}`);
  writeFileSync(join(folder, path), text.replace(from, to));
}

test('two folders, one server: changes are pushed, conflicts are told, a release is taken back', { timeout: 120_000 }, async () => {
  for (const folder of [mine, theirs]) assert.deepEqual(run('pull', folder).code, 0);
  assert.ok(existsSync(join(mine, ALERT)) && existsSync(join(mine, '.ringback')));
  assert.equal(spawnSync(binary, ['check', mine]).status, 0, 'what was pulled is without problems');
  assert.match(run('diff', mine).said, /no differences/);
  assert.match(run('push', mine).said, /nothing was changed here/);

  // A mistake never leaves the folder.
  change(mine, ALERT, 'within: 5m', 'within: soon');
  const wrong = run('push', mine, '--publish');
  assert.equal(wrong.code, 1);
  assert.match(wrong.said, /emergency-alert\.yaml:\d+/);
  change(mine, ALERT, 'within: soon', 'within: 4m');

  // As a draft nothing holds yet; published it does.
  const difference = run('diff', mine).said;
  assert.match(difference, /emergency-alert\.yaml: changed here/);
  assert.match(difference, /\+ .*within: 4m/);
  assert.equal(run('push', mine).code, 0);
  const draft = await demo.ask('/v1/config/draft');
  assert.deepEqual(draft.data.map((one) => one.path), [ALERT]);
  const before = (await demo.ask('/v1/config')).release;
  assert.equal(run('push', mine, '--publish').code, 0);
  assert.match((await demo.ask('/v1/config')).files[ALERT].text, /within: 4m/);
  assert.deepEqual((await demo.ask('/v1/config/draft')).data, []);

  // The second person changed the same file: told, not overwritten, on either side.
  change(theirs, ALERT, 'within: 5m', 'within: 9m');
  const late = run('push', theirs, '--publish');
  assert.equal(late.code, 1);
  assert.match(late.said, /changed here and on the server/);
  const pulled = run('pull', theirs);
  assert.equal(pulled.code, 1);
  assert.match(readFileSync(join(theirs, ALERT), 'utf8'), /within: 9m/);
  assert.equal(run('pull', theirs, '--force').code, 0);
  assert.match(readFileSync(join(theirs, ALERT), 'utf8'), /within: 4m/);

  // Back to before, and the folder follows.
  assert.equal(run('push', mine, '--roll-back', before).code, 0);
  assert.match((await demo.ask('/v1/config')).files[ALERT].text, /within: 5m/);
  assert.equal(run('pull', mine).code, 0);
  assert.match(readFileSync(join(mine, ALERT), 'utf8'), /within: 5m/);
});

test('what was never pulled is not overwritten and not pushed', async () => {
  const other = join(demo.folder, 'other');
  assert.equal(run('pull', other).code, 0);
  const strange = join(demo.folder, 'strange');
  spawnSync('cp', ['-r', other, strange]);
  spawnSync('rm', [join(strange, '.ringback')]);
  assert.match(run('pull', strange).said, /was never pulled and is not empty/);
  assert.match(run('push', strange).said, /was never pulled/);
});
