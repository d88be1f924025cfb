// Draws the timeline: a column is a stretch of time, a cell in it is a reply. All rows share one time axis, and a failure
// goes through all of them, so that it cannot be missed.

/** Columns on the timeline, whatever its width and its span. */
export const COLUMNS = 60;

/** A cell lower than this, in CSS pixels, gets others beside it, each at least so wide. */
const LOWEST_CELL = 4;
const NARROWEST_CELL = 3;
/** Where they are lower than this all the same, there are no cells, but a bar of all. */
const LOWEST_ROW = 2;

/** Sizes the canvas to its box and the pixel ratio, clears it, and returns its pen and its size in CSS pixels. */
function open(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}

/** Left edge and width of column `index`, one pixel short of the next. */
function slot(width, index) {
  const left = Math.round((index * width) / COLUMNS);
  return [left, Math.max(1, Math.round(((index + 1) * width) / COLUMNS) - left - 1)];
}

/** The row of all replies: versions stacked in the order of `versions`, then shed, unanswered and unsent. */
export function drawOverview(canvas, columns, { ink, tones, versions, gaps, selected }) {
  const { pen, width, height } = open(canvas);
  const tallest = Math.max(5, ...columns.map((column) => column.sent + column.unsent));
  drawGaps(pen, width, height, columns, gaps, ink, true);
  columns.forEach((column, index) => {
    const [left, full] = slot(width, index);
    let across = full;
    if (column.failed > 0) {
      drawFailure(pen, left, full, height, ink);
      // What was answered in the same column stays visible beside the failure.
      across = Math.max(1, Math.floor(full * 0.4));
    }
    const stack = new Stack(pen, left, across, height, height / tallest);
    for (const version of versions) stack.fill(column.versions.get(version) ?? 0, ink.tones[tones.of(version)]);
    stack.fill(column.shed, ink.shed);
    stack.outline(column.pending + column.unsent, ink.hollow);
  });
  drawSelection(pen, width, height, selected, ink);
}

/** The row of one pod. `tallest` is the highest count that any row of its kind has in a column. */
export function drawLane(canvas, columns, lane, tallest, { ink, tones, gaps, selected }) {
  const { pen, width, height } = open(canvas);
  drawGaps(pen, width, height, columns, gaps, ink, false);
  columns.forEach((column, index) => {
    const [left, across] = slot(width, index);
    if (column.laneFailures.has(lane.id)) {
      drawFailure(pen, left, across, height, ink);
    } else if (column.failed > 0) {
      pen.globalAlpha = 0.28;
      pen.fillStyle = ink.fail;
      pen.fillRect(left, 0, across, height);
      pen.globalAlpha = 1;
    }
    const narrow = column.laneFailures.has(lane.id) ? Math.max(1, Math.floor(across * 0.4)) : across;
    const stack = new Stack(pen, left, narrow, height - 2, (height - 4) / tallest);
    stack.fill(column.lanes.get(lane.id) ?? 0, ink.tones[tones.of(lane.version)]);
  });
  pen.fillStyle = ink.rule;
  pen.fillRect(0, height - 1, width, 1);
  drawSelection(pen, width, height, selected, ink);
}

/** The clock times above the columns. */
export function drawAxis(canvas, columns, { ink, font }) {
  const { pen, width, height } = open(canvas);
  const binMs = columns[0].to - columns[0].from;
  const labelWidth = 62;
  // A tick every 10, 20 or 30 columns: as dense as the labels allow.
  const every = [10, 20, 30].find((n) => (n * width) / COLUMNS > labelWidth) ?? 30;
  pen.font = font;
  pen.fillStyle = ink.text;
  pen.textBaseline = "top";
  columns.forEach((column, index) => {
    if ((column.from / binMs) % every !== 0) return;
    const [left] = slot(width, index);
    pen.fillRect(left, height - 5, 1, 5);
    if (left + labelWidth <= width) pen.fillText(clock(column.from), left, 0);
  });
}

/** Wall-clock time of day, HH:MM:SS. */
export function clock(at) {
  return new Date(at).toLocaleTimeString("en-GB", { hour12: false });
}

