// The page's ledger: what was sent and what became of it, second by second and pod by pod.
// Pure: every method takes its time, nothing here touches the document. Memory is bounded by the constants below,
// however long the page runs.

/** Length of a bin in milliseconds. */
export const BIN_MS = 1000;
/** Bins kept: ten minutes. */
const KEPT_BINS = 600;
/** Shares and percentiles look back this far, in milliseconds, but not past an outage. */
export const RECENT_MS = 30_000;
/** Answers missing for this long, in ms, while requests fail: an outage. */
export const DOWN_MS = 1500;
/** Pods kept; past it the one that has been silent longest is dropped. */
const MAX_LANES = 64;
/** Gaps kept. */
const MAX_GAPS = 100;

const emptyBin = () => ({
  sent: 0,
  finished: 0,
  failed: 0,
  shed: 0,
  unsent: 0,
  unjudged: 0,
  // Replies by version of the first hop, replies by lane, failures by lane.
  versions: new Map(),
  lanes: new Map(),
  laneFailures: new Map(),
});

const isOf = (lane, hop) => lane.pod === hop.pod && lane.service === hop.service;

const add = (map, key) => map.set(key, (map.get(key) ?? 0) + 1);

export class Ledger {
  /** The beginning of the second in which it was begun. */
  startedAt;
  sent = 0;
  answered = 0;
  failed = 0;
  shed = 0;
  unsent = 0;
  unjudged = 0;
  /** By kind, as the four above are called: when the first was noticed, and the last. */
  lostAt = new Map();
  /** Time of the last answer, and of the failure that began the present row of failures; null if there is none. */
  lastAnswerAt = null;
  failingSince = null;
  lastFailure = null;
  /** Lane id to lane, in order of first appearance. A lane is one pod of one version. */
  lanes = new Map();
  /** Stretches in which nothing was sent: {from, to, reason}. */
  gaps = [];
  #bins = new Map();
  #recent = [];
  /** When the last outage that is over began. */
  #outageAt = -Infinity;

  constructor(now = 0) {
    this.startedAt = Math.floor(now / BIN_MS) * BIN_MS;
  }

  /** [key, bin] of each second that is kept: key times BIN_MS is its beginning. */
  get bins() {
    return this.#bins.entries();
  }

  /** Requests fail and nobody answers, for long enough to say so. */
  isDown(now) {
    return this.failingSince !== null && now - this.failingSince >= DOWN_MS;
  }

  /** A request left at `at`. */
  recordSent(at) {
    this.sent += 1;
    this.#bin(at).sent += 1;
  }

  /** A turn at `at` passed unused, because too many requests were in flight. */
  recordUnsent(at) {
    this.#lose("unsent", this.#bin(at), at);
  }

  /**
   * The request sent at `at` was answered at `now` after `latency` ms. `hops` names who served it, the backend first:
   * [{service, version, pod, node}]. Returns the hops that were never seen before.
   */
  recordAnswer(at, now, latency, hops) {
    this.answered += 1;
    this.lastAnswerAt = now;
    if (this.isDown(now)) this.#outageAt = this.failingSince;
    this.failingSince = null;
    const bin = this.#finish(at);
    add(bin.versions, hops[0].version);
    const fresh = [];
    const ids = hops.map((hop) => {
      const lane = this.#lane(hop, now, fresh);
      lane.answered += 1;
      lane.firstAt ??= now;
      lane.lastAt = now;
      add(bin.lanes, lane.id);
      return lane.id;
    });
    this.#recent.push({ now, latency, version: hops[0].version, ids });
    return fresh;
  }

  /** The request sent at `at` failed. `text` says how; `hops` names who signed the error reply, if there was one. */
  recordFailure(at, now, text, hops) {
    this.failingSince ??= now;
    this.lastFailure = { at: now, text };
    const bin = this.#finish(at);
    this.#lose("failed", bin, now);
    if (hops.length === 0) return [];
    const fresh = [];
    const lane = this.#lane(hops[0], now, fresh);
    lane.failed += 1;
    add(bin.laneFailures, lane.id);
    return fresh;
  }

  /** The request sent at `at` was refused on purpose (429), which was known at `now`. */
  recordShed(at, now) {
    this.#lose("shed", this.#finish(at), now);
  }

  /** The request sent at `at` was cut off while the browser was suspended: nobody can say what became of it. Noticed at `now`. */
  recordUnjudged(at, now) {
    this.#lose("unjudged", this.#finish(at), now);
  }

  /**
   * The cluster has these pods at `now`, each as `hop` of a reply names it, with what is said of it; null where nothing is known of it
   * any more. A lane without a reply is one that the cluster has.
   */
  observe(pods, now) {
    const seen = new Set();
    for (const pod of pods ?? []) {
      const lane = [...this.lanes.values()].find((known) => isOf(known, pod)) ?? this.#lane(pod, now, []);
      Object.assign(lane, { words: pod.words, look: pod.look, observed: true, seenAt: now });
      if (pod.node) lane.node = pod.node;
      seen.add(lane.id);
    }
    const services = new Set((pods ?? []).map((pod) => pod.service));
    for (const lane of this.lanes.values()) {
      if (seen.has(lane.id)) continue;
      if (lane.observed && lane.answered + lane.failed === 0) this.lanes.delete(lane.id);
      // Of a service that is observed, who is not there is gone.
      const gone = pods !== null && services.has(lane.service);
      Object.assign(lane, { words: gone ? "gone" : "", look: gone ? "gone" : "", observed: false });
    }
  }

