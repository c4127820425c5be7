// The page: what a person sees and presses, wired to the room.

import { Exchange } from './exchange.js';
import { openDevice, openScreen } from './media.js';
import { Room } from './room.js';
import { Sparkline } from './sparkline.js';
import { Stage } from './stage.js';
import { Statistics, formatBytes, formatRate } from './statistics.js';

const STATISTICS_MS = 1000;
const LISTEN_MS = 200;
const NOTICE_MS = 7000;
const SYNTHETIC = 5;
const HEIGHTS = { high: 720, low: 360, lowest: 180 };

const $ = (id) => document.getElementById(id);
const stage = new Stage($('stage'), $('sounds'));
const tracks = new Map(); // ours, by role
const on = { audio: false, video: false };
const watched = new Map(); // connection -> {statistics, latest, card, spark}
let room = null;
let exchange = null;
let ownLevel = 0;

// --- saying things ----------------------------------------------------------------------------------------------------

function notice(text, kind = '') {
  const element = document.createElement('p');
  element.textContent = text;
  element.className = kind;
  $('notices').append(element);
  setTimeout(() => element.remove(), NOTICE_MS);
}

/** For screen readers alone. */
function speak(text) {
  $('spoken').textContent = text;
}

function setIcon(button, icon) {
  button.querySelector('use').setAttribute('href', `#i-${icon}`);
}

// --- lobby ------------------------------------------------------------------------------------------------------------

function remembered(key) {
  try {
    return localStorage.getItem(key) ?? '';
  } catch {
    return '';
  }
}

function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch { /* not allowed: then not */ }
}

function fillLobby() {
  const query = new URLSearchParams(location.search);
  $('room-name').value = query.get('room') ?? decodeURIComponent(location.hash.slice(1));
  $('own-name').value = query.get('name') ?? remembered('name');
  const choose = (id, value) => {
    if ([...$(id).options].some((option) => option.value === value)) $(id).value = value;
  };
  choose('path', query.get('path'));
  choose('quality', query.get('quality'));
  const topology = query.get('topology');
  if (topology === 'mesh' || topology === 'sfu') $('join').elements.topology.value = topology;
  if ($('path').value !== 'any' || $('quality').value !== 'high') $('join').querySelector('details').open = true;
  ($('room-name').value ? $('own-name') : $('room-name')).focus();
}

$('join').addEventListener('submit', async (event) => {
  event.preventDefault();
  if (room) return;
  const form = $('join').elements;
  $('join-error').textContent = '';
  remember('name', $('own-name').value.trim());
  enter({
    room: $('room-name').value.trim(), name: $('own-name').value.trim(), topology: form.topology.value,
    path: $('path').value,
  });
  const wanted = [['audio', $('with-audio').checked], ['video', $('with-video').checked]];
  await Promise.all(wanted.filter(([, checked]) => checked).map(([role]) => switchOn(role)));
});

// --- in the room ------------------------------------------------------------------------------------------------------

function enter(options) {
  exchange = new Exchange(options.name);
  room = new Room(options);
  room.addEventListener('state', (event) => showState(event));
  room.addEventListener('peers', () => showPeers());
  room.addEventListener('tracks', () => showStage());
  room.addEventListener('connections', () => watchConnections());
  room.addEventListener('channel', ({ channel, connection }) => exchange.attach(channel, connection.peer));
  exchange.addEventListener('chat', ({ from, text }) => addMessage(from, text));
  exchange.addEventListener('transfer', ({ transfer }) => showTransfer(transfer));
  room.addEventListener('mute', ({ peer, role, muted }) => {
    stage.mute(peer, role, muted);
    showStage();
  });
  room.addEventListener('speaker', ({ peer }) => stage.hear(peer));
  for (const role of Object.keys(on)) room.mute(role, !on[role]);
  $('title').textContent = options.room;
  $('topology').textContent = options.topology === 'mesh' ? 'Mesh' : 'SFU';
  $('lobby').hidden = true;
  $('call').hidden = false;
  document.title = `${options.room} · confab`;
  history.replaceState(null, '', `${location.pathname}${location.search}#${encodeURIComponent(options.room)}`);
  showStage();
  $('mic').focus({ focusVisible: false });
  offerSynthetic();
}

