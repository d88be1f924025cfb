// Wires the page: the worker sends, the ledger counts, the table and the timeline show.

import * as cluster from "./cluster.js";
import { file } from "./export.js";
import { Faults } from "./faults.js";
import { Ledger } from "./ledger.js";
import { Log } from "./log.js";
import { Tones, readInk } from "./palette.js";
import * as permalink from "./permalink.js";
import { PodTable } from "./pods.js";
import { TIMEOUT_MS } from "./request.js";
import { COLUMNS, clock, drawAxis, drawOverview } from "./timeline.js";
import { ago, count, latency, share, span, swatch } from "./text.js";

/** How often the timeline is drawn, and every which time the figures are written: slow enough to read. */
const FRAME_MS = 250;
const FRAMES_A_WRITE = 2;
/** Announcements to a screen reader are at least this far apart, in ms. */
const ANNOUNCE_MS = 5000;

const at = (id) => document.getElementById(id);
const worker = new Worker("/ui/traffic.js", { type: "module" });
const tones = new Tones();
const log = new Log(at("log"), "Opened. Newest first.");
const pods = new PodTable(at("timeline"), tones);

let ledger = new Ledger(Date.now());
// Outcomes of requests that left before the last Clear are not counted.
let firstSeq = 0;
let lastSeq = 0;
let settings = permalink.USUAL;
// Time at which the traffic was stopped; null while it runs. A stopped page stands still.
let stoppedAt = null;
let ink = null;
// The column pointed at, counted back from the newest one (0); null for none.
let selected = null;
let down = false;
// Why the worker does not work; null while it does.
let broken = null;
// What the observer said last; null without one. Events that it told of, by id.
let observed = null;
let told = null;
const faults = new Faults();
const burns = { on: false, answered: 0, shed: 0, failed: 0 };
// Services that made replies, as opposed to those that passed them on.
const origins = new Set();

// What stands in the place of a readout.
const hint = at("readout").textContent;

const viewedAt = () => stoppedAt ?? Date.now();

worker.onmessage = ({ data }) => {
  if (data.seq !== undefined) {
    lastSeq = Math.max(lastSeq, data.seq);
    if (data.seq < firstSeq) return;
  }
  switch (data.type) {
    case "sent":
      ledger.recordSent(data.at);
      break;
    case "unsent":
      ledger.recordUnsent(data.at);
      break;
    case "outcome":
      recordOutcome(data);
      break;
    case "gap":
      ledger.recordGap(data.from, data.to, "suspended");
      log.note(data.to, `The browser was suspended for ${span(data.to - data.from)}: nothing was sent.`);
      break;
    case "burn":
      recordBurn(data.outcome);
      break;
  }
};

worker.onerror = ({ message }) => {
  broken = `The worker that sends the traffic failed (${message || "it did not start"}). The page needs a browser with module workers.`;
};

function recordOutcome({ at: sentAt, now, latency: ms, outcome }) {
  if (outcome.kind === "shed") return ledger.recordShed(sentAt, now);
  if (outcome.kind === "unjudged") return ledger.recordUnjudged(sentAt, now);
  if (outcome.kind === "failed") {
    log.failure(now, outcome.text);
    return noteNewPods(now, ledger.recordFailure(sentAt, now, outcome.text, outcome.hops), "signed a failure");
  }
  if (down) {
    down = false;
    log.note(now, "Answered again.", "recovery");
    announce("Answered again.");
  }
  origins.add(outcome.hops[0].service);
  noteNewPods(now, ledger.recordAnswer(sentAt, now, ms, outcome.hops), "answered");
}

function noteNewPods(now, hops, verb) {
  for (const hop of hops) {
    const where = hop.node ? ` on ${hop.node}` : "";
    log.note(now, `${hop.service} ${hop.version}: ${hop.pod}${where} ${verb} for the first time.`, "pod");
    announce(`${hop.service} ${hop.version}, a new pod ${verb}.`);
  }
  if (hops.length > 0) pods.sync(ledger.lanes, origins);
}