/** Cells piled up from the bottom of a column, in rows of as many as it takes to part them. `unit` is what one takes of the height. */
class Stack {
  #pen;
  #left;
  #bottom;
  #abreast;
  #across;
  #tall;
  #parted;
  #piled = 0;

  constructor(pen, left, across, height, unit) {
    this.#pen = pen;
    this.#left = left;
    this.#bottom = height;
    this.#abreast = Math.max(1, Math.min(Math.ceil(LOWEST_CELL / unit), Math.floor(across / NARROWEST_CELL)));
    this.#parted = unit * this.#abreast >= LOWEST_ROW;
    if (!this.#parted) this.#abreast = 1;
    this.#across = across / this.#abreast;
    this.#tall = unit * this.#abreast;
  }

  fill(count, style) {
    this.#pen.fillStyle = style;
    this.#pile(count, (...box) => this.#pen.fillRect(...box));
  }

  outline(count, style) {
    this.#pen.strokeStyle = style;
    this.#pen.lineWidth = 1;
    this.#pile(count, (left, top, wide, high) => this.#pen.strokeRect(left + 0.5, top + 0.5, Math.max(1, wide - 1), Math.max(1, high - 1)));
  }

  #pile(count, draw) {
    if (count > 0 && !this.#parted) {
      this.#piled += count;
      draw(this.#left, this.#bottom - this.#piled * this.#tall, this.#across, count * this.#tall);
      return;
    }
    const gap = this.#abreast > 1 ? 1 : 0;
    for (const end = this.#piled + count; this.#piled < end; this.#piled += 1) {
      const [row, place] = [Math.floor(this.#piled / this.#abreast), this.#piled % this.#abreast];
      const [from, to] = [place, place + 1].map((n) => this.#left + Math.round(n * this.#across));
      const top = Math.round(this.#bottom - (row + 1) * this.#tall);
      draw(from, top, to - from - gap, Math.max(1, Math.round(this.#tall) - 1));
    }
  }
}

/** A red column of full height with a cross at its top. */
function drawFailure(pen, left, across, height, ink) {
  pen.fillStyle = ink.fail;
  pen.fillRect(left, 0, across, height);
  const size = Math.min(9, across - 2, height - 4);
  if (size < 2) return;
  const [x, y] = [left + (across - size) / 2, 3];
  pen.strokeStyle = ink.onFail;
  pen.lineWidth = size > 5 ? 2 : 1;
  pen.beginPath();
  pen.moveTo(x, y);
  pen.lineTo(x + size, y + size);
  pen.moveTo(x + size, y);
  pen.lineTo(x, y + size);
  pen.stroke();
}

/** Hatching where nothing was sent, with the reason if there is room and `named` asks for it. */
function drawGaps(pen, width, height, columns, gaps, ink, named) {
  const start = columns[0].from;
  const span = columns[columns.length - 1].to - start;
  for (const gap of gaps) {
    const from = Math.max(0, ((gap.from - start) / span) * width);
    const to = Math.min(width, ((gap.to - start) / span) * width);
    if (to - from < 1) continue;
    pen.save();
    pen.beginPath();
    pen.rect(from, 0, to - from, height);
    pen.clip();
    pen.strokeStyle = ink.rule;
    pen.lineWidth = 1;
    pen.beginPath();
    for (let x = Math.floor((from - height) / 7) * 7; x < to; x += 7) {
      pen.moveTo(x, height);
      pen.lineTo(x + height, 0);
    }
    pen.stroke();
    pen.restore();
    if (!named) continue;
    pen.font = "12px system-ui, sans-serif";
    const label = pen.measureText(gap.reason).width;
    if (to - from < label + 12) continue;
    pen.fillStyle = ink.ground;
    pen.fillRect((from + to - label) / 2 - 4, height / 2 - 10, label + 8, 20);
    pen.fillStyle = ink.text;
    pen.textBaseline = "middle";
    pen.fillText(gap.reason, (from + to - label) / 2, height / 2);
  }
}

function drawSelection(pen, width, height, selected, ink) {
  if (selected === null) return;
  const [left, across] = slot(width, selected);
  pen.fillStyle = ink.text;
  pen.globalAlpha = 0.25;
  pen.fillRect(left - 1, 0, across + 2, height);
  pen.globalAlpha = 1;
}
