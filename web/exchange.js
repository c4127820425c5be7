// Chat and files over two data channels, as docs/room-protocol.md says. In a mesh each
// connection has its own pair; at the SFU there is one pair, and what is sent there goes to everyone who has it open.

export const CHAT = 'confab-chat';
export const FILES = 'confab-transfer';
export const CHANNELS = [CHAT, FILES];

export const FILE_MAX_BYTES = 256 * 1024 * 1024;
const INCOMING_MAX = 8; // at a time
const ID_BYTES = 16;
const PIECE_BYTES = 16 * 1024 - ID_BYTES;
const QUEUE_HIGH = 1024 * 1024; // no more than this waits in a channel …
const QUEUE_LOW = 256 * 1024; // … and below this it is given more

const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('');

/** Where a page isn't secure (http:// from elsewhere) there is no crypto.subtle. */
async function sha256(buffer) {
  return crypto.subtle ? hex(await crypto.subtle.digest('SHA-256', buffer)) : '';
}

/** Resolves once the channel takes more; rejects when it closes. */
function drained(channel) {
  if (channel.bufferedAmount <= QUEUE_HIGH) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const done = (settle) => () => {
      channel.removeEventListener('bufferedamountlow', low);
      channel.removeEventListener('close', closed);
      settle();
    };
    const low = done(resolve);
    const closed = done(() => reject(new Error('the channel was closed')));
    channel.addEventListener('bufferedamountlow', low);
    channel.addEventListener('close', closed);
  });
}

/**
 * Events: 'chat' (`.from`, `.text`), 'transfer' (`.transfer`, whenever one has changed).
 */
export class Exchange extends EventTarget {
  constructor(own) {
    super();
    this.own = own;
  }

  #channels = new Map([[CHAT, new Map()], [FILES, new Map()]]); // channel -> the peer at its end, '' for the SFU
  #incoming = new Map(); // transfers by id
  #sending = Promise.resolve(); // one file after the other

  /** Takes a channel of ours or theirs; other software's labels are left alone. */
  attach(channel, peer) {
    const channels = this.#channels.get(channel.label);
    if (!channels) return;
    channel.bufferedAmountLowThreshold = QUEUE_LOW;
    const opened = () => channels.set(channel, peer);
    channel.addEventListener('open', opened);
    channel.addEventListener('close', () => {
      channels.delete(channel);
      if (channel.label === FILES) this.#lose(peer);
    });
    channel.addEventListener('message', ({ data }) => {
      if (channel.label === CHAT) this.#takeText(peer, data);
      else this.#takeFile(peer, data);
    });
    if (channel.readyState === 'open') opened();
  }

  get open() {
    return this.#channels.get(CHAT).size > 0;
  }

  chat(text) {
    for (const channel of this.#channels.get(CHAT).keys()) this.#say(channel, { type: 'chat', text });
  }

  #say(channel, message) {
    if (channel.readyState === 'open') channel.send(JSON.stringify({ ...message, from: this.own }));
  }