function recordBurn(outcome) {
  burns[outcome.kind] += 1;
  if (outcome.kind === "failed") log.failure(Date.now(), `CPU load: ${outcome.text}`);
  writeBurns();
}

function writeBurns() {
  const total = burns.answered + burns.shed + burns.failed;
  const figures = `${count(burns.answered)} burned, ${count(burns.shed)} shed, ${count(burns.failed)} failed`;
  at("burn-ledger").textContent = `${burns.on ? "on" : "off"}${total > 0 ? `: ${figures}` : ""}`;
}

/** Writes every figure of the page. */
function write() {
  const now = viewedAt();
  ledger.prune(now);
  const recent = ledger.recent(now);
  at("answered").textContent = count(ledger.answered);
  at("failed").textContent = count(ledger.failed);
  at("failed-part").classList.toggle("bad", ledger.failed > 0);
  at("shed").textContent = count(ledger.shed);
  at("shed-part").hidden = ledger.shed === 0;
  at("all-count").textContent = count(ledger.answered);
  at("recent-span").textContent = span(recent.length);
  at("pods").textContent = recent.pods === 1 ? "1 pod" : `${recent.pods} pods`;
  at("latency").textContent = `p50 ${latency(recent.p50)}, p99 ${latency(recent.p99)}`;
  document.title = ledger.failed > 0 ? `\u2715 ${count(ledger.failed)} failed - practice` : "practice";
  writeMix(recent);
  writeNotice(now);
  // Who answers says whether it takes them. While nobody does, that is as it was.
  if (recent.replies > 0) at("faults").hidden = ![...recent.lanes.keys()].some((id) => ledger.lanes.get(id)?.takesFaults);
  at("faults-begun").textContent = `Faults: ${faults.words(Date.now())}`;
  if (observed !== null) ledger.observe(cluster.pods(observed, Date.now()), Date.now());
  pods.sync(ledger.lanes, origins);
  pods.write(ledger, recent, now);
  writeLink();
}

/** Makes the address a link to the settings. Here, as a browser takes it ill where an address changes with every step of a slider. */
function writeLink() {
  const link = permalink.write(settings);
  if (link !== location.hash.slice(1)) history.replaceState(null, "", link === "" ? location.pathname + location.search : `#${link}`);
}

/** Takes the settings that `address` has. */
function readLink(address) {
  const { settings: linked, ignored } = permalink.read(new URL(address).hash.slice(1));
  set(linked);
  if (ignored !== "") tell(ignored);
}

/** What came of something that the visitor did, which is not as usual. */
function tell(text) {
  log.note(Date.now(), text, "warning");
  announce(text);
}

/** Makes `changes` the settings, wherever they are looked at. */
function set(changes) {
  settings = { ...settings, ...changes };
  at("rate").value = settings.rate;
  at("rate-value").textContent = `${settings.rate}/s`;
  at("span").value = settings.show;
  at("scale").textContent = `a column is ${settings.show / COLUMNS} s, a cell is a reply while there is room`;
  at("path").value = settings.path;
  for (const type of ["rate", "path"]) if (type in changes) worker.postMessage({ type, [type]: settings[type] });
}

/** Asks for the fault that `button` is for. */
async function begin({ value, textContent }) {
  for (const text of await faults.ask(value, textContent)) tell(text);
}

/** Gives the visitor the ledger as a file. */
function save() {
  const plan = { url: new URL(settings.path, location.href).href, rate: settings.rate, timeoutMs: TIMEOUT_MS };
  const link = document.createElement("a");
  link.download = "practice-ledger.json";
  link.href = URL.createObjectURL(new Blob([`${JSON.stringify(file(ledger, plan, viewedAt()), null, 1)}\n`], { type: "application/json" }));
  link.click();
  // A browser may take it later.
  setTimeout(URL.revokeObjectURL, 10_000, link.href);
}

/** Takes what the cluster says: the rows and lines of now, and in the log what was not told yet. */
function observe(message) {
  if (message === null && observed !== null) ledger.observe(null, Date.now());
  observed = message;
  writeCluster();
  if (message === null) return;
  const events = cluster.events(message);
  // What was before the page was opened is the cluster's past, not the page's.
  if (told !== null) for (const event of events) if (!told.has(event.id)) log.note(event.at || Date.now(), event.text, event.warning ? "warning" : "event");
  told = new Set(events.map((event) => event.id));
}

