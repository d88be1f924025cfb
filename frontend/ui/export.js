// The page's ledger as a file, in the form that `client load --ledger` writes (contract/src/ledger.rs), as far as a page can know.
// What the form has no place for is under `page`. Pure.

import { BIN_MS } from "./ledger.js";

/** The form's number: the names that it has mean what they mean there. */
const FORMAT = 1;
/** Why a request that came due is not an answer. */
const LOST = ["failed", "shed", "unsent", "unjudged"];

/** `ledger` at `now`, of requests as `plan` has them: {url, rate, timeoutMs}. */
export function file(ledger, plan, now) {
  const { startedAt, answered } = ledger;
  const seconds = (at) => (at - startedAt) / 1000;
  const times = (first, last) => ({ first_seconds: seconds(first), last_seconds: seconds(last) });
  const lost = LOST.filter((kind) => ledger[kind] > 0);
  const losses = lost.reduce((sum, kind) => sum + ledger[kind], 0);
  const recent = ledger.recent(now);
  // What was in flight when it was stopped ended later.
  const end = Math.max(now, ledger.lastAnswerAt ?? 0, ...[...ledger.lostAt.values()].flat());
  return {
    format: FORMAT,
    client: "page",
    started_unix_ms: startedAt,
    seconds: seconds(end),
    plan: { method: "GET", targets: [{ url: plan.url, share: 1 }], rate: plan.rate, timeout_seconds: plan.timeoutMs / 1000 },
    requests: { due: answered + losses, sent: ledger.sent, answered, lost: losses },
    lost: lost.map((kind) => ({ kind, requests: ledger[kind], ...times(...ledger.lostAt.get(kind)) })),
    services: services([...ledger.lanes.values()].filter((lane) => lane.answered > 0), times),
    timeline: timeline(ledger.bins, startedAt / BIN_MS),
    page: {
      in_flight: ledger.sent - (answered + losses - ledger.unsent),
      gaps: ledger.gaps.map(({ from, to, reason }) => ({ from_seconds: seconds(from), seconds: (to - from) / 1000, reason })),
      recent: { seconds: recent.length / 1000, answered: recent.replies, p50_ms: recent.p50 ?? null, p99_ms: recent.p99 ?? null },
    },
  };
}

/** Pods by version by service. */
function services(lanes, times) {
  const grouped = (of, name, make) => [...new Set(of.map((lane) => lane[name]))].map((key) => make(key, of.filter((lane) => lane[name] === key)));
  const sum = (group) => ({
    answers: group.reduce((total, lane) => total + lane.answered, 0),
    ...times(Math.min(...group.map((lane) => lane.firstAt)), Math.max(...group.map((lane) => lane.lastAt))),
  });
  const pods = (group) => group.map((lane) => ({ pod: lane.pod, ...sum([lane]) }));
  const versions = (group) => grouped(group, "version", (version, of) => ({ version, ...sum(of), pods: pods(of) }));
  return grouped(lanes, "service", (service, of) => ({ service, versions: versions(of) }));
}

/** Second by second, of the seconds that are kept: a request is in the bin in which it left. `zero` is the first bin's key. */
function timeline(bins, zero) {
  const series = new Map();
  const count = (key, index, n) => {
    const known = series.get(key) ?? { first_bin: index, counts: [] };
    series.set(key, known);
    while (known.counts.length < index - known.first_bin) known.counts.push(0);
    known.counts.push(n);
  };
  for (const [key, bin] of [...bins].sort(([a], [b]) => a - b)) {
    for (const [lane, n] of bin.lanes) count(lane, key - zero, n);
    for (const kind of LOST) if (bin[kind] > 0) count(kind, key - zero, bin[kind]);
  }
  const answers = [];
  const lost = [];
  for (const [key, counted] of series) {
    // A lane's id has what none of the words has.
    const [service, version, pod] = key.split("/");
    if (pod === undefined) lost.push({ kind: key, ...counted });
    else answers.push({ service, version, pod, ...counted });
  }
  return { bin_ms: BIN_MS, answers, lost };
}
