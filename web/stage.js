// The pictures: one tile for each camera and each shared screen, in a grid or with one of them large.

import { formatRate } from './statistics.js';

const SPEAKS = 0.02; // of full scale
const HOLD_MS = 1500; // who has spoken stays marked for so long
const SETTLE_MS = 150; // so long nothing has changed before sizes are told
const STEP = 45; // pixels: sizes are told as multiples of it

const template = document.getElementById('tile');

/** Columns and the size of a tile, so that `count` of them are largest: 16:9, in a narrow space up to square. */
function fit(count, width, height, gap) {
  let best = { columns: 1, width: 0, height: 0 };
  const tallest = width < height ? 1 : 3 / 4;
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const across = (width - gap * (columns - 1)) / columns;
    const down = (height - gap * (rows - 1)) / rows;
    const tile = { columns, width: Math.min(across, (down * 16) / 9), height: Math.min(down, across * tallest) };
    if (tile.width * tile.height > best.width * best.height) best = tile;
  }
  return best;
}

function initials(name) {
  const words = name.trim().split(/[\s\-_.]+/).filter(Boolean);
  const first = [...(words[0] ?? '?')][0];
  return (first + (words.length > 1 ? [...words.at(-1)][0] : '')).toUpperCase();
}

/** A colour of its own for each name, the same for everyone. */
function hue(name) {
  let sum = 0;
  for (const char of name) sum = (sum * 31 + char.codePointAt(0)) % 360;
  return sum;
}

class Tile {
  constructor(peer, role, own) {
    this.peer = peer;
    this.role = role;
    this.own = own;
    this.spoke = 0;
    this.element = template.content.firstElementChild.cloneNode(true);
    this.element.dataset.peer = peer;
    this.element.dataset.role = role;
    this.element.style.setProperty('--hue', hue(peer));
    this.element.classList.toggle('own', own);
    this.video = this.element.querySelector('video');
    this.name = own ? `${peer} (you)` : peer;
    this.title = role === 'screen' ? `${this.name}: screen` : this.name;
    this.element.setAttribute('aria-label', this.title);
    this.element.querySelector('.name').textContent = this.title;
    this.element.querySelector('.initials').textContent = initials(peer);
    this.element.querySelector('.pin').setAttribute('aria-label', `Show ${this.title} large`);
    this.video.addEventListener('resize', () => this.#shape());
  }

  #shape() {
    this.element.classList.toggle('upright', this.video.videoHeight > this.video.videoWidth);
  }

  show(track) {
    const shown = this.video.srcObject?.getVideoTracks()[0] ?? null;
    if (shown === track) return;
    this.video.srcObject = track ? new MediaStream([track]) : null;
    if (track) this.video.play().catch(() => {});
  }

  set state({ audio, video }) {
    const picture = this.role === 'screen' || (video && this.video.srcObject !== null);
    this.element.classList.toggle('dark', !picture);
    this.element.querySelector('.muted').hidden = audio || this.role === 'screen';
  }

  set figures(text) {
    const element = this.element.querySelector('.figures');
    if (element.textContent !== text) element.textContent = text;
  }
}

