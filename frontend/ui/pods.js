// The table of pods: one row a pod, one group of rows a service, in order of first appearance.

import { drawLane } from "./timeline.js";
import { count, share, ago, swatch } from "./text.js";

export class PodTable {
  #table;
  #tones;
  #groups = new Map();
  #rows = new Map();

  constructor(table, tones) {
    this.#table = table;
    this.#tones = tones;
  }

  /** The canvases of all rows, for pointing at a column. */
  get canvases() {
    return [...this.#rows.values()].map((row) => row.canvas);
  }

  /** Makes the rows those of `lanes`. The services of `front` come first: those that made a reply, not passed it on. */
  sync(lanes, front) {
    for (const [id, row] of this.#rows) {
      if (lanes.has(id)) continue;
      row.tr.remove();
      this.#rows.delete(id);
    }
    for (const lane of lanes.values()) {
      if (this.#rows.has(lane.id)) continue;
      const row = this.#makeRow(lane);
      this.#group(lane.service, front).append(row.tr);
      this.#rows.set(lane.id, row);
    }
    for (const [service, body] of this.#groups) {
      if (body.rows.length > 1) continue;
      body.remove();
      this.#groups.delete(service);
    }
  }

  /** Brings the figures up to date. */
  write(ledger, recent, now) {
    const totals = new Map();
    for (const [id, n] of recent.lanes) {
      const service = ledger.lanes.get(id)?.service;
      totals.set(service, (totals.get(service) ?? 0) + n);
    }
    for (const lane of ledger.lanes.values()) {
      const row = this.#rows.get(lane.id);
      if (row === undefined) continue;
      const n = recent.lanes.get(lane.id) ?? 0;
      const total = totals.get(lane.service) ?? 0;
      row.node.textContent = lane.node ? `on ${lane.node}` : "";
      row.state.textContent = lane.words && lane.node ? `, ${lane.words}` : lane.words;
      row.tr.dataset.look = lane.look;
      row.answered.textContent = count(lane.answered);
      row.failed.textContent = lane.failed > 0 ? `\u2715 ${count(lane.failed)}` : "";
      row.share.textContent = total > 0 ? share(n, total) : "-";
      row.bar.style.width = total > 0 ? `${(100 * n) / total}%` : "0";
      row.last.textContent = lane.lastAt === null ? "never" : ago(now - lane.lastAt);
    }
  }

  /** Draws the rows' timelines. */
  draw(ledger, columns, view) {
    const tallest = new Map();
    for (const column of columns) {
      for (const [id, n] of column.lanes) {
        const service = ledger.lanes.get(id)?.service;
        tallest.set(service, Math.max(3, n, tallest.get(service) ?? 0));
      }
    }
    for (const lane of ledger.lanes.values()) {
      const row = this.#rows.get(lane.id);
      if (row !== undefined) drawLane(row.canvas, columns, lane, tallest.get(lane.service) ?? 3, view);
    }
  }

  #group(service, front) {
    const known = this.#groups.get(service);
    if (known !== undefined) return known;
    const body = document.createElement("tbody");
    body.setAttribute("role", "rowgroup");
    const tr = element("tr", "group", { role: "row" });
    const th = element("th", "", { role: "rowheader", scope: "rowgroup", colspan: "6" });
    th.textContent = service;
    tr.append(th);
    body.append(tr);
    if (front.has(service)) this.#table.tBodies[0].after(body);
    else this.#table.append(body);
    this.#groups.set(service, body);
    return body;
  }

  #makeRow(lane) {
    const tr = element("tr", "pod-row", { role: "row" });
    tr.dataset.pod = lane.pod;
    tr.dataset.version = lane.version;
    tr.dataset.service = lane.service;
    const pod = element("th", "pod", { role: "rowheader", scope: "row" });
    const name = element("span", "pod-name");
    name.textContent = lane.pod;
    const node = element("span", "node");
    const state = element("span", "state");
    const small = element("small", "");
    small.append(node, state);
    pod.append(name, small);
    const version = element("td", "version", { role: "cell" });
    version.append(swatch(this.#tones.of(lane.version)), lane.version);
    const canvas = element("canvas", "", { "aria-hidden": "true" });
    const timeline = element("td", "lane", { role: "cell" });
    timeline.append(canvas);
    const countCell = element("td", "count", { role: "cell" });
    const answered = element("span", "");
    const failed = element("span", "pod-failed");
    countCell.append(answered, failed);
    const shareCell = element("td", "share", { role: "cell" });
    const shareText = element("span", "");
    const track = element("span", "track");
    const bar = element("span", `bar tone-${this.#tones.of(lane.version)}`);
    track.append(bar);
    shareCell.append(shareText, track);
    const last = element("td", "last", { role: "cell" });
    tr.append(pod, version, timeline, countCell, shareCell, last);
    return { tr, canvas, node, state, answered, failed, share: shareText, bar, last };
  }
}

function element(tag, className, attributes = {}) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
