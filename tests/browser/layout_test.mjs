// Nobody is sent more than the page shows: sizes by layout, and nothing for tiles out of sight.

import { check, until } from './harness.mjs';

const NAMES = ['synthetic-1', 'synthetic-2', 'synthetic-3', 'synthetic-4'];

/** What comes of each picture: {name: {frames, height}}. */
function pictures(person) {
  return person.page.evaluate(async () => {
    const pictures = {};
    for (const { peer, role, mid, connection } of window.confab.room.tracks()) {
      if (role === 'audio') continue;
      const reports = [...(await connection.pc.getStats()).values()];
      const inbound = reports.find((report) => report.type === 'inbound-rtp' && report.mid === mid);
      pictures[peer] = { frames: inbound?.framesDecoded ?? 0, height: inbound?.frameHeight ?? 0 };
    }
    return pictures;
  });
}

export default async function layout({ test, browser, server }) {
  let lea;

  await test('layout: small pictures for a grid', async () => {
    lea = await browser.join('layout', 'lea', { audio: false, video: false, width: 1280, height: 760 });
    const answer = await server.get(`/rooms/layout/peers?count=${NAMES.length}&height=720`, { method: 'POST' });
    check(answer.status === 201, `synthetic peers: status ${answer.status}`);
    await lea.sees(NAMES.map((name) => `${name} video`));
    // Two rows of less than 360 pixels each.
    await until('360 lines of everyone', async () => {
      const seen = await pictures(lea);
      return NAMES.every((name) => seen[name]?.height === 360);
    });
  });

  await test('layout: who is large gets all, the others little', async () => {
    await lea.page.locator(`.tile[data-peer=${NAMES[2]}] .pin`).click();
    await until('720 lines of one and 180 of the others', async () => {
      const seen = await pictures(lea);
      return NAMES.every((name) => seen[name]?.height === (name === NAMES[2] ? 720 : 180));
    });
  });

  await test('layout: nothing is sent for tiles out of sight', async () => {
    await lea.page.setViewportSize({ width: 420, height: 700 });
    const last = lea.page.locator('.tile:not(.large)').last();
    const name = await last.getAttribute('data-peer');
    await until(`${name} to stop`, async () => {
      const before = await pictures(lea);
      await new Promise((resolve) => setTimeout(resolve, 1500));
      const after = await pictures(lea);
      return after[name].frames === before[name].frames && after[NAMES[2]].frames > before[NAMES[2]].frames;
    });
    const stopped = (await pictures(lea))[name].frames;
    await last.scrollIntoViewIfNeeded();
    await until(`${name} to go on`, async () => (await pictures(lea))[name].frames > stopped + 5);
  });

  await test('layout: everyone hears who speaks, and who is muted', async () => {
    await until('a speaker', () => lea.page.evaluate(() => window.confab.stage.told && window.confab.room.peers.has(window.confab.stage.speaker)));
    const mute = await browser.join('layout', 'mute', { video: false });
    const sign = lea.page.locator('.tile[data-peer=mute] .muted');
    await until('mute to be heard', async () => await sign.count() === 1 && await sign.isHidden());
    await mute.page.click('#mic');
    await until('the sign of it', async () => !(await sign.isHidden()));
    const late = await browser.join('layout', 'late', { audio: false, video: false });
    const lateSign = late.page.locator('.tile[data-peer=mute] .muted');
    await until('the late one to see it', async () => await lateSign.count() === 1 && !(await lateSign.isHidden()));
    await mute.page.click('#mic');
    await until('it to go', async () => await sign.isHidden() && await lateSign.isHidden());
    await Promise.all([mute.leave(), late.leave()]);
  });

  await test('layout: a section that goes inactive and returns has its picture again', async () => {
    const rita = await browser.join('returns', 'rita', { audio: false, quality: 'high' });
    const sven = await browser.join('returns', 'sven', { audio: false, video: false });
    await sven.sees(['rita video']);
    for (let round = 0; round < 2; round++) {
      const turn = (direction) => rita.page.evaluate((to) => {
        const { pc } = window.confab.room.connections.get('');
        pc.getTransceivers().find(({ sender }) => sender.track?.kind === 'video').direction = to;
      }, direction);
      await turn('inactive');
      await until('the track to go', async () => !('rita video' in await sven.frames()));
      await turn('sendonly');
      await sven.sees(['rita video']);
    }
    await Promise.all([rita.leave(), sven.leave()]);
  });

  await lea?.leave();
}
