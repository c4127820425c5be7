// Rooms of both kinds: browsers and confab's own participants, everyone sees everyone.

import { check, until } from './harness.mjs';

const SYNTHETIC = ['synthetic-1', 'synthetic-2', 'synthetic-3'];
const pictures = (names) => names.map((name) => `${name} video`);

async function addSynthetic(server, room) {
  const answer = await server.get(`/rooms/${room}/peers?count=${SYNTHETIC.length}&height=180`, { method: 'POST' });
  check(answer.status === 201, `synthetic peers: status ${answer.status}`);
}

/** Each of confab's own has frames of each of these. */
async function syntheticSee(server, room, names) {
  const seen = async () => {
    const list = await (await server.get(`/rooms/${room}/peers`)).json();
    const has = (peer, name, kind) => peer.tracks.some((track) => track.peer === name && track.kind === kind && track.frames > 10);
    return list.length === SYNTHETIC.length && list.every((peer) => names.filter((name) => name !== peer.name)
      .every((name) => has(peer, name, 'video') && has(peer, name, 'audio')));
  };
  await until(`synthetic peers to see and hear ${names.join(', ')}`, seen);
}

const TLS = { FEFD: '1.2', FEFC: '1.3' };

export default async function rooms({ test, browser, server }) {
  for (const topology of ['sfu', 'mesh']) {
    const room = `room ${topology}`;
    const at = encodeURIComponent(room);
    const people = {};
    const everyone = () => Object.values(people);

    await test(`${topology}: two browsers see and hear each other`, async () => {
      people.alice = await browser.join(room, 'alice', { topology });
      people.bob = await browser.join(room, 'bob', { topology });
      await people.alice.sees(pictures(['bob']));
      await people.bob.sees(pictures(['alice']));
      await people.alice.hears(['bob']);
      await people.bob.hears(['alice']);
    });

    await test(`${topology}: two browsers and three confab peers, all see and hear all`, async () => {
      await addSynthetic(server, at);
      await people.alice.sees(pictures(['bob', ...SYNTHETIC]));
      await people.bob.sees(pictures(['alice', ...SYNTHETIC]));
      await people.alice.hears(['bob', ...SYNTHETIC]);
      await syntheticSee(server, at, ['alice', 'bob', ...SYNTHETIC]);
    });

    await test(`${topology}: a late joiner sees all, and all see the late joiner`, async () => {
      people.carol = await browser.join(room, 'carol del Río', { topology });
      await people.carol.sees(pictures(['alice', 'bob', ...SYNTHETIC]));
      await people.alice.sees(pictures(['carol del Río']));
      const name = 'carol_del_R__o'; // in SDP
      await syntheticSee(server, at, [name]);
    });

    await test(`${topology}: DTLS and SRTP as agreed`, async () => {
      const paths = await people.alice.paths();
      check(paths.length === (topology === 'sfu' ? 1 : 5), `${paths.length} connections`);
      const kinds = paths.map(({ transport, local, remote }) => {
        check(TLS[transport.tlsVersion], `tlsVersion ${transport.tlsVersion}`);
        check(local.candidateType !== 'relay' && remote.candidateType !== 'relay', 'relayed for no reason');
        const peer = !transport.peer ? 'SFU' : SYNTHETIC.includes(transport.peer) ? 'confab peer' : 'browser';
        return `${peer}: DTLS ${TLS[transport.tlsVersion]}, ${transport.srtpCipher}`;
      });
      return [...new Set(kinds)].join('; ');
    });

    await test(`${topology}: ICE restart while the call goes on`, async () => {
      // Chromium may stay with a path of before that still works: what must come are new credentials, and checks under
      // them that are answered.
      const answered = async () => {
        const all = await people.alice.statistics();
        return new Map(all.filter(({ type }) => type === 'transport').map(({ peer, iceLocalUsernameFragment: fragment }) => {
          const local = new Set(all.filter((report) => report.type === 'local-candidate' && report.peer === peer &&
            report.usernameFragment === fragment).map(({ id }) => id));
          const checks = all.filter((report) => report.type === 'candidate-pair' && report.peer === peer &&
            local.has(report.localCandidateId)).reduce((sum, pair) => sum + pair.responsesReceived + pair.responsesSent, 0);
          return [peer, { fragment, checks }];
        }));
      };
      const before = await answered();
      await people.alice.page.evaluate(() => {
        for (const connection of window.confab.room.connections.values()) connection.restart();
      });
      let waiting = [];
      await until(() => `checks under new credentials with ${waiting.map((peer) => peer || 'the SFU').join(', ')}`, async () => {
        const now = await answered();
        waiting = [...before.keys()].filter((peer) => !now.get(peer)?.checks || now.get(peer).fragment === before.get(peer).fragment);
        return waiting.length === 0;
      });
      await people.alice.sees(pictures(['bob', ...SYNTHETIC]));
      await people.bob.sees(pictures(['alice']));
    });

    await test(`${topology}: a camera goes off and on again`, async () => {
      await people.alice.page.click('#camera');
      const dark = people.bob.page.locator('.tile.dark[data-peer=alice]');
      await until('bob to see alice\'s camera go', async () => await dark.count() === 1);
      await people.alice.page.click('#camera');
      await people.bob.sees(pictures(['alice']));
      await until('bob to see her picture again', async () => await dark.count() === 0);
    });

    await test(`${topology}: a shared screen is a picture of its own`, async () => {
      await people.bob.page.click('#screen');
      await people.alice.sees(['bob screen', 'bob video']);
      await people.carol.sees(['bob screen']);
      await people.bob.page.click('#screen');
      await until('the screen to go', async () => !('bob screen' in await people.alice.frames()));
      await people.alice.sees(pictures(['bob']));
    });

    await test(`${topology}: who leaves is gone; confab's own go with the last one`, async () => {
      await people.carol.page.click('#leave');
      await until('carol to be gone', () => people.alice.page.evaluate(() => !window.confab.room.peers.has('carol del Río')));
      await Promise.all(everyone().map((person) => person.leave()));
      await until('synthetic peers to go', async () => (await (await server.get(`/rooms/${at}/peers`)).json()).length === 0);
    });

    await test(`${topology}: nothing was complained about in the browsers' consoles`, () => {
      const complaints = everyone().flatMap((person) => person.complaints);
      check(complaints.length === 0, [...new Set(complaints)].slice(0, 5).join('; '));
    });
    await Promise.all(everyone().map((person) => person.leave().catch(() => {})));
  }
}