function exit(reason) {
  room = null;
  for (const role of [...tracks.keys()]) switchOff(role);
  stage.clear();
  known.clear();
  showPanel(null);
  $('messages').replaceChildren();
  $('call').hidden = true;
  $('lobby').hidden = false;
  $('join-error').textContent = reason ?? '';
  document.title = 'confab';
  $('own-name').focus();
}

const known = new Set();

function showPeers() {
  if (!room) return;
  const count = room.peers.size + 1;
  if (room.state === 'joined') $('status').textContent = count === 1 ? 'only you' : `${count} people`;
  const came = [...room.peers].filter((peer) => !known.has(peer));
  const left = [...known].filter((peer) => !room.peers.has(peer));
  for (const peer of left) stage.forget(peer);
  known.clear();
  for (const peer of room.peers) known.add(peer);
  if (room.state === 'joined' && came.length) speak(`${came.join(', ')} came`);
  if (room.state === 'joined' && left.length) speak(`${left.join(', ')} left`);
  showStage();
}

function showStage() {
  if (!room) return;
  stage.update({ own: room.options.name, ownTracks: tracks, ownState: on, peers: room.peers, tracks: room.tracks() });
}

function showState({ state, reason, delay_ms: delay }) {
  const status = $('status');
  status.classList.toggle('bad', state === 'waiting');
  if (state === 'connecting') status.textContent = 'connecting …';
  else if (state === 'waiting') status.textContent = `${reason}; again in ${Math.ceil(delay / 1000)} s`;
  else if (state === 'refused') exit(`The server says: ${reason}.`);
  else if (state === 'left') exit();
  else showPeers();
}

// --- microphone, camera, screen ---------------------------------------------------------------------------------------

function showDevices() {
  const show = (id, role, name) => {
    const isOn = role === 'screen' ? tracks.has('screen') : on[role];
    $(id).setAttribute('aria-pressed', String(isOn));
    $(id).setAttribute('aria-label', `${name} is ${isOn ? 'on' : 'off'}`);
    if (role !== 'screen') setIcon($(id), `${id}${isOn ? '' : '-off'}`);
  };
  show('mic', 'audio', 'Microphone');
  show('camera', 'video', 'Camera');
  show('screen', 'screen', 'Screen sharing');
  for (const role of Object.keys(on)) room?.mute(role, !on[role]);
  showStage();
}

async function switchOn(role) {
  let track = tracks.get(role);
  try {
    track ??= role === 'screen' ? await openScreen() : await openDevice(role, $('quality').value);
  } catch (error) {
    notice(error.message, 'error');
    return;
  }
  if (!track) return;
  if (!room) {
    track.stop();
    return;
  }
  const fresh = !tracks.has(role);
  tracks.set(role, track);
  track.enabled = true;
  if (role in on) on[role] = true;
  track.onended = () => switchOff(role);
  showDevices();
  if (fresh || role === 'video') await room.publish(role, track);
}

/** The microphone goes on being sent, as silence; camera and screen are let go, lamp and all. */
function switchOff(role) {
  const track = tracks.get(role);
  if (!track) return;
  if (role in on) on[role] = false;
  if (role === 'audio' && room) {
    track.enabled = false;
  } else {
    track.onended = null;
    track.stop();
    tracks.delete(role);
    room?.publish(role, null);
  }
  showDevices();
}

for (const [id, role] of [['mic', 'audio'], ['camera', 'video'], ['screen', 'screen']]) {
  $(id).addEventListener('click', () => {
    const isOn = role === 'screen' ? tracks.has(role) : on[role];
    if (isOn) switchOff(role);
    else switchOn(role);
  });
}

// --- synthetic peers --------------------------------------------------------------------------------------------------

const peersUrl = () => `rooms/${encodeURIComponent(room.options.room)}/peers`;

async function offerSynthetic() {
  try {
    const answer = await fetch(peersUrl());
    $('synthetic').hidden = !answer.ok;
  } catch {
    $('synthetic').hidden = true;
  }
}

$('synthetic').addEventListener('click', async () => {
  const button = $('synthetic');
  button.disabled = true;
  try {
    const answer = await fetch(`${peersUrl()}?count=${SYNTHETIC}&height=${HEIGHTS[$('quality').value]}`, { method: 'POST' });
    const text = await answer.text();
    if (!answer.ok) notice(JSON.parse(text).detail ?? `The server answers ${answer.status}.`, 'error');
  } catch (error) {
    notice(`The server can't be asked: ${error.message}`, 'error');
  }
  button.disabled = false;
});

