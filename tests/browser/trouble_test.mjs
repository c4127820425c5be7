// What goes wrong: no camera, a browser that dies, a server that is away for a while.

import { until } from './harness.mjs';

export default async function trouble({ test, browser, server }) {
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

}
