// A browser to which UDP doesn't get through: ICE-TCP to the SFU (RFC 6544), on the port of the page itself.

import { check, until } from './harness.mjs';

/** In the page: the SFU has no UDP candidates. */
function withoutUdp() {
  const original = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function setRemoteDescription({ type, sdp }) {
    return original.call(this, { type, sdp: sdp.replace(/^a=candidate:\S+ \d+ udp .*\r\n/gmi, '') });
  };
}

export default async function tcp({ test, browser, server }) {
  await test('tcp: a browser without UDP sees and is seen', async () => {
    const vera = await browser.join('tcp', 'vera', { script: withoutUdp });
    const walt = await browser.join('tcp', 'walt');
    await vera.sees(['walt video']);
    await walt.sees(['vera video']);
    await vera.hears(['walt']);
    await walt.hears(['vera']);
    const [{ local, remote }] = await vera.paths();
    check(local.protocol === 'tcp' && local.candidateType !== 'relay', `its path is ${local.candidateType} by ${local.protocol}`);
    check(remote.tcpType === 'passive' && String(remote.port) === new URL(server.url).port, `to ${remote.address}:${remote.port}, ${remote.tcpType}`);
    await vera.page.evaluate(() => window.confab.room.connections.get('').restart());
    await until('another path', async () => {
      const [{ pair, local: now }] = await vera.paths();
      return pair?.state === 'succeeded' && now.protocol === 'tcp' && now.usernameFragment !== local.usernameFragment;
    });
    await vera.sees(['walt video']);
    await walt.sees(['vera video']);
    await Promise.all([vera.leave(), walt.leave()]);
    return `${local.candidateType} ${local.protocol}`;
  });
}