// --- chat and files ---------------------------------------------------------------------------------------------------

function addEntry(from, ...content) {
  const entry = document.createElement('li');
  const name = document.createElement('b');
  name.textContent = from === room.options.name ? 'You' : from;
  entry.classList.toggle('own', from === room.options.name);
  entry.append(name, ...content);
  const list = $('messages');
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(entry);
  if (atEnd) list.scrollTop = list.scrollHeight;
  if (panelShown !== 'chat' && from !== room.options.name) $('show-chat').classList.add('news');
  return entry;
}

function addMessage(from, text) {
  const body = document.createElement('p');
  body.textContent = text;
  addEntry(from, body);
}

$('say').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = $('text').value.trim();
  if (!text || !room) return;
  if (!exchange.open) {
    notice('There is nobody to talk to yet.');
    return;
  }
  exchange.chat(text);
  addMessage(room.options.name, text);
  $('text').value = '';
});

function sendFile(file) {
  if (file && room) exchange.send(file);
}

$('file').addEventListener('change', () => {
  sendFile($('file').files[0]);
  $('file').value = '';
});
$('call').addEventListener('dragover', (event) => event.preventDefault());
$('call').addEventListener('drop', (event) => {
  event.preventDefault();
  sendFile(event.dataTransfer.files[0]);
});

const transferViews = new WeakMap();

function transferView(transfer) {
  let view = transferViews.get(transfer);
  if (view) return view;
  const name = document.createElement('p');
  const progress = document.createElement('progress');
  const state = document.createElement('small');
  name.className = 'file';
  name.textContent = transfer.name;
  progress.max = Math.max(1, transfer.size);
  progress.setAttribute('aria-label', `${transfer.name}: transferred`);
  view = { name, progress, state, entry: addEntry(transfer.from, name, progress, state), at: 0 };
  transferViews.set(transfer, view);
  return view;
}

function showTransfer(transfer) {
  const view = transferView(transfer);
  const now = performance.now();
  if (transfer.state === 'running' && now - view.at < 100) return;
  view.at = now;
  view.entry.dataset.transfer = transfer.state;
  view.progress.value = transfer.done;
  const size = `${formatBytes(transfer.done)} of ${formatBytes(transfer.size)}`;
  if (transfer.state === 'failed') view.state.textContent = `${size}: ${transfer.reason}`;
  else if (transfer.state !== 'done') view.state.textContent = size;
  if (transfer.state === 'running' || transfer.state === 'waiting') return;
  view.progress.hidden = true;
  if (transfer.state !== 'done') return;
  const digest = document.createElement('code');
  digest.textContent = transfer.sha256 || 'not known: this page is not secure';
  view.state.replaceChildren(`${formatBytes(transfer.size)}, SHA-256 `, digest);
  if (!transfer.url) return;
  const link = document.createElement('a');
  link.href = transfer.url;
  link.download = transfer.name;
  link.textContent = transfer.name;
  view.name.replaceChildren(link);
}

// --- the side panel ---------------------------------------------------------------------------------------------------

let panelShown = null;

/** 'chat', 'connections', or null for none. */
function showPanel(which) {
  panelShown = which;
  $('panel').hidden = which === null;
  for (const name of ['chat', 'connections']) {
    $(name).hidden = which !== name;
    $(`tab-${name}`).setAttribute('aria-selected', String(which === name));
    $(`tab-${name}`).tabIndex = which === name ? 0 : -1;
    $(`show-${name}`).setAttribute('aria-expanded', String(which === name));
  }
  $('call').classList.toggle('with-panel', which !== null);
  if (which === 'chat') {
    $('show-chat').classList.remove('news');
    $('text').focus();
  }
}

for (const name of ['chat', 'connections']) {
  $(`show-${name}`).addEventListener('click', () => showPanel(panelShown === name ? null : name));
  $(`tab-${name}`).addEventListener('click', () => showPanel(name));
  $(`tab-${name}`).addEventListener('keydown', ({ key }) => {
    if (key !== 'ArrowLeft' && key !== 'ArrowRight') return;
    const other = name === 'chat' ? 'connections' : 'chat';
    showPanel(other);
    $(`tab-${other}`).focus();
  });
}
$('close-panel').addEventListener('click', () => closePanel());

