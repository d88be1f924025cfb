// What the cluster says, in words: pods, Deployments, autoscalers and events, as an observer sends them. Pure but for `follow`.
// Everything of it is text of others: it is cut to length here, and only ever shown as text.

import { span } from "./text.js";

/** Longest text of one thing. */
const MAX_TEXT = 300;
/** Pods, lines and events that are taken of one message. */
const MAX_ROWS = 64;

const text = (value) => (typeof value === "string" ? value.slice(0, MAX_TEXT) : "");
const rows = (value) => (Array.isArray(value) ? value.slice(-MAX_ROWS) : []);
const number = (value) => (Number.isFinite(value) ? value : 0);
const why = (message) => (text(message) === "" ? "" : `: ${text(message)}`);

/** How long until it is asked again whether there is an observer, in ms. */
const AGAIN_MS = 5000;

/**
 * Follows what the observer says. `tell` gets each message, or null while there is none: where no observer is, or it is out of reach.
 * The browser connects again by itself, but for the answer that there are no events.
 */
export function follow(tell) {
  const source = new EventSource("/cluster/events");
  source.onmessage = ({ data }) => {
    try {
      tell(JSON.parse(data));
    } catch {
      tell(null);
    }
  };
  source.onerror = () => {
    tell(null);
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, AGAIN_MS, tell);
  };
}

/** The pods of a message: {service, version, pod, node, words, look} each, where look is "", "bad" or "going". */
export function pods(message, now) {
  const known = rows(message.pods).filter((pod) => text(pod?.name) !== "" && text(pod.service) !== "");
  return known.map((pod) => ({
    service: text(pod.service),
    version: text(pod.version) || "?",
    pod: text(pod.name),
    node: text(pod.node),
    ...state(pod, now),
  }));
}

const BAD = new Set(["no-image", "no-container", "crash-loop", "ended", "not-ready", "over"]);

function state(pod, now) {
  const since = Date.parse(pod.since);
  const lasts = Number.isNaN(since) ? "" : ` for ${span(now - since)}`;
  const words = {
    pending: () => `pending${why(pod.message)}`,
    creating: () => "its containers are made, or their images pulled",
    "no-image": () => `no image ${text(pod.image)}, ${text(pod.reason)}${why(pod.message)}`,
    "no-container": () => `no container, ${text(pod.reason)}${why(pod.message)}`,
    initializing: () => `waits for ${text(pod.container)} to end`,
    "crash-loop": () => "crash loop",
    ended: () => "ended, to be started again",
    starting: () => `starting${lasts}${why(pod.message)}`,
    "not-ready": () => `not ready${lasts}${why(pod.message)}`,
    ready: () => "ready",
    terminating: () => `terminating${disrupted(pod)}, ${left(pod.until, now)}`,
    over: () => `over, ${text(pod.reason)}${why(pod.message)}`,
  };
  const parts = [words[pod.state]?.() ?? text(pod.state)];
  // Ready and not led to, or the other way round, is what a look at the state alone would not show.
  if ((pod.state === "ready") !== (pod.endpoint === true)) parts.push(pod.endpoint ? "still in the endpoints" : "not in the endpoints");
  if (number(pod.restarts) > 0) parts.push(pod.restarts === 1 ? "1 restart" : `${number(pod.restarts)} restarts`);
  if (pod.last) parts.push(`last ended with ${text(pod.last.reason) || "no reason"}, code ${number(pod.last.exit_code)}`);
  parts.push(...figures(pod));
  const look = BAD.has(pod.state) ? "bad" : pod.state === "terminating" ? "going" : "";
  return { words: parts.join(", "), look };
}

