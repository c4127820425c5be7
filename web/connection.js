// One RTCPeerConnection, to the SFU or in a mesh to one other participant, negotiated as docs/room-protocol.md says.
//
// Whoever came later is impolite: its offer stands when both offer at once (perfect negotiation). The SFU takes its
// own offer back, so towards it we are impolite too.

const RESTART_AFTER_MS = 2500; // disconnected for so long: look for another path

/** A name as SDP can carry it: each byte that no token may have is `_` (RFC 8830, section 2). */
export function streamId(name) {
  const bytes = new TextEncoder().encode(name);
  return Array.from(bytes, (byte) => {
    const char = String.fromCharCode(byte);
    return byte > 32 && byte < 127 && !'"(),/:;<=>?@[\\]'.includes(char) ? char : '_';
  }).join('');
}

/** The sections of a description: what each is, whose, and which way it goes. */
function sections(sdp) {
  return sdp.split(/^m=/m).slice(1).map((text) => {
    const line = (pattern) => text.match(pattern);
    const msid = line(/^a=msid:(\S+)(?: (\S+))?/m);
    return {
      kind: text.slice(0, text.indexOf(' ')),
      rejected: /^\w+ 0 /.test(text) && !/^a=bundle-only/m.test(text),
      mid: line(/^a=mid:(\S+)/m)?.[1],
      direction: line(/^a=(sendrecv|sendonly|recvonly|inactive)\r?$/m)?.[1] ?? 'sendrecv',
      stream: msid?.[1] ?? '',
      label: msid?.[2] ?? '',
    };
  });
}

const sends = (section) => !section.rejected && section.direction.startsWith('send');

/** What a section carries: 'audio', 'video' or 'screen'. */
const roleOf = (section) => (section.kind === 'audio' ? 'audio' : section.label === 'screen' ? 'screen' : 'video');

/**
 * Simulcast layers of a camera, lowest first. A small picture has fewer: Chromium would send the lowest of three alone.
 */
function layersFor(height) {
  const layers = [
    { rid: 'q', scaleResolutionDownBy: 4, maxBitrate: 150_000 },
    { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 500_000 },
    { rid: 'f', scaleResolutionDownBy: 1, maxBitrate: 1_800_000 },
  ];
  if (height >= 540) return layers;
  return height >= 270 ? layers.slice(1) : [{ maxBitrate: 150_000 }];
}

/**
 * Events: 'tracks' when what the other end sends has changed (see `remoteTracks`), 'channel' with `.channel`, 'state'.
 */
export class Connection extends EventTarget {
  /** @param {{own: string, peer: string, mesh: boolean, offers: boolean, configuration: RTCConfiguration,
   *           say: (message: object) => void}} options; peer is '' for the SFU */
  constructor(options) {
    super();
    this.peer = options.peer;
    this.mesh = options.mesh;
    this.remoteTracks = []; // {mid, stream, role, track}
    this.restarts = 0;
    this.#options = options;
    this.#polite = !options.offers;
    this.#started = options.offers;
    this.pc = new RTCPeerConnection({
      bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require', ...options.configuration,
    });
    this.pc.onnegotiationneeded = () => this.#offer();
    this.pc.onicecandidate = ({ candidate }) => this.#candidate(candidate);
    this.pc.ondatachannel = ({ channel }) => this.#announce(channel);
    this.pc.onconnectionstatechange = () => this.#stateChanged();
    this.pc.oniceconnectionstatechange = () => this.#stateChanged();
  }

  #options;
  #polite;
  #started; // whoever was there waits for the first offer
  #offering = false;
  #ignoring = false;
  #closed = false;
  #early = []; // candidates that came before any description
  #roles = new Map(); // our transceivers by what they send
  #wanted = new Map(); // tracks by role
  #restartTimer = 0;
  #queue = Promise.resolve(); // one message after the other

  /** Opens a data channel, of a connection that we offer. */
  open(label, options) {
    this.#announce(this.pc.createDataChannel(label, options));
  }

