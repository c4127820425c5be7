// What getStats knows about a connection, as numbers for people: per second, since the last look.

/** Behind a NAT? Browsers hide their own addresses, and then one that is nobody else's tells nothing. */
function isMapped({ candidateType, address, relatedAddress }) {
  const near = /^(127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|::1$|f[cd]|fe[89ab])/i.test(address ?? '');
  return candidateType === 'srflx' && address !== relatedAddress && !near;
}

function describePath(local, remote) {
  if (!local || !remote) return '';
  if (local.candidateType === 'relay') {
    const over = { udp: 'UDP', tcp: 'TCP', tls: 'TLS' }[local.relayProtocol] ?? '?';
    return `relayed, TURN over ${over}`;
  }
  if (remote.candidateType === 'relay') return 'relayed by the other side';
  const mapped = [local, remote].some(isMapped);
  return `direct${mapped ? ', through NAT' : ''}, ${local.protocol.toUpperCase()}`;
}

/* 0xFEFD is DTLS 1.2, 0xFEFC is 1.3 (RFC 6347, RFC 9147). */
const DTLS = { FEFD: 'DTLS 1.2', FEFC: 'DTLS 1.3' };

/** Looks at one RTCPeerConnection again and again. */
export class Statistics {
  constructor(pc) {
    this.#pc = pc;
  }

  #pc;
  #before = new Map(); // reports by id

  #rate(report, field) {
    const before = this.#before.get(report.id);
    const seconds = before ? (report.timestamp - before.timestamp) / 1000 : 0;
    return seconds > 0 ? Math.max(0, (report[field] ?? 0) - (before[field] ?? 0)) / seconds : 0;
  }

  #lossOf(report) {
    const before = this.#before.get(report.id);
    const lost = Math.max(0, (report.packetsLost ?? 0) - (before?.packetsLost ?? 0));
    const received = Math.max(0, report.packetsReceived - (before?.packetsReceived ?? 0));
    return { lost, received };
  }

  /** {path, relayed, rtt_ms, send_bps, receive_bps, loss, dtls, incoming: by mid, outgoing: [], ownLevel} */
  async read() {
    const reports = new Map(await this.#pc.getStats());
    const all = [...reports.values()];
    const transport = all.find(({ type }) => type === 'transport');
    const pair = reports.get(transport?.selectedCandidatePairId);
    const local = reports.get(pair?.localCandidateId);
    const remote = reports.get(pair?.remoteCandidateId);
    const result = {
      path: describePath(local, remote),
      relayed: local?.candidateType === 'relay' || remote?.candidateType === 'relay',
      rtt_ms: pair?.currentRoundTripTime !== undefined ? pair.currentRoundTripTime * 1000 : NaN,
      send_bps: pair ? 8 * this.#rate(pair, 'bytesSent') : 0,
      receive_bps: pair ? 8 * this.#rate(pair, 'bytesReceived') : 0,
      dtls: DTLS[transport?.tlsVersion] ?? '',
      incoming: new Map(),
      outgoing: [],
      ownLevel: 0,
      loss: 0,
    };
    let lost = 0;
    let received = 0;
    for (const report of all) {
      if (report.type === 'inbound-rtp') {
        const sum = this.#lossOf(report);
        lost += sum.lost;
        received += sum.received;
        result.incoming.set(report.mid, {
          kind: report.kind, height: report.frameHeight ?? 0, width: report.frameWidth ?? 0,
          fps: report.framesPerSecond ?? 0, bps: 8 * this.#rate(report, 'bytesReceived'),
          loss: sum.lost / Math.max(1, sum.lost + sum.received), frames: report.framesDecoded ?? 0,
        });
      } else if (report.type === 'outbound-rtp' && report.kind === 'video') {
        result.outgoing.push({
          rid: report.rid ?? '', mid: report.mid, height: report.frameHeight ?? 0,
          bps: 8 * this.#rate(report, 'bytesSent'),
        });
      } else if (report.type === 'media-source' && report.kind === 'audio') {
        result.ownLevel = report.audioLevel ?? 0;
      }
    }
    result.loss = lost / Math.max(1, lost + received);
    this.#before = reports;
    return result;
  }
}

export function formatRate(bps) {
  if (bps >= 1e6) return `${(bps / 1e6).toFixed(1)} Mbit/s`;
  return `${Math.round(bps / 1e3)} kbit/s`;
}

export function formatBytes(bytes) {
  if (bytes >= 1048576) return `${(bytes / 1048576).toFixed(1)} MiB`;
  if (bytes >= 1024) return `${(bytes / 1024).toFixed(0)} KiB`;
  return `${bytes} bytes`;
}
