// A room: the channel to the server, who is in it, and the connections to them (docs/room-protocol.md).

import { Connection, streamId } from './connection.js';
import { CHANNELS } from './exchange.js';

const BACK_OFF_MS = [500, 1000, 2000, 4000, 8000, 15000];
/* The server may not have noticed yet that our last channel is dead. */
const PASSING = ['someone of that name is in the room'];

/** ICE servers as RTCPeerConnection takes them, of those the server has told, as far as the person wants them. */
export function configurationFor(servers, path) {
  const wanted = {
    any: () => true, relay: () => true,
    'relay-udp': (url) => /^turn:.*transport=udp/.test(url),
    'relay-tcp': (url) => /^turn:.*transport=tcp/.test(url),
    'relay-tls': (url) => /^turns:/.test(url),
  }[path] ?? (() => true);
  return {
    iceTransportPolicy: path.startsWith('relay') ? 'relay' : 'all',
    iceServers: servers.filter(({ url }) => wanted(url)).map(({ url, username, credential }) => (
      url.startsWith('turn') ? { urls: url, username, credential } : { urls: url })),
  };
}

/**
 * Events: 'state' (`.state`: connecting, joined, waiting, refused, left; `.reason`, `.delay_ms`), 'peers', 'tracks',
 * 'channel' (`.channel`, `.connection`), 'connections', 'mute' (`.peer`, `.role`, `.muted`), 'speaker' (`.peer`).
 */
export class Room extends EventTarget {
  /** @param {{room: string, name: string, topology: 'sfu'|'mesh', path: string}} options */
  constructor(options) {
    super();
    this.options = options;
    this.peers = new Set();
    this.connections = new Map(); // by the other participant's name; '' is the SFU
    this.published = new Map(); // tracks by role
    this.muted = new Set(); // roles of ours that are off
    this.state = 'connecting';
    this.#connect();
  }

  #socket = null;
  #attempts = 0;
  #timer = 0;
  #servers = [];
  #left = new Set(); // streams of peers who left
  #watched = new Map(); // how high each track of the SFU is shown, as the server was told: by its role and stream

  get mesh() {
    return this.options.topology === 'mesh';
  }

  async publish(role, track) {
    this.published.set(role, track);
    await Promise.all([...this.connections.values()].map((connection) => connection.publish(role, track)));
  }

  /** Tells everyone that what we send in a role is off, or on again. */
  mute(role, muted) {
    if (this.muted.has(role) === muted) return;
    if (muted) this.muted.add(role);
    else this.muted.delete(role);
    if (this.state === 'joined') this.#send({ type: 'mute', track: role, muted });
  }

