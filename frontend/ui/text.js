// How figures are written.

const grouped = new Intl.NumberFormat("en");

/** 12345 as "12,345". */
export const count = (n) => grouped.format(n);

/** `n` of `total` in per cent. Never 0 % or 100 % unless it is exactly that. */
export function share(n, total) {
  const percent = (100 * n) / total;
  if (percent > 0 && percent < 1) return "<1 %";
  if (percent < 100 && percent > 99) return ">99 %";
  return `${Math.round(percent)} %`;
}

/** Milliseconds of latency, to two significant figures or so. */
export function latency(ms) {
  if (ms === undefined) return "-";
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

/** How long ago `ms` is. */
export const ago = (ms) => (ms < 2000 ? "now" : `${span(ms)} ago`);

/** A span of `ms` in its largest unit. */
export function span(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
}

/** A small square in the colour and pattern of a tone. */
export function swatch(tone) {
  const mark = document.createElement("i");
  mark.className = `swatch tone-${tone}`;
  mark.setAttribute("aria-hidden", "true");
  return mark;
}
