// Draws the timeline: a column is a stretch of time, a cell in it is a reply. All rows share one time axis, and a failure
// goes through all of them, so that it cannot be missed.

/** Columns on the timeline, whatever its width and its span. */
export const COLUMNS = 60;

/** A cell lower than this, in CSS pixels, is drawn without the line that parts it from the next. */
const LOWEST_CELL = 4;

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

/** Cells piled up from the bottom of a column. */
class Stack {
  constructor(pen, left, across, height, unit) {
    Object.assign(this, { pen, left, across, top: height, unit });
  }

  fill(count, style) {
    if (count === 0) return;
    const { pen, left, across, unit } = this;
    pen.fillStyle = style;
    if (unit < LOWEST_CELL) {
      this.top -= count * unit;
      pen.fillRect(left, this.top, across, count * unit);
      return;
    }
    for (let n = 0; n < count; n += 1) {
      this.top -= unit;
      pen.fillRect(left, Math.round(this.top), across, Math.max(1, Math.round(unit) - 1));
    }
  }

  outline(count, style) {
    if (count === 0) return;
    const { pen, left, across, unit } = this;
    pen.strokeStyle = style;
    pen.lineWidth = 1;
    const [cells, tall] = unit < LOWEST_CELL ? [1, count * unit] : [count, unit];
    for (let n = 0; n < cells; n += 1) {
      this.top -= tall;
      pen.strokeRect(left + 0.5, Math.round(this.top) + 0.5, Math.max(1, across - 1), Math.max(1, Math.round(tall) - 2));
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