  /** Tells the SFU how high each of tracks() is shown, in pixels, 0 for those that aren't. */
  watch(heights) {
    if (this.mesh || this.state !== 'joined') return;
    const told = new Map();
    const tracks = [];
    for (const [{ stream, role }, height] of heights) {
      const key = `${role} ${stream}`;
      told.set(key, height);
      if (this.#watched.get(key) !== height) tracks.push({ peer: stream, track: role, height });
    }
    this.#watched = told;
    if (tracks.length) this.#send({ type: 'watch', tracks });
  }

  /**
   * Everything that comes in: {peer, role, mid, track, receiver, connection}. Who publishes by WHIP is no peer, and goes
   * by the name of the stream; what a peer who has left still has there is passed over.
   */
  tracks() {
    const names = new Map([...this.peers].map((name) => [streamId(name), name]));
    return [...this.connections.values()]
      .flatMap((connection) => connection.remoteTracks.map((track) => (
        { ...track, connection, peer: connection.peer || names.get(track.stream) || track.stream })))
      .filter(({ connection, stream }) => connection.peer || names.has(stream) || !this.#left.has(stream));
  }

  leave() {
    clearTimeout(this.#timer);
    if (this.#socket?.readyState === WebSocket.OPEN) this.#send({ type: 'leave' });
    this.#drop();
    this.#become('left');
  }

  // --- the channel ------------------------------------------------------------------------------------------------

  #connect() {
    const url = new URL('ws', location.href);
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    url.search = url.hash = '';
    const socket = new WebSocket(url);
    this.#socket = socket;
    this.#become('connecting');
    socket.onopen = () => this.#send({
      type: 'join', room: this.options.room, peer: this.options.name, topology: this.options.topology,
    });
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
    socket.onclose = () => {
      if (this.#socket === socket) this.#again('the connection to the server is lost');
    };
  }

  #again(reason) {
    this.#drop();
    const delay = BACK_OFF_MS[Math.min(this.#attempts++, BACK_OFF_MS.length - 1)] * (0.8 + 0.4 * Math.random());
    this.#become('waiting', { reason, delay_ms: delay });
    this.#timer = setTimeout(() => this.#connect(), delay);
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    for (const connection of this.connections.values()) connection.close();
    this.connections.clear();
    this.peers.clear();
    this.#watched.clear();
    this.#left.clear();
    this.#tell('connections');
    this.#tell('peers');
    this.#tell('tracks');
  }

  #send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #take(message) {
    switch (message.type) {
      case 'joined':
        this.#attempts = 0;
        this.#servers = message.ice_servers ?? [];
        for (const peer of message.peers ?? []) this.peers.add(peer);
        this.#become('joined');
        for (const role of this.muted) this.#send({ type: 'mute', track: role, muted: true });
        this.#tell('peers');
        if (this.mesh) for (const peer of this.peers) this.#call(peer, true);
        else this.#call('', true);
        break;
      case 'peer-joined':
        this.peers.add(message.peer);
        this.#left.delete(streamId(message.peer));
        this.#tell('peers');
        break;
      case 'peer-left':
        this.peers.delete(message.peer);
        this.#left.add(streamId(message.peer));
        if (this.mesh) this.#end(message.peer);
        this.#tell('peers');
        break;
      case 'offer':
      case 'answer':
      case 'candidate':
      case 'candidates-end':
        this.#forConnection(message);
        break;
      case 'mute':
        this.#tell('mute', { peer: message.peer, role: message.track, muted: message.muted });
        break;
      case 'speaker':
        this.#tell('speaker', { peer: message.peer });
        break;
      case 'error':
        this.#refused(message.reason);
        break;
    }
  }

  #refused(reason) {
    if (this.state === 'joined') {
      console.warn('the server says:', reason);
    } else if (PASSING.includes(reason) && this.#attempts > 0) {
      this.#again(reason);
    } else {
      this.#drop();
      this.#become('refused', { reason });
    }
  }

  // --- connections ------------------------------------------------------------------------------------------------

  #forConnection(message) {
    const peer = message.from ?? '';
    let connection = this.connections.get(peer);
    if (!connection && this.mesh && message.type === 'offer') connection = this.#call(peer, false);
    connection?.handle(message);
  }

  #call(peer, offers) {
    const connection = new Connection({
      own: this.options.name, peer, mesh: this.mesh, offers,
      configuration: configurationFor(this.#servers, this.options.path ?? 'any'),
      say: (message) => this.#send(message),
    });
    this.connections.set(peer, connection);
    connection.addEventListener('tracks', () => this.#tell('tracks'));
    connection.addEventListener('state', () => this.#tell('connections'));
    connection.addEventListener('channel', ({ channel }) => this.#tell('channel', { channel, connection }));
    for (const [role, track] of this.published) if (track || !offers) connection.publish(role, track);
    if (offers) {
      connection.prepare();
      for (const label of CHANNELS) connection.open(label);
    }
    this.#tell('connections');
    return connection;
  }

  #end(peer) {
    this.connections.get(peer)?.close();
    this.connections.delete(peer);
    this.#tell('connections');
    this.#tell('tracks');
  }

  #tell(type, detail) {
    this.dispatchEvent(Object.assign(new Event(type), detail));
  }

  #become(state, detail) {
    this.state = state;
    this.#tell('state', { state, ...detail });
  }
}
