// What the tests stand on: the server as a child, Chromium, people who join by the page, waiting for what must come.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--allow-loopback-in-peer-connection', '--mute-audio',
  '--use-fake-device-for-media-stream=fps=15', '--use-fake-ui-for-media-stream',
  '--auto-select-desktop-capture-source=confab', '--auto-select-tab-capture-source-by-title=confab',
  '--ignore-certificate-errors', '--autoplay-policy=no-user-gesture-required',
  '--disable-backgrounding-occluded-windows', '--disable-renderer-backgrounding', '--disable-background-timer-throttling',
];

/* A machine that is busy with other things may take its time; what never comes fails all the same. */
const PATIENCE_MS = 75000;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * What `look` gives once it is truthy; an error that says what was waited for when it doesn't come to that. `what` is a
 * text, or a function that gives it in the end.
 */
export async function until(what, look, timeout = PATIENCE_MS) {
  const end = Date.now() + timeout;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`waited ${timeout / 1000} s for: ${typeof what === 'function' ? what() : what}`);
    await sleep(100);
  }
}

export function check(well, what) {
  if (!well) throw new Error(what);
}

/** `count` ports in a row that nobody has, above each other, for TCP at least. */
async function freePorts(count) {
  const listen = (port) => new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen({ port, host: '127.0.0.1' }, () => resolve(server));
  });
  const close = (server) => new Promise((resolve) => server.close(resolve));
  for (let tries = 0; tries < 50; tries++) {
    const first = await listen(0);
    const { port } = first.address();
    const held = [first];
    try {
      for (let i = 1; i < count; i++) held.push(await listen(port + i));
      return port;
    } catch { /* somebody has the next one: elsewhere, then */ } finally {
      await Promise.all(held.map(close));
    }
  }
  throw new Error('no free ports');
}

/** ./confab serve on free ports of the loopback address, or on those that another one had (`.ports`). */
export async function startServer(confab, ports) {
  const state = mkdtempSync(join(tmpdir(), 'confab-browser-'));
  const [port, turnPort] = ports ?? [await freePorts(1), await freePorts(2)];
  // Machines that are busy with other things look like narrow downlinks, and who is shown what then is not asked here.
  writeFileSync(join(state, 'confab.yaml'), 'always_show: yes\n');
  const child = spawn(confab, ['serve', '--config', join(state, 'confab.yaml'), '--listen', '127.0.0.1', '--port', port, '--turn-port', turnPort, '--state', state],
    { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stdout.on('data', (data) => { said += data; });
  child.stderr.on('data', (data) => { said += data; });
  const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
  const url = `http://127.0.0.1:${port}`;
  await until('the server to start', async () => {
    if (child.exitCode !== null) throw new Error(`the server ended: ${said}`);
    return fetch(`${url}/health`).then((answer) => answer.ok, () => false);
  });
  return {
    url,
    pid: child.pid,
    ports: [port, turnPort],
    said: () => said,
    get: (path, options) => fetch(`${url}${path}`, options),
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      const result = await Promise.race([ended, sleep(5000)]);
      if (!result) child.kill('SIGKILL');
      rmSync(state, { recursive: true, force: true });
      return result;
    },
  };
}

export class Browser {
  static async start(library, server, extra = []) {
    const { chromium } = createRequire(resolve(library, 'package.json'))('playwright-core');
    const browser = new Browser();
    browser.server = server;
    browser.chromium = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: [...FLAGS, ...extra] });
    return browser;
  }

  /** A browser of its own process, for `kill`. */
  static async startApart(library, server) {
    const { chromium } = createRequire(resolve(library, 'package.json'))('playwright-core');
    const browser = new Browser();
    browser.server = server;
    browser.apart = await chromium.launchServer({ executablePath: CHROMIUM, headless: true, args: FLAGS });
    browser.chromium = await chromium.connect(browser.apart.wsEndpoint());
    return browser;
  }

  /** The same browser, going elsewhere. */
  at(server) {
    return Object.assign(Object.create(Browser.prototype), { ...this, server });
  }

  /** SIGKILL. */
  kill() {
    return this.apart.kill();
  }

  version() {
    return this.chromium.version();
  }

  close() {
    return this.chromium.close();
  }

  /** A window of its own, with the page in it; `script` runs before the page's own. */
  async open({ width = 960, height = 600, scheme = 'light', script } = {}) {
    const context = await this.chromium.newContext({
      viewport: { width, height }, colorScheme: scheme, permissions: [], ignoreHTTPSErrors: true,
    });
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    if (script) await page.addInitScript(script);
    const complaints = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
    });
    page.on('requestfailed', (request) => complaints.push(`${request.url()}: ${request.failure()?.errorText}`));
    return { context, page, complaints };
  }

  /** Somebody who joins as people do: by the form. */
  async join(room, name, options = {}) {
    const { context, page, complaints } = await this.open(options);
    const query = new URLSearchParams({ quality: options.quality ?? 'lowest', topology: options.topology ?? 'sfu', path: options.path ?? 'any' });
    await page.goto(`${this.server.url}/?${query}#${encodeURIComponent(room)}`);
    await page.fill('#own-name', name);
    for (const [id, wanted] of [['#with-audio', options.audio ?? true], ['#with-video', options.video ?? true]]) {
      await page.setChecked(id, wanted);
    }
    await page.click('#join button[type=submit]');
    const person = new Person(name, context, page, complaints);
    await until(`${name} to be in the room`, () => page.evaluate(() => window.confab.room?.state === 'joined'));
    return person;
  }
}

