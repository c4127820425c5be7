// A browser that may only use TURN, over each transport.

import { check } from './harness.mjs';

export default async function relay({ test, browser }) {
  let guest;
  for (const transport of ['udp', 'tcp', 'tls']) {
    await test(`relayed by TURN over ${transport.toUpperCase()}`, async () => {
      guest ??= await browser.join('relay', 'gus');
      const hal = await browser.join('relay', `hal-${transport}`, { path: `relay-${transport}` });
      try {
        await hal.sees(['gus video']);
        await guest.sees([`hal-${transport} video`]);
        const [{ local, transport: secured }] = await hal.paths();
        check(local.candidateType === 'relay', `the path is ${local.candidateType}`);
        check(local.relayProtocol === transport, `TURN is over ${local.relayProtocol}`);
        check(secured.dtlsState === 'connected', `DTLS is ${secured.dtlsState}`);
      } finally {
        await hal.leave();
      }
    });
  }
  await guest?.leave();
}