/** Event 'pin' never leaves; whoever is pinned is `pinned`. */
export class Stage {
  constructor(element, sounds) {
    this.element = element;
    this.sounds = sounds;
    this.layout = 'grid';
    this.tiles = new Map(); // by role and name
    this.audio = new Map(); // receivers by peer
    this.off = new Map(); // roles that are muted, by peer
    this.pinned = null;
    this.speaker = null;
    this.outOfSight = new Set(); // elements of tiles, as far as the browser has told
    this.told = false; // the server says who speaks
    new ResizeObserver(() => this.arrange()).observe(element);
    this.sight = new IntersectionObserver((changes) => {
      for (const { target, isIntersecting } of changes) {
        if (isIntersecting) this.outOfSight.delete(target);
        else this.outOfSight.add(target);
      }
      this.#settle();
    });
    document.addEventListener('visibilitychange', () => this.#settle());
  }

  #settling = 0;

  #settle() {
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => this.onheights?.(), SETTLE_MS);
  }

  /** How high each picture among the room's tracks is shown, in pixels: 0 for what is out of sight. */
  heights(tracks) {
    const heights = new Map();
    for (const track of tracks) {
      if (track.role === 'audio') continue;
      const element = this.tiles.get(`${track.role} ${track.peer}`)?.element;
      const seen = element && !this.outOfSight.has(element) && document.visibilityState === 'visible';
      heights.set(track, seen ? Math.max(1, Math.ceil((element.clientHeight * devicePixelRatio) / STEP)) * STEP : 0);
    }
    return heights;
  }

  mute(peer, role, muted) {
    const roles = this.off.get(peer) ?? new Set();
    if (muted) roles.add(role);
    else roles.delete(role);
    this.off.set(peer, roles);
  }

  /** The server says who speaks: then levels are for marks alone. */
  hear(peer) {
    this.told = true;
    this.speaker = peer;
    if (this.layout === 'speaker') this.arrange();
  }

  forget(peer) {
    this.off.delete(peer);
  }

  clear() {
    this.off.clear();
    this.told = false;
    this.speaker = null;
  }

  /** People are shown, with a picture or without; `own` first, then in the order in which they came. */
  update({ own, ownTracks, ownState, peers, tracks }) {
    const wanted = new Map();
    const want = (peer, role, track, isOwn) => wanted.set(`${role} ${peer}`, { peer, role, track, isOwn });
    for (const { peer, role, track } of tracks) if (role === 'screen') want(peer, role, track, false);
    if (ownTracks.get('screen')) want(own, 'screen', ownTracks.get('screen'), true);
    want(own, 'video', ownTracks.get('video') ?? null, true);
    for (const peer of new Set([...peers, ...tracks.map((track) => track.peer)])) {
      want(peer, 'video', tracks.find((track) => track.peer === peer && track.role === 'video')?.track ?? null, false);
    }
    for (const [key, tile] of this.tiles) {
      if (wanted.has(key)) continue;
      tile.show(null);
      this.sight.unobserve(tile.element);
      this.outOfSight.delete(tile.element);
      tile.element.remove();
      this.tiles.delete(key);
      if (this.pinned === key) this.pinned = null;
    }
    for (const [key, { peer, role, track, isOwn }] of wanted) {
      let tile = this.tiles.get(key);
      if (!tile) {
        tile = new Tile(peer, role, isOwn);
        tile.element.querySelector('.pin').addEventListener('click', () => this.pin(key));
        this.tiles.set(key, tile);
        this.sight.observe(tile.element);
      }
      tile.show(track);
      const off = this.off.get(peer);
      const heard = tracks.some((other) => other.peer === peer && other.role === 'audio');
      tile.state = isOwn ? ownState : { audio: heard && !off?.has('audio'), video: track !== null && !off?.has('video') };
    }
    this.#updateSounds(tracks);
    this.arrange();
  }

  #updateSounds(tracks) {
    const wanted = new Map(tracks.filter(({ role }) => role === 'audio').map((track) => [track.peer, track]));
    for (const [peer, { element }] of this.audio) {
      if (wanted.has(peer)) continue;
      element.srcObject = null;
      element.remove();
      this.audio.delete(peer);
    }
    for (const [peer, { track, receiver }] of wanted) {
      const old = this.audio.get(peer);
      if (old?.track === track) continue;
      const element = old?.element ?? this.sounds.appendChild(document.createElement('audio'));
      element.autoplay = true;
      element.srcObject = new MediaStream([track]);
      element.play().catch(() => {});
      this.audio.set(peer, { element, track, receiver });
    }
  }

  pin(key) {
    const again = this.layout === 'speaker' && this.pinned === key;
    this.pinned = again ? null : key;
    this.layout = again ? 'grid' : 'speaker';
    this.arrange();
    this.onlayout?.(this.layout);
  }

  setLayout(layout) {
    this.layout = layout;
    if (layout === 'grid') this.pinned = null;
    this.arrange();
  }

  /** A few times a second: who speaks? Levels are those of RFC 6464, as the browser gives them. */
  listen(ownLevel) {
    const now = performance.now();
    let loudest = { level: SPEAKS, peer: null };
    for (const tile of this.tiles.values()) {
      if (tile.role !== 'video') continue;
      const source = this.audio.get(tile.peer)?.receiver.getSynchronizationSources()[0];
      const level = tile.own ? ownLevel : source?.audioLevel ?? 0;
      if (level > SPEAKS) tile.spoke = now;
      tile.element.classList.toggle('speaks', tile.spoke > 0 && now - tile.spoke < HOLD_MS);
      if (!tile.own && level > loudest.level) loudest = { level, peer: tile.peer };
    }
    const current = this.tiles.get(`video ${this.speaker}`);
    if (this.told) return;
    if (loudest.peer && loudest.peer !== this.speaker && (!current || now - current.spoke > HOLD_MS)) {
      this.speaker = loudest.peer;
      if (this.layout === 'speaker') this.arrange();
    }
  }

  /** Which one is large: the pinned one, a screen, whoever spoke last, the first of the others. */
  #large() {
    const keys = [...this.tiles.keys()];
    const others = keys.filter((key) => !this.tiles.get(key).own);
    return this.pinned ?? keys.find((key) => key.startsWith('screen ')) ??
      others.find((key) => key === `video ${this.speaker}`) ?? others[0] ?? keys[0];
  }

  arrange() {
    const large = this.layout === 'speaker' ? this.#large() : null;
    const order = [...this.tiles.entries()].sort(([a], [b]) => (b === large) - (a === large));
    const parent = this.element;
    parent.dataset.layout = this.layout;
    order.forEach(([key, tile], i) => {
      tile.element.classList.toggle('large', key === large);
      tile.element.querySelector('.pin').setAttribute('aria-pressed', String(key === this.pinned));
      // Moving a video restarts it: only when the order has really changed.
      if (parent.children[i] !== tile.element) parent.insertBefore(tile.element, parent.children[i] ?? null);
    });
    const style = getComputedStyle(parent);
    const width = parent.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const tile = fit(this.tiles.size || 1, width, parent.clientHeight, parseFloat(style.columnGap) || 0);
    parent.style.setProperty('--columns', tile.columns);
    parent.style.setProperty('--tile-width', `${Math.floor(tile.width)}px`);
    parent.style.setProperty('--tile-height', `${Math.floor(tile.height)}px`);
    this.#settle();
  }

  /** `incoming` is statistics.js's, `tracks` the room's. */
  showFigures(tracks, statistics) {
    for (const { peer, role, mid, connection } of tracks) {
      const figures = statistics.get(connection)?.incoming.get(mid);
      const tile = this.tiles.get(`${role} ${peer}`);
      if (!figures || !tile) continue;
      const size = figures.height > 0 ? `${figures.height}p` : 'no picture yet';
      tile.element.dataset.frames = figures.frames;
      tile.figures = figures.bps > 0 ? `${size} · ${Math.round(figures.fps)} fps · ${formatRate(figures.bps)}` : size;
    }
  }
}