export class Person {
  constructor(name, context, page, complaints) {
    Object.assign(this, { name, context, page, complaints });
  }

  /** All that the browser's getStats tells: of each connection, by type. */
  statistics() {
    return this.page.evaluate(async () => {
      const all = [];
      for (const [peer, connection] of window.confab.room?.connections ?? []) {
        for (const report of (await connection.pc.getStats()).values()) all.push({ ...report, peer });
      }
      return all;
    });
  }

  /** Pictures decoded by what they are: {'alice video': 12, …}, from getStats. */
  frames() {
    return this.page.evaluate(async () => {
      const frames = {};
      const { room } = window.confab;
      for (const { peer, role, mid, connection } of room?.tracks() ?? []) {
        if (role === 'audio') continue;
        const reports = [...(await connection.pc.getStats()).values()];
        const inbound = reports.find((report) => report.type === 'inbound-rtp' && report.mid === mid);
        frames[`${peer} ${role}`] = inbound?.framesDecoded ?? 0;
      }
      return frames;
    });
  }

  /** Each of `wanted` ('alice video') is decoded, and goes on being decoded. */
  async sees(wanted, timeout) {
    const missing = (frames, before) => wanted.filter((key) => !((frames[key] ?? 0) > (before[key] ?? 0)));
    let last = {};
    const wait = async (what, before) => {
      try {
        await until(what, async () => missing(last = await this.frames(), before).length === 0, timeout);
      } catch (error) {
        throw new Error(`${this.name}: ${error.message}: not ${missing(last, before).join(', ')}`);
      }
    };
    await wait('the first frames', {});
    const first = last;
    const enough = Object.fromEntries(wanted.map((key) => [key, first[key] + 3]));
    await wait('more frames', enough);
  }

  /** Sound of these comes in, with packets that go on coming. */
  async hears(names, timeout) {
    const packets = () => this.page.evaluate(async () => {
      const result = {};
      for (const { peer, role, mid, connection } of window.confab.room?.tracks() ?? []) {
        if (role !== 'audio') continue;
        const reports = [...(await connection.pc.getStats()).values()];
        result[peer] = reports.find((report) => report.type === 'inbound-rtp' && report.mid === mid)?.packetsReceived ?? 0;
      }
      return result;
    });
    await until(`${this.name} to hear ${names.join(', ')}`, async () => {
      const heard = await packets();
      return names.every((name) => heard[name] > 10);
    }, timeout);
  }

  /** The selected candidate pairs: {local, remote, transport}. */
  async paths() {
    const all = await this.statistics();
    return all.filter(({ type }) => type === 'transport').map((transport) => {
      const find = (id) => all.find((report) => report.id === id && report.peer === transport.peer);
      const pair = find(transport.selectedCandidatePairId);
      return { transport, pair, local: find(pair?.localCandidateId), remote: find(pair?.remoteCandidateId) };
    });
  }

  leave() {
    return this.context.close();
  }
}
