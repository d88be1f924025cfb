// A worker that sends the traffic. A worker, because browsers slow the timers of a hidden page down but not a
// worker's: a rollout watched from the terminal is on the timeline when the page is looked at again.
//
// In:  {type: "rate", rate} | {type: "path", path} | {type: "start"} | {type: "stop"} | {type: "burn", on}
// Out: {type: "sent"|"unsent", seq, at} | {type: "outcome", seq, at, now, latency, outcome}
//      {type: "gap", from, to} | {type: "burn", outcome}
// `at` and `now` are milliseconds of the wall clock, `latency` is milliseconds of the monotonic one.

import { request } from "./request.js";

/** Turns a second, as long as MAX_IN_FLIGHT requests in each are enough for the rate. */
const TURNS = 4;
/** Requests in flight at a time. Browsers open six connections to a host: one is for the CPU load, one for what the cluster says. */
const MAX_IN_FLIGHT = 4;
/** A timer this late, in ms, means that the browser or the machine was suspended. */
const SUSPENDED_MS = 2000;
/** Length of one burn in ms. */
const BURN_MS = 500;
/** Pause after a burn that was refused or failed, in ms, unless Retry-After asks for another. */
const BURN_PAUSE_MS = 1000;
const MAX_BURN_PAUSE_MS = 10_000;

let rate = 1;
let path = "/proxy/items";
// Requests that leave in one turn. Each needs a connection of its own, of the browser and of the gateway, and connections lead to
// several pods: one after the other they would all take the same one, and a rollout would look like a switch.
let together = 1;
let timer = null;
let due = 0;
let inFlight = 0;
let seq = 0;
// Counts suspensions: a request whose life spans one is not judged when it fails.
let suspensions = 0;
let burning = false;
let burnLoop = null;

self.onmessage = ({ data }) => {
  switch (data.type) {
    case "rate":
      rate = Math.min(50, Math.max(1, Math.round(Number(data.rate)) || 1));
      together = Math.min(MAX_IN_FLIGHT, Math.ceil(rate / TURNS));
      if (timer !== null) restart();
      break;
    case "path":
      path = data.path;
      break;
    case "start":
      if (timer === null) restart();
      break;
    case "stop":
      clearTimeout(timer);
      timer = null;
      break;
    case "burn":
      burning = data.on === true;
      if (burning) burnLoop ??= burn().finally(() => (burnLoop = null));
      break;
  }
};

/** Begins the schedule anew: the next turn is one interval from now. */
function restart() {
  clearTimeout(timer);
  due = Date.now() + interval();
  timer = setTimeout(turn, due - Date.now());
}

/** Milliseconds between two turns. */
const interval = () => (1000 * together) / rate;

function turn() {
  noteSuspension();
  for (const now = Date.now(); due <= now; due += interval()) for (let n = 0; n < together; n += 1) send();
  timer = setTimeout(turn, Math.max(0, due - Date.now()));
}

/** A turn that is far overdue was slept through: it is a gap in the timeline, and is not made up for. */
function noteSuspension() {
  const now = Date.now();
  if (timer === null || now - due <= SUSPENDED_MS) return;
  suspensions += 1;
  self.postMessage({ type: "gap", from: due, to: now });
  due = now;
}

async function send() {
  const at = Date.now();
  seq += 1;
  const id = seq;
  if (inFlight >= MAX_IN_FLIGHT) {
    self.postMessage({ type: "unsent", seq: id, at });
    return;
  }
  const before = suspensions;
  inFlight += 1;
  self.postMessage({ type: "sent", seq: id, at });
  const started = performance.now();
  const outcome = await request(path);
  const latency = performance.now() - started;
  inFlight -= 1;
  // On waking up the outcome may come before the overdue turn.
  noteSuspension();
  if (outcome.kind === "failed" && before !== suspensions) outcome.kind = "unjudged";
  self.postMessage({ type: "outcome", seq: id, at, now: Date.now(), latency, outcome });
}

/** One burn after another until switched off. A burn that failed is counted; the next one is a new request. */
async function burn() {
  while (burning) {
    const outcome = await request(`/proxy/cpu-burn?ms=${BURN_MS}`);
    self.postMessage({ type: "burn", outcome });
    if (outcome.kind !== "answered") {
      const pause = Math.min(MAX_BURN_PAUSE_MS, outcome.retryAfterMs ?? BURN_PAUSE_MS);
      await new Promise((resume) => setTimeout(resume, pause));
    }
  }
}
