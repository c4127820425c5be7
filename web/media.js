// Camera, microphone and screen, and what to say when there are none.

const SIZES = { high: [1280, 720, 30], low: [640, 360, 15], lowest: [320, 180, 10] };

function explain(error, what) {
  switch (error.name) {
    case 'NotAllowedError':
      return `You or your browser's settings don't allow the ${what}. Allow it by the icon beside the address, then switch it on again.`;
    case 'NotFoundError':
    case 'OverconstrainedError':
      return `There is no ${what} on this device.`;
    case 'NotReadableError':
      return `The ${what} is in use by another program.`;
    default:
      return `The ${what} can't be used: ${error.message}`;
  }
}

function insecure() {
  return !navigator.mediaDevices
    ? 'Browsers give camera, microphone and screen only to secure pages: open this one by https:// or on the machine itself.'
    : '';
}

/** A microphone's or camera's track. Throws an Error whose message is for people. */
export async function openDevice(role, quality) {
  const what = role === 'audio' ? 'microphone' : 'camera';
  if (insecure()) throw new Error(insecure());
  const [width, height, fps] = SIZES[quality] ?? SIZES.high;
  const video = { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: fps, max: fps }, facingMode: 'user' };
  const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  try {
    const stream = await navigator.mediaDevices.getUserMedia(role === 'audio' ? { audio } : { video });
    return stream.getTracks()[0];
  } catch (error) {
    throw new Error(explain(error, what), { cause: error });
  }
}

/** The screen's track; null when the person thought better of it. */
export async function openScreen() {
  if (insecure()) throw new Error(insecure());
  if (!navigator.mediaDevices.getDisplayMedia) throw new Error('This browser can\'t share a screen.');
  try {
    const stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { max: 15 } }, audio: false });
    const track = stream.getVideoTracks()[0];
    track.contentHint = 'detail';
    return track;
  } catch (error) {
    if (error.name === 'NotAllowedError') return null;
    throw new Error(explain(error, 'screen'), { cause: error });
  }
}