/** What a pod says of itself, as far as it does. */
function figures({ figures: it, cpu_request_millis: request, cpu_limit_millis: limit }) {
  if (typeof it !== "object" || it === null) return [];
  const known = (value, words) => (Number.isFinite(value) ? [words(value)] : []);
  const bounds = [...known(request, (n) => `request ${n}m`), ...known(limit, (n) => `limit ${n}m`)];
  const mebibytes = (n) => `${Math.ceil(n / 2 ** 20)}`;
  const most = known(it.memory_limit_bytes, (n) => ` of ${mebibytes(n)}`);
  return [
    ...known(it.in_flight, (n) => `${n} in flight`),
    ...known(it.cpu_millis, (n) => `CPU ${n}m${bounds.length > 0 ? ` (${bounds.join(", ")})` : ""}`),
    ...known(it.throttled_percent, (n) => `throttled in ${n} % of the periods`),
    ...known(it.memory_bytes, (n) => `memory ${mebibytes(n)}${most} MiB`),
  ];
}

/** What disrupted a pod, in words, by the reason of its condition `DisruptionTarget`. */
const DISRUPTED = {
  EvictionByEvictionAPI: "evicted, as a drain of its node does",
  PreemptionByScheduler: "makes room for a pod of higher priority",
  DeletionByTaintManager: "does not tolerate a taint of its node",
  DeletionByPodGC: "its node is gone",
  TerminationByKubelet: "its node ends it",
};

function disrupted({ reason, message }) {
  if (text(reason) === "") return "";
  return Object.hasOwn(DISRUPTED, reason) ? `, ${DISRUPTED[reason]}` : `, ${text(reason)}${why(message)}`;
}

function left(until, now) {
  const ms = Date.parse(until) - now;
  return Number.isNaN(ms) ? "for a while" : ms > 0 ? `at most ${span(ms)} more` : "to be killed now";
}

const ROLLOUT = {
  unseen: "a change that nobody has looked at yet",
  paused: "rollout paused",
  "under-way": "rollout under way",
  stuck: "rollout stuck",
  complete: "rollout complete",
};

/** A line for each Deployment and each autoscaler of a message, and for each node that is not as any other. */
export function lines(message) {
  const deployments = rows(message.deployments).map((it) => {
    const revision = it.revision === null ? "" : `, revision ${number(it.revision)}`;
    const rollout = ROLLOUT[it.rollout] ?? text(it.rollout);
    const bad = it.rollout === "stuck" || number(it.ready) < number(it.wanted);
    const pods = `${number(it.wanted)} wanted, ${number(it.there)} there, ${number(it.updated)} of them new, ${number(it.ready)} ready`;
    return { text: `${text(it.name)}: ${pods}${revision}, ${rollout}${why(it.message)}`, bad };
  });
  const autoscalers = rows(message.autoscalers).map((it) => {
    const figure = it.figure === null ? "no figure yet" : `CPU ${number(it.figure)} % of ${number(it.aim)} %`;
    const formula = it.formula === null ? "" : `, ${text(it.formula)}`;
    const range = `from ${number(it.least)} to ${number(it.most)}, wants ${number(it.wanted)}`;
    return { text: `autoscaler ${text(it.name)}: ${figure}${formula}, ${range}${why(it.message)}`, bad: it.figure === null };
  });
  const nodes = rows(message.nodes).map((it) => {
    const taints = rows(it.taints).map((taint) => `taint ${text(taint)}`);
    const words = [...(it.ready ? [] : [`not ready${why(it.message)}`]), ...(it.cordoned ? ["cordoned, takes no new pods"] : []), ...taints];
    return { text: `${text(it.name)}: ${words.join(", ")}`, bad: !it.ready || it.cordoned === true };
  });
  const unseen = Object.entries(message.unseen ?? {}).slice(0, MAX_ROWS);
  return [...deployments, ...autoscalers, ...nodes, ...unseen.map(([kind, reason]) => ({ text: `${text(kind)} not seen${why(reason)}`, bad: true }))];
}

/** The events of a message: {id, at, text, warning} each, the newest last. */
export function events(message) {
  return rows(message.events).map((event) => {
    const about = `${text(event.about?.kind)} ${text(event.about?.name)}`;
    const at = Date.parse(event.at);
    return { id: `${text(event.id)} ${number(event.count)}`, at, text: `${about}: ${text(event.reason)}${why(event.message)}`, warning: event.warning === true };
  });
}
