// What goes wrong: no camera, a browser that dies, a server that is away for a while.

import { Browser, check, startServer, until } from './harness.mjs';

export default async function trouble({ test, browser, server, confab, library }) {
  await test('a camera that is denied is explained, and one can still join', async () => {
    const { context, page } = await browser.open();
    await page.addInitScript(() => {
      navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
    });
    await page.goto(`${server.url}/#denied`);
    await page.fill('#own-name', 'ida');
    await page.keyboard.press('Enter');
    await until('the explanation', async () => (await page.locator('#notices').textContent()).includes('allow the camera'));
    await until('ida to be in the room', () => page.evaluate(() => window.confab.room.state === 'joined'));
    await context.close();
  });

  await test('a name that is taken is refused, with the reason', async () => {
    const jon = await browser.join('names', 'jon', { video: false, audio: false });
    const { context, page } = await browser.open();
    await page.goto(`${server.url}/?room=names`);
    await page.fill('#own-name', 'jon');
    await page.click('#join button[type=submit]');
    await until('the refusal', async () => (await page.locator('#join-error').textContent()).includes('someone of that name'));
    await Promise.all([context.close(), jon.leave()]);
  });

  for (const topology of ['sfu', 'mesh']) {
    await test(`${topology}: a browser that is killed leaves, and the others go on`, async () => {
      const doomed = await Browser.startApart(library, server);
      const room = `killed-${topology}`;
      const [kai, lou] = [await browser.join(room, 'kai', { topology }), await browser.join(room, 'lou', { topology })];
      await doomed.join(room, 'max', { topology });
      await kai.sees(['lou video', 'max video']);
      await doomed.kill();
      await until('max to be gone', async () => (await Promise.all([kai, lou].map(({ page }) => (
        page.evaluate(() => !window.confab.room.peers.has('max')))))).every(Boolean));
      await until('his tile to go', async () => await kai.page.locator('.tile[data-peer=max]').count() === 0);
      await kai.sees(['lou video']);
      await lou.sees(['kai video']);
      await Promise.all([kai.leave(), lou.leave()]);
    });

    await test(`${topology}: a server that is killed and comes back finds its rooms full again`, async () => {
      const first = await startServer(confab);
      const there = browser.at(first);
      const [nia, oda] = [await there.join('back', 'nia', { topology }), await there.join('back', 'oda', { topology })];
      await nia.sees(['oda video']);
      await first.stop('SIGKILL');
      await until('nia to wait', () => nia.page.evaluate(() => window.confab.room.state === 'waiting'));
      const second = await startServer(confab, first.ports);
      for (const { page, name } of [nia, oda]) {
        await until(`${name} to be back`, () => page.evaluate(() => window.confab.room.state === 'joined' && window.confab.room.peers.size === 1));
      }
      await nia.sees(['oda video']);
      await oda.sees(['nia video']);
      await nia.hears(['oda']);
      await Promise.all([nia.leave(), oda.leave()]);
      const ended = await second.stop();
      check(ended?.code === 0, `the second server ended with ${JSON.stringify(ended)}`);
    });
  }
}
