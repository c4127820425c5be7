#!/usr/bin/env node
// Chromium against ./confab serve: node tests/browser/run.mjs CONFAB LIBRARY [PART OF A NAME]
//
// LIBRARY is where playwright-core is installed. Each test is told on a line, the sum on the last one; the exit status
// is 1 when one has failed.

import { existsSync } from 'node:fs';

import { Browser, startServer } from './harness.mjs';
import data from './data_test.mjs';
import layout from './layout_test.mjs';
import relay from './relay_test.mjs';
import room from './room_test.mjs';
import tcp from './tcp_test.mjs';
import trouble from './trouble_test.mjs';
import whip from './whip_test.mjs';

const [confab, library, only = ''] = process.argv.slice(2);
const groups = { room, layout, data, relay, tcp, whip, trouble };
const sums = { passed: 0, failed: 0, skipped: 0 };

function tell(result, name, detail = '') {
  sums[result]++;
  console.log(`  ${result.padEnd(7)} ${name}${detail ? `: ${detail}` : ''}`);
}

function finish() {
  console.log(`${sums.passed} passed, ${sums.failed} failed, ${sums.skipped} skipped`);
  process.exit(sums.failed > 0 ? 1 : 0);
}

if (!existsSync(process.env.CHROMIUM ?? '/usr/bin/chromium') || !existsSync(`${library}/node_modules/playwright-core`)) {
  console.log('');
  console.log('  THE BROWSER TESTS DID NOT RUN: chromium or npm is missing (apt-get install chromium npm), or npm install failed');
  tell('skipped', 'all browser tests');
  finish();
}

const server = await startServer(confab);
const browser = await Browser.start(library, server).catch(async (error) => {
  await server.stop();
  throw error;
});
console.log(`Chromium ${browser.version()} against ${confab} serve`);

/** A test's result may be a text, which is told with it. */
async function test(name, body) {
  if (!name.includes(only)) return;
  const begun = performance.now();
  try {
    const detail = await body();
    const seconds = `${((performance.now() - begun) / 1000).toFixed(1)} s`;
    tell('passed', name, [detail, seconds].filter(Boolean).join(', '));
  } catch (error) {
    tell('failed', name, error.message.split('\n')[0]);
    if (process.env.VERBOSE) console.log(error.stack);
  }
}

try {
  for (const group of Object.values(groups)) await group({ test, skip: (name, why) => tell('skipped', name, why), browser, server, confab, library });
} finally {
  await browser.close();
  const ended = await server.stop();
  await test('the server lived until it was told to stop', () => {
    if (ended?.code !== 0) throw new Error(`it ended with ${JSON.stringify(ended)}: ${server.said().slice(-2000)}`);
  });
}
finish();
