// What a version looks like: a tone is a colour and a pattern, so that versions differ without colour too.
// The colours are custom properties in style.css (`--tone-0` ...), the patterns are drawn here for the canvas.

/** Number of tones; style.css defines `--tone-0` to `--tone-5`. */
export const TONES = 6;

/** Versions remembered at a time; the one seen first is forgotten first. */
const MAX_VERSIONS = 32;

/**
 * Gives each version string a tone. `v1` is tone 0 and `v2` tone 1 on every load, a version without a number the last; a
 * version whose own tone is taken gets the next free one.
 */
export class Tones {
  #tones = new Map();

  of(version) {
    const known = this.#tones.get(version);
    if (known !== undefined) return known;
    if (this.#tones.size >= MAX_VERSIONS) this.#tones.delete(this.#tones.keys().next().value);
    const taken = new Set(this.#tones.values());
    const number = /^v?(\d{1,4})/.exec(version)?.[1];
    const wanted = (Number(number ?? 0) + TONES - 1) % TONES;
    let tone = wanted;
    for (let step = 0; step < TONES; step += 1) {
      const candidate = (wanted + step) % TONES;
      if (!taken.has(candidate)) {
        tone = candidate;
        break;
      }
    }
    this.#tones.set(version, tone);
    return tone;
  }
}

/** The strokes that tell tone `tone` from the others, on a tile of `n` device pixels. Tone 0 is plain. */
const STROKES = [
  () => {},
  (pen, n) => diagonal(pen, n),
  (pen, n) => pen.fillRect(0, 0, n, n / 3),
  (pen, n) => pen.fillRect(0, 0, n / 2, n / 2),
  (pen, n) => pen.fillRect(0, 0, n / 3, n),
  (pen, n) => {
    pen.translate(n, 0);
    pen.scale(-1, 1);
    diagonal(pen, n);
  },
];

function diagonal(pen, n) {
  pen.lineWidth = n / 3.5;
  pen.beginPath();
  for (const shift of [-n, 0, n]) {
    pen.moveTo(shift - 1, n + 1);
    pen.lineTo(shift + n + 1, -1);
  }
  pen.stroke();
}

/**
 * Reads the colours of the current scheme from the style sheet and makes a canvas pattern of each tone.
 * Call it again when the colour scheme or the pixel ratio changes.
 */
export function readInk(ratio) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const ground = colour("--ground");
  const tones = [];
  for (let tone = 0; tone < TONES; tone += 1) tones.push(pattern(tone, colour(`--tone-${tone}`), ground, ratio));
  return {
    tones,
    ground,
    text: colour("--muted"),
    rule: colour("--rule"),
    fail: colour("--fail"),
    onFail: colour("--on-fail"),
    shed: colour("--shed"),
    hollow: colour("--hollow"),
  };
}

function pattern(tone, colour, ground, ratio) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = Math.round(6 * ratio);
  const pen = tile.getContext("2d");
  pen.fillStyle = colour;
  pen.fillRect(0, 0, tile.width, tile.height);
  pen.fillStyle = pen.strokeStyle = ground;
  pen.globalAlpha = 0.5;
  STROKES[tone](pen, tile.width);
  return pen.createPattern(tile, "repeat");
}