function writeCluster() {
  const lines = observed === null ? [{ text: at("cluster").dataset.none, bad: false }] : cluster.lines(observed);
  at("cluster").replaceChildren(
    ...lines.map((line) => {
      const item = document.createElement("li");
      item.textContent = line.text;
      item.classList.toggle("bad", line.bad);
      return item;
    }),
  );
}

/** Shares of the versions, as words and as a bar. */
function writeMix(recent) {
  const versions = sortVersions(recent.versions.keys());
  const words = versions.flatMap((version, index) => {
    const part = document.createElement("span");
    part.className = "part";
    part.dataset.version = version;
    part.append(swatch(tones.of(version)), `${version} ${share(recent.versions.get(version), recent.replies)}`);
    return index === 0 ? [part] : [", ", part];
  });
  at("mix-text").replaceChildren(...(words.length > 0 ? words : ["no answer"]));
  at("mix").replaceChildren(
    ...versions.map((version) => {
      const part = document.createElement("span");
      part.className = `tone-${tones.of(version)}`;
      part.style.flexGrow = recent.versions.get(version);
      return part;
    }),
  );
}

function writeNotice(now) {
  const failing = ledger.isDown(now);
  if (failing && !down && stoppedAt === null) {
    down = true;
    announce("Nothing is answered.");
  }
  const [state, text] = notice(now, failing);
  if (at("notice").dataset.state !== state) at("notice").dataset.state = state;
  if (at("notice-text").textContent !== text) at("notice-text").textContent = text;
}

/** The state of things in a word and a sentence. */
function notice(now, failing) {
  const { lastFailure } = ledger;
  const unsent = ledger.unsent > 0 ? ` ${count(ledger.unsent)} not sent: four were still in flight.` : "";
  if (broken !== null) return ["down", broken];
  if (stoppedAt !== null) return ["stopped", `Stopped at ${clock(stoppedAt)}. Nothing is sent.`];
  if (failing) {
    return ["down", `\u2715 Nothing answered for ${span(now - (ledger.lastAnswerAt ?? ledger.failingSince))}. Last: ${lastFailure.text}`];
  }
  if (lastFailure !== null) return ["failing", `\u2715 Last failure at ${clock(lastFailure.at)} (${ago(now - lastFailure.at)}): ${lastFailure.text}.${unsent}`];
  if (ledger.answered === 0) return ["waiting", "Waiting for the first answer."];
  return ["running", `Sending ${settings.rate} a second.${unsent}`];
}

/** Says `text` to a screen reader, unless something was said a moment ago. */
function announce(text) {
  const now = performance.now();
  if (now - announce.last < ANNOUNCE_MS) return;
  announce.last = now;
  at("announce").textContent = `${text} ${count(ledger.answered)} answered, ${count(ledger.failed)} failed.`;
}
announce.last = -ANNOUNCE_MS;

function draw() {
  const ratio = window.devicePixelRatio || 1;
  if (ink === null || ink.ratio !== ratio) ink = { ...readInk(ratio), ratio };
  const columns = ledger.columns(viewedAt(), (1000 * settings.show) / COLUMNS, COLUMNS);
  const seen = new Set();
  for (const column of columns) for (const version of column.versions.keys()) seen.add(version);
  const view = {
    ink,
    tones,
    versions: sortVersions(seen),
    gaps: ledger.gaps,
    selected: selected === null ? null : COLUMNS - 1 + selected,
    font: "12px system-ui, sans-serif",
  };
  drawAxis(at("axis"), columns, view);
  drawOverview(at("overview"), columns, view);
  pods.draw(ledger, columns, view);
  if (selected !== null) read(columns[view.selected]);
  else if (at("readout").textContent !== hint) at("readout").textContent = hint;
}