function closePanel() {
  const opener = $(`show-${panelShown}`);
  showPanel(null);
  opener.focus();
}

$('panel').addEventListener('keydown', ({ key }) => {
  if (key === 'Escape') closePanel();
});

// --- layout -----------------------------------------------------------------------------------------------------------

stage.onheights = () => room?.watch(stage.heights(room.tracks()));

stage.onlayout = (layout) => {
  $('layout').setAttribute('aria-pressed', String(layout === 'speaker'));
  setIcon($('layout'), layout === 'speaker' ? 'grid' : 'speaker');
};

$('layout').addEventListener('click', () => {
  stage.setLayout(stage.layout === 'grid' ? 'speaker' : 'grid');
  stage.onlayout(stage.layout);
});

$('copy-link').addEventListener('click', async () => {
  const link = `${location.origin}${location.pathname}?topology=${room.options.topology}#${encodeURIComponent(room.options.room)}`;
  try {
    await navigator.clipboard.writeText(link);
    notice('The link to this room is in the clipboard.');
  } catch {
    notice(link);
  }
});

$('leave').addEventListener('click', () => room?.leave());

// --- connections, watched ---------------------------------------------------------------------------------------------

function watchConnections() {
  const present = new Set(room?.connections.values() ?? []);
  for (const [connection, view] of watched) {
    if (present.has(connection)) continue;
    view.card.remove();
    watched.delete(connection);
  }
  for (const connection of present) {
    if (watched.has(connection)) continue;
    const card = $('connection').content.firstElementChild.cloneNode(true);
    card.querySelector('h3').textContent = connection.peer || 'The SFU';
    card.querySelector('.restart').addEventListener('click', () => connection.restart());
    $('connections').append(card);
    const spark = new Sparkline(card.querySelector('canvas'), ['--down', '--up']);
    watched.set(connection, { statistics: new Statistics(connection.pc), latest: null, card, spark });
  }
}

const percent = (share) => `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;

function layersOf(latest) {
  const layers = latest.outgoing.filter(({ bps }) => bps > 0).map(({ height, bps }) => `${height}p ${formatRate(bps)}`);
  return layers.length ? `Sending ${layers.join(', ')}` : '';
}

function showCard(connection, { latest, card, spark }) {
  const set = (name, text) => {
    const element = card.querySelector(`.${name}`);
    if (element.textContent !== text) element.textContent = text;
  };
  const up = connection.state === 'connected';
  const [path, tone] = up ? [latest.path, latest.relayed ? 'relayed' : 'direct'] : [connection.state, 'down'];
  card.dataset.tone = tone;
  set('path', [path, up ? latest.dtls : ''].filter(Boolean).join(' · '));
  set('rtt', Number.isFinite(latest.rtt_ms) ? `${latest.rtt_ms.toFixed(latest.rtt_ms < 10 ? 1 : 0)} ms` : '–');
  set('loss', percent(latest.loss));
  set('receive', formatRate(latest.receive_bps));
  set('send', formatRate(latest.send_bps));
  set('layers', layersOf(latest));
  spark.add(latest.receive_bps, latest.send_bps);
}

async function watch() {
  if (room) {
    await Promise.all([...watched].map(async ([connection, view]) => {
      try {
        view.latest = await view.statistics.read();
      } catch {
        return; // it was closed meanwhile
      }
      showCard(connection, view);
    }));
    const latest = new Map([...watched].filter(([, view]) => view.latest).map(([connection, view]) => [connection, view.latest]));
    ownLevel = on.audio ? Math.max(0, ...[...latest.values()].map((each) => each.ownLevel)) : 0;
    if (room) stage.showFigures(room.tracks(), latest);
  }
  setTimeout(watch, STATISTICS_MS);
}

watch();
setInterval(() => room && stage.listen(ownLevel), LISTEN_MS);
window.addEventListener('pagehide', () => room?.leave());
fillLobby();

/** For tests, and for whoever looks with the browser's own tools. */
window.confab = {
  get room() { return room; },
  get exchange() { return exchange; },
  get stage() { return stage; },
};
