// WHIP and WHEP by a page that knows no room protocol: fetch and RTCPeerConnection alone.

import { check, until } from './harness.mjs';

/** In a page: publishes camera and microphone, or plays, as `kind` says; `window.session` is what comes of it. */
async function begin({ kind, url, simulcast, codec, height = 720 }) {
  const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  const stream = new MediaStream();
  if (kind === 'whip') {
    const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: (height * 16) / 9, height, frameRate: 15 } });
    pc.addTransceiver(media.getAudioTracks()[0], { direction: 'sendonly' });
    const layers = [{ rid: 'q', scaleResolutionDownBy: 4 }, { rid: 'h', scaleResolutionDownBy: 2 }, { rid: 'f' }];
    const sendEncodings = simulcast && layers.slice(height < 720 ? 1 : 0); // Chromium sends no more of a small picture
    const video = pc.addTransceiver(media.getVideoTracks()[0], { direction: 'sendonly', ...(sendEncodings && { sendEncodings }) });
    const { codecs } = RTCRtpSender.getCapabilities('video');
    const first = ({ mimeType }) => (mimeType.toLowerCase() === `video/${codec}` ? 0 : 1);
    if (codec) video.setCodecPreferences(codecs.toSorted((a, b) => first(a) - first(b)));
  } else {
    pc.ontrack = ({ track }) => stream.addTrack(track);
    pc.addTransceiver('audio', { direction: 'recvonly' });
    pc.addTransceiver('video', { direction: 'recvonly' });
    const video = document.body.appendChild(document.createElement('video'));
    Object.assign(video, { srcObject: stream, autoplay: true, muted: true });
  }
  await pc.setLocalDescription();
  const answer = await fetch(url, { method: 'POST', body: pc.localDescription.sdp, headers: { 'Content-Type': 'application/sdp' } });
  if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
  await pc.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
  window.session = { pc, location: answer.headers.get('Location') };
}

const state = ({ page }) => page.evaluate(() => window.session.pc.connectionState);
const statistics = ({ page }) => page.evaluate(async () => [...(await window.session.pc.getStats()).values()]);
const incoming = async (window, kind) => (await statistics(window))
  .find((report) => report.type === 'inbound-rtp' && report.kind === kind) ?? {};

export default async function whip({ test, browser, server }) {
  const open = async (options) => {
    const window = await browser.open();
    await window.page.goto(`${server.url}/health`); // any page of the server's: its scripts are not ours
    await window.page.evaluate(begin, options);
    return window;
  };
  let publisher;
  let viewer;

  await test('WHIP: a page publishes', async () => {
    publisher = await open({ kind: 'whip', url: '/whip/browser' });
    await until('its connection', async () => await state(publisher) === 'connected');
  });

  await test('WHEP: another page plays it', async () => {
    viewer = await open({ kind: 'whep', url: '/whep/browser' });
    await until('pictures', async () => (await incoming(viewer, 'video')).framesDecoded > 20);
    await until('sound', async () => (await incoming(viewer, 'audio')).packetsReceived > 50);
  });

  await test('WHIP: the estimate grows beyond what is sent', async () => {
    let best = 0;
    await until('1.5 Mbit/s', async () => {
      const pair = (await statistics(publisher)).find((report) => report.type === 'candidate-pair' && report.nominated);
      best = Math.max(best, pair?.availableOutgoingBitrate ?? 0);
      return best > 1.5e6;
    });
    const video = (await statistics(publisher)).find((report) => report.type === 'outbound-rtp' && report.kind === 'video');
    return `${Math.round(best / 1000)} kbit/s, ${video.frameWidth}x${video.frameHeight} wants ${Math.round(video.targetBitrate / 1000)}`;
  });

  await test('WHIP: simulcast reaches a room, and its viewer by WHEP the largest layer', async () => {
    const many = await open({ kind: 'whip', url: '/whip/layers', simulcast: true });
    const one = await open({ kind: 'whep', url: '/whep/layers' });
    await until('all its pixels', async () => (await incoming(one, 'video')).frameHeight === 720);
    await Promise.all([many.context.close(), one.context.close()]);
  });

  await test('WHIP: H.264 with its layers reaches viewers and a room', async () => {
    const many = await open({ kind: 'whip', url: '/whip/h264', simulcast: true, codec: 'h264', height: 360 });
    const one = await open({ kind: 'whep', url: '/whep/h264' });
    await until('all its pixels', async () => (await incoming(one, 'video')).frameHeight === 360);
    const codecId = (await incoming(one, 'video')).codecId;
    const { mimeType } = (await statistics(one)).find(({ id }) => id === codecId);
    check(mimeType === 'video/H264', `the codec is ${mimeType}`);
    // In a room beside a camera of VP8, and in another size: a layer's key frames are found.
    const ute = await browser.join('h264', 'ute');
    const vic = await browser.join('h264', 'vic', { video: false });
    await vic.sees(['ute video']);
    const fromWhip = () => vic.page.evaluate(async () => {
      const track = window.confab.room.tracks().find(({ role, peer }) => role === 'video' && peer !== 'ute');
      const reports = track ? [...(await track.connection.pc.getStats()).values()] : [];
      return reports.find((report) => report.type === 'inbound-rtp' && report.mid === track.mid)?.frameHeight ?? 0;
    });
    await until('a tile of it, and a layer that fits', async () => await fromWhip() === 360);
    await vic.page.locator('.tile[data-peer=ute] .pin').click();
    await until('the small layer', async () => await fromWhip() === 180);
    await Promise.all([many.context.close(), one.context.close(), ute.leave(), vic.leave()]);
  });

  await test('WHIP: DELETE ends it, and the viewer keeps its place for the next one', async () => {
    const status = await publisher.page.evaluate(async () => (await fetch(window.session.location, { method: 'DELETE' })).status);
    check(status === 200, `status ${status}`);
    await until('the publisher to be told', async () => ['closed', 'failed', 'disconnected'].includes(await state(publisher)));
    const before = (await incoming(viewer, 'video')).framesDecoded;
    const next = await open({ kind: 'whip', url: '/whip/browser' });
    await until('the next one\'s pictures', async () => (await incoming(viewer, 'video')).framesDecoded > before + 20);
    await next.context.close();
  });

  await Promise.all([publisher, viewer].map((window) => window?.context.close()));
}