  /** In a mesh whoever offers makes room for both directions of sound and picture, whatever it sends itself. */
  prepare() {
    if (!this.mesh) return;
    for (const role of ['audio', 'video']) if (!this.#roles.has(role)) this.#add(role, null);
  }

  /** What we send in `role` from now on: a track, or null for nothing. */
  async publish(role, track) {
    this.#wanted.set(role, track);
    if (!this.#started) return; // the first offer has sections for it
    const transceiver = this.#roles.get(role);
    if (!transceiver) {
      if (track) this.#add(role, track);
      return;
    }
    const direction = track ? (this.mesh ? 'sendrecv' : 'sendonly') : this.mesh ? 'recvonly' : 'inactive';
    await transceiver.sender.replaceTrack(track);
    // A camera that is off keeps its section: it comes back at once, with its layers, whose RIDs are told only once.
    if (transceiver.direction !== direction && (track || role !== 'video')) transceiver.direction = direction;
  }

  /** Takes an offer, answer or candidate from the other end. */
  handle(message) {
    this.#queue = this.#queue.then(() => this.#take(message)).catch((error) => {
      if (!this.#closed) console.warn(`connection to ${this.peer || 'the SFU'}:`, error);
    });
    return this.#queue;
  }

  restart() {
    if (this.#closed || !this.#started) return;
    this.restarts++;
    this.pc.restartIce();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#restartTimer);
    this.pc.close();
    this.remoteTracks = [];
  }

  get state() {
    return this.#closed ? 'closed' : this.pc.connectionState;
  }

  // --- negotiation ------------------------------------------------------------------------------------------------

  #add(role, track) {
    const init = { direction: this.mesh ? (track ? 'sendrecv' : 'recvonly') : 'sendonly' };
    if (!this.mesh && role === 'video') init.sendEncodings = layersFor(track?.getSettings().height ?? 720);
    const kind = role === 'audio' ? 'audio' : 'video';
    this.#roles.set(role, this.pc.addTransceiver(track ?? kind, init));
  }

  async #offer() {
    if (!this.#started || this.#closed) return;
    try {
      this.#offering = true;
      await this.pc.setLocalDescription();
      this.#say({ type: this.pc.localDescription.type, sdp: this.#named(this.pc.localDescription.sdp) });
    } catch (error) {
      if (!this.#closed) console.warn('offer:', error);
    } finally {
      this.#offering = false;
    }
  }

  async #take(message) {
    if (this.#closed) return;
    if (message.type === 'candidate') return this.#takeCandidate(message.candidate);
    if (message.type === 'candidates-end') return;
    const collides = message.type === 'offer' && (this.#offering || this.pc.signalingState !== 'stable');
    this.#ignoring = !this.#polite && collides;
    if (this.#ignoring) return;
    await this.pc.setRemoteDescription({ type: message.type, sdp: message.sdp });
    for (const candidate of this.#early.splice(0)) await this.#takeCandidate(candidate);
    if (message.type === 'offer') {
      await this.#adopt(message.sdp);
      await this.pc.setLocalDescription();
      this.#say({ type: 'answer', sdp: this.#named(this.pc.localDescription.sdp) });
    }
    this.#compareTracks();
  }

  /** In a mesh: what we send goes into the sections that the other end has made for it. */
  async #adopt(sdp) {
    if (!this.mesh) return;
    for (const section of sections(sdp)) {
      const role = roleOf(section);
      const transceiver = this.pc.getTransceivers().find(({ mid }) => mid === section.mid);
      if (!transceiver || section.kind === 'application' || role === 'screen' || this.#roles.has(role)) continue;
      this.#roles.set(role, transceiver);
      const track = this.#wanted.get(role) ?? null;
      await transceiver.sender.replaceTrack(track);
      transceiver.direction = track ? 'sendrecv' : 'recvonly';
    }
    if (this.#started) return;
    this.#started = true;
    for (const [role, track] of this.#wanted) if (track && !this.#roles.has(role)) this.#add(role, track);
  }

  /** Our description as others are told it: `a=msid` says who we are and what each section carries. */
  #named(sdp) {
    const roles = new Map(Array.from(this.#roles, ([role, { mid }]) => [mid, role]));
    const own = streamId(this.#options.own);
    return sdp.split(/^(?=m=)/m).map((text) => {
      const role = roles.get(text.match(/^a=mid:(\S+)/m)?.[1]);
      return role ? text.replace(/^(a=(?:ssrc:\d+ )?msid:).*?(\r?)$/gm, `$1${own} ${role}$2`) : text;
    }).join('');
  }

  #say(message) {
    this.#options.say(this.peer ? { ...message, to: this.peer } : message);
  }

  #candidate(candidate) {
    if (this.#closed || candidate?.candidate === '') return;
    this.#say(candidate ? { type: 'candidate', candidate: candidate.candidate } : { type: 'candidates-end' });
  }

  async #takeCandidate(candidate) {
    if (!this.pc.remoteDescription) {
      this.#early.push(candidate);
      return;
    }
    try {
      await this.pc.addIceCandidate({ candidate, sdpMLineIndex: 0 });
    } catch (error) {
      if (!this.#ignoring) console.warn('candidate:', error.message);
    }
  }

  // --- what comes -------------------------------------------------------------------------------------------------

  #announce(channel) {
    channel.binaryType = 'arraybuffer';
    this.dispatchEvent(Object.assign(new Event('channel'), { channel }));
  }

  /** Descriptions are the truth about tracks: a section may end and be used again for somebody else's. */
  #compareTracks() {
    if (this.#closed || !this.pc.remoteDescription) return;
    const transceivers = new Map(this.pc.getTransceivers().map((transceiver) => [transceiver.mid, transceiver]));
    this.remoteTracks = sections(this.pc.remoteDescription.sdp)
      .filter((section) => sends(section) && transceivers.has(section.mid))
      .map((section) => ({
        mid: section.mid, stream: section.stream, role: roleOf(section),
        track: transceivers.get(section.mid).receiver.track, receiver: transceivers.get(section.mid).receiver,
      }));
    this.dispatchEvent(new Event('tracks'));
  }

  #stateChanged() {
    clearTimeout(this.#restartTimer);
    const ice = this.pc.iceConnectionState;
    if (!this.#closed && (ice === 'disconnected' || ice === 'failed')) {
      // The impolite side goes first, so that two restarts don't meet.
      const patience = (ice === 'failed' ? 0 : RESTART_AFTER_MS) + (this.#polite ? 4000 : 0);
      this.#restartTimer = setTimeout(() => this.restart(), patience);
    }
    this.dispatchEvent(new Event('state'));
  }
}