  /** Nothing was sent from `from` to `to`. */
  recordGap(from, to, reason) {
    this.gaps.push({ from, to, reason });
    if (this.gaps.length > MAX_GAPS) this.gaps.shift();
  }

  /** Drops what is older than the ledger keeps. */
  prune(now) {
    const oldest = Math.floor(now / BIN_MS) - KEPT_BINS + 1;
    for (const key of this.#bins.keys()) if (key < oldest) this.#bins.delete(key);
    this.gaps = this.gaps.filter((gap) => gap.to > oldest * BIN_MS);
    const drop = this.#recent.findIndex((reply) => reply.now > now - RECENT_MS);
    this.#recent.splice(0, drop === -1 ? this.#recent.length : drop);
    for (const lane of this.lanes.values()) if (lane.seenAt < oldest * BIN_MS) this.lanes.delete(lane.id);
  }

  /**
   * The last 30 s before `now`, or what there is of them since an outage began, for what answered before it tells nothing of what
   * does: the length in ms, the number of replies, by version and by lane, the number of pods that made them, and the latency
   * percentiles in ms (nearest rank; undefined without a reply).
   */
  recent(now) {
    const from = Math.max(now - RECENT_MS, this.isDown(now) ? this.failingSince : this.#outageAt);
    const replies = this.#recent.filter((reply) => reply.now > from);
    const versions = new Map();
    const lanes = new Map();
    const pods = new Set();
    for (const reply of replies) {
      add(versions, reply.version);
      pods.add(reply.ids[0]);
      for (const id of reply.ids) add(lanes, id);
    }
    const latencies = replies.map((reply) => reply.latency).sort((a, b) => a - b);
    const rank = (share) => latencies[Math.max(0, Math.ceil(share * latencies.length) - 1)];
    return { length: now - from, replies: replies.length, versions, lanes, pods: pods.size, p50: rank(0.5), p99: rank(0.99) };
  }

  /** The `count` columns of `binMs` that end with the one that holds `end`, oldest first. */
  columns(end, binMs, count) {
    const last = Math.floor(end / binMs);
    const columns = [];
    for (let index = last - count + 1; index <= last; index += 1) {
      columns.push(this.#column(index * binMs, binMs));
    }
    return columns;
  }

  #column(from, binMs) {
    const column = { from, to: from + binMs, pending: 0, ...emptyBin() };
    for (let key = Math.floor(from / BIN_MS); key * BIN_MS < column.to; key += 1) {
      const bin = this.#bins.get(key);
      if (bin === undefined) continue;
      for (const field of ["sent", "finished", "failed", "shed", "unsent"]) column[field] += bin[field];
      for (const field of ["versions", "lanes", "laneFailures"]) {
        for (const [name, n] of bin[field]) column[field].set(name, (column[field].get(name) ?? 0) + n);
      }
    }
    column.pending = Math.max(0, column.sent - column.finished);
    return column;
  }

  #bin(at) {
    const key = Math.floor(at / BIN_MS);
    let bin = this.#bins.get(key);
    if (bin === undefined) this.#bins.set(key, (bin = emptyBin()));
    return bin;
  }

  #finish(at) {
    const bin = this.#bin(at);
    bin.finished += 1;
    return bin;
  }

  #lose(kind, bin, now) {
    this[kind] += 1;
    bin[kind] += 1;
    this.lostAt.set(kind, [this.lostAt.get(kind)?.[0] ?? now, now]);
  }

  #lane(hop, now, fresh) {
    const id = `${hop.service}/${hop.version}/${hop.pod}`;
    let lane = this.lanes.get(id);
    // The cluster had it before it answered, perhaps with another version: what a label says may be old.
    const silent = lane ?? [...this.lanes.values()].find((known) => isOf(known, hop) && known.answered + known.failed === 0);
    if (lane === undefined && silent !== undefined) {
      this.lanes.delete(silent.id);
      lane = Object.assign(silent, { id, version: hop.version });
      this.lanes.set(id, lane);
      fresh.push(hop);
    } else if (lane?.observed && lane.answered + lane.failed === 0) fresh.push(hop);
    if (lane === undefined) {
      lane = { id, ...hop, words: "", look: "", observed: false, answered: 0, failed: 0, firstAt: null, lastAt: null, seenAt: now };
      this.lanes.set(id, lane);
      fresh.push(hop);
      if (this.lanes.size > MAX_LANES) this.#dropQuietest();
    }
    lane.seenAt = now;
    if (hop.node) lane.node = hop.node;
    if (hop.takesFaults) lane.takesFaults = true;
    return lane;
  }

  #dropQuietest() {
    let quietest = null;
    for (const lane of this.lanes.values()) if (quietest === null || lane.seenAt < quietest.seenAt) quietest = lane;
    this.lanes.delete(quietest.id);
  }
}