  #takeText(peer, data) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return;
    }
    const from = peer || String(message.from ?? '');
    if (message.type === 'chat' && typeof message.text === 'string') {
      this.#emit('chat', { from, text: message.text });
    }
  }

  #emit(type, detail) {
    this.dispatchEvent(Object.assign(new Event(type), detail));
  }

  // --- files out --------------------------------------------------------------------------------------------------

  /** Sends a file to everyone; resolves with its transfer when the last byte is handed over, or it has failed. */
  send(file) {
    const transfer = {
      id: crypto.getRandomValues(new Uint8Array(ID_BYTES)), outgoing: true, from: this.own, name: file.name,
      size: file.size, done: 0, state: 'waiting', sha256: '',
    };
    this.#emit('transfer', { transfer });
    const sent = this.#sending.then(() => this.#sendNow(file, transfer)).catch((error) => {
      transfer.state = 'failed';
      transfer.reason = error.message;
      this.#emit('transfer', { transfer });
    }).then(() => transfer);
    this.#sending = sent;
    return sent;
  }

  async #sendNow(file, transfer) {
    if (file.size > FILE_MAX_BYTES) throw new Error('files may have 256 MiB at most');
    const channels = [...this.#channels.get(FILES).keys()].filter(({ readyState }) => readyState === 'open');
    if (channels.length === 0) throw new Error('nobody here takes files');
    const id = hex(transfer.id);
    const bytes = await file.arrayBuffer();
    const text = (message) => JSON.stringify({ ...message, id, from: this.own });
    transfer.state = 'running';
    transfer.sha256 = await sha256(bytes);
    for (const channel of channels) channel.send(text({ type: 'file', name: file.name, size: file.size }));
    for (let at = 0; at < bytes.byteLength; at += PIECE_BYTES) {
      const piece = new Uint8Array(bytes, at, Math.min(PIECE_BYTES, bytes.byteLength - at));
      const message = new Uint8Array(ID_BYTES + piece.length);
      message.set(transfer.id);
      message.set(piece, ID_BYTES);
      await Promise.all(channels.map(drained));
      for (const channel of channels) channel.send(message);
      transfer.done = at + piece.length;
      this.#emit('transfer', { transfer });
    }
    for (const channel of channels) channel.send(text({ type: 'file-end', sha256: transfer.sha256 }));
    transfer.state = 'done';
    this.#emit('transfer', { transfer });
  }

  // --- files in ---------------------------------------------------------------------------------------------------

  #takeFile(peer, data) {
    if (typeof data === 'string') {
      let message;
      try {
        message = JSON.parse(data);
      } catch {
        return;
      }
      if (message.type === 'file') this.#begin(peer, message);
      else if (message.type === 'file-end') this.#finish(message);
      return;
    }
    if (data.byteLength < ID_BYTES) return;
    const transfer = this.#incoming.get(hex(data.slice(0, ID_BYTES)));
    if (!transfer) return;
    transfer.pieces.push(data.slice(ID_BYTES));
    transfer.done += data.byteLength - ID_BYTES;
    if (transfer.done > transfer.size) this.#fail(transfer, 'more came than was announced');
    else this.#emit('transfer', { transfer });
  }

  #begin(peer, { id, name, size, from }) {
    const fits = Number.isInteger(size) && size >= 0 && size <= FILE_MAX_BYTES && this.#incoming.size < INCOMING_MAX;
    if (typeof id !== 'string' || !fits || this.#incoming.has(id)) return;
    const transfer = {
      id, peer, outgoing: false, from: peer || String(from ?? ''), name: String(name ?? 'file'), size, done: 0,
      state: 'running', sha256: '', pieces: [],
    };
    this.#incoming.set(id, transfer);
    this.#emit('transfer', { transfer });
  }

  async #finish({ id, sha256: announced }) {
    const transfer = this.#incoming.get(id);
    if (!transfer) return;
    this.#incoming.delete(id);
    const blob = new Blob(transfer.pieces);
    transfer.pieces = [];
    transfer.sha256 = await sha256(await blob.arrayBuffer());
    if (transfer.done !== transfer.size) return this.#fail(transfer, 'it came in part only');
    if (announced && transfer.sha256 && announced !== transfer.sha256) return this.#fail(transfer, 'its SHA-256 differs');
    transfer.url = URL.createObjectURL(blob);
    transfer.state = 'done';
    this.#emit('transfer', { transfer });
  }

  #lose(peer) {
    for (const transfer of this.#incoming.values()) if (transfer.peer === peer) this.#fail(transfer, 'it broke off');
  }

  #fail(transfer, reason) {
    this.#incoming.delete(transfer.id);
    transfer.pieces = [];
    transfer.state = 'failed';
    transfer.reason = reason;
    this.#emit('transfer', { transfer });
  }
}