/** Writes what the column pointed at holds. */
function read(column) {
  const parts = sortVersions(column.versions.keys()).map((version) => `${version} ${count(column.versions.get(version))}`);
  parts.push(`${count(column.failed)} failed`);
  if (column.shed > 0) parts.push(`${count(column.shed)} shed`);
  if (column.pending > 0) parts.push(`${count(column.pending)} without an outcome`);
  if (column.unsent > 0) parts.push(`${count(column.unsent)} not sent`);
  const text = `${clock(column.from)} to ${clock(column.to)}: ${count(column.sent)} sent, ${parts.join(", ")}`;
  at("readout").textContent = text;
  at("overview").setAttribute("aria-valuenow", String(selected));
  at("overview").setAttribute("aria-valuetext", text);
}

function sortVersions(versions) {
  return [...versions].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}

function select(offset) {
  selected = Math.max(1 - COLUMNS, Math.min(0, offset));
  draw();
}

function wireControls() {
  at("toggle").addEventListener("click", () => (stoppedAt === null ? stop() : start()));
  at("rate").addEventListener("input", () => set({ rate: Number(at("rate").value) }));
  at("span").addEventListener("change", () => {
    set({ show: Number(at("span").value) });
    draw();
  });
  at("path").addEventListener("change", () => {
    const { value, why } = permalink.judge("path", at("path").value);
    set({ path: value ?? settings.path });
    if (value === undefined) tell(`${why}. It stays ${settings.path}.`);
  });
  // Enter in a field sends a form, which has nowhere to go.
  at("controls").addEventListener("submit", (event) => event.preventDefault());
  // The page may have written its address anew before it is told of the one that somebody typed.
  window.addEventListener("hashchange", ({ newURL }) => readLink(newURL));
  at("save").addEventListener("click", save);
  at("clear").addEventListener("click", () => {
    ledger = new Ledger(viewedAt());
    firstSeq = lastSeq + 1;
    down = false;
    log.clear("Cleared.");
    if (stoppedAt !== null) stoppedAt = Date.now();
    write();
    draw();
  });
  for (const button of at("faults").querySelectorAll("button")) button.addEventListener("click", () => begin(button));
  at("burn").addEventListener("click", () => {
    burns.on = !burns.on;
    at("burn").setAttribute("aria-pressed", String(burns.on));
    worker.postMessage({ type: "burn", on: burns.on });
    writeBurns();
  });
}

function wirePointing() {
  const table = at("timeline");
  const point = (event) => {
    if (!(event.target instanceof HTMLCanvasElement)) return;
    const column = Math.floor((event.offsetX / event.target.clientWidth) * COLUMNS);
    select(column - COLUMNS + 1);
  };
  table.addEventListener("pointermove", point);
  table.addEventListener("pointerdown", point);
  table.addEventListener("pointerleave", () => {
    if (document.activeElement === at("overview")) return;
    selected = null;
    draw();
  });
  const keys = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10, Home: -COLUMNS, End: COLUMNS };
  at("overview").addEventListener("keydown", (event) => {
    const step = keys[event.key];
    if (step === undefined) return;
    event.preventDefault();
    select((selected ?? 0) + step);
  });
  at("overview").addEventListener("blur", () => {
    selected = null;
    draw();
  });
}

function start() {
  const now = Date.now();
  if (stoppedAt !== null) ledger.recordGap(stoppedAt, now, "stopped");
  stoppedAt = null;
  at("toggle").textContent = "Stop";
  worker.postMessage({ type: "start" });
  write();
}

function stop() {
  stoppedAt = Date.now();
  at("toggle").textContent = "Start";
  worker.postMessage({ type: "stop" });
  write();
}

wireControls();
wirePointing();
at("cluster").dataset.none = at("cluster").textContent;
cluster.follow(observe);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (ink = null));
new ResizeObserver(() => requestAnimationFrame(draw)).observe(at("overview"));
readLink(location.href);
start();

let frame = 0;
setInterval(() => {
  // A stopped page still counts the replies that were in flight.
  if (frame % FRAMES_A_WRITE === 0) write();
  frame += 1;
  requestAnimationFrame(draw);
}, FRAME_MS);
