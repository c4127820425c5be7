#!/usr/bin/env node
// The README's pictures, anew: node docs/pictures/make.mjs CONFAB LIBRARY   (make pictures)
//
// LIBRARY is where playwright-core is installed. report.png shows plots of `make run`'s report, call.png the page of
// `confab serve` in a room with confab's own participants.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { Browser, startServer } from '../../tests/browser/harness.mjs';

const [confab, library] = process.argv.slice(2);
const here = import.meta.dirname ?? new URL('.', import.meta.url).pathname;
const PLOTS = ['Latency, p95, ms', 'A client sends, kbit/s', 'Frozen video, s of a minute', 'Cost of all rooms, an hour'];
const SYNTHETIC = 5;

/** Some plots of the report on a scenario, side by side. */
async function report(browser) {
  const out = mkdtempSync(join(tmpdir(), 'confab-pictures-'));
  execFileSync(confab, ['run', join(here, '../../scenarios/mesh-vs-sfu.yaml'), '--out', out], { stdio: 'ignore' });
  const { page, context } = await browser.open({ width: 920, height: 640 });
  await page.goto(pathToFileURL(join(out, 'report.html')).href);
  await page.evaluate((plots) => {
    for (const figure of document.querySelectorAll('.charts figure')) {
      const [title] = figure.querySelector('figcaption').textContent.trim().split('\n');
      figure.hidden = !plots.some((plot) => title.startsWith(plot));
      if (figure.hidden) figure.style.display = 'none';
    }
  }, PLOTS);
  await page.locator('.charts').first().screenshot({ path: join(here, 'report.png') });
  await context.close();
  rmSync(out, { recursive: true });
}

/** Somebody in a call with confab's own participants, the network panel open. */
async function call(browser, server) {
  const person = await browser.join('standup', 'you', { quality: 'low', width: 1100, height: 640 });
  await server.get(`/rooms/standup/peers?count=${SYNTHETIC}&height=360`, { method: 'POST' });
  await person.sees(Array.from({ length: SYNTHETIC }, (_, i) => `synthetic-${i + 1} video`));
  await person.page.click('#show-connections');
  await person.page.waitForTimeout(20000); // the plots fill, the layers settle
  await person.page.screenshot({ path: join(here, 'call.png') });
  await person.leave();
}

const server = await startServer(resolve(confab));
const browser = await Browser.start(library, server);
try {
  await report(browser);
  await call(browser, server);
} finally {
  await browser.close();
  await server.stop();
}
