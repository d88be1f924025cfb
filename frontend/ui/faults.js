// Faults on purpose, where the backend's settings let a request begin one (FAULT_ON_REQUEST): the one pod that gets the request has it.

import { request } from "./request.js";
import { span } from "./text.js";

/** Requests that end faults, at once: they take several connections, and so reach several pods. */
const ENDS = 8;

export class Faults {
  /** By pod: what a request of this page began there, in words, and when it is over at the latest. */
  #begun = new Map();

  /** Asks for the fault `name`, which is `words` to people. Resolves to what came of it, in sentences. */
  async ask(name, words) {
    const ends = name === "none";
    const outcomes = await Promise.all(Array.from({ length: ends ? ENDS : 1 }, () => request(`/proxy/faults/${name}`, "POST")));
    const now = Date.now();
    const told = new Set();
    for (const { kind, hops, text, seconds } of outcomes) {
      told.add(`${words}: ${kind === "answered" ? hops[0].pod : text}.`);
      if (kind !== "answered") continue;
      if (ends) this.#begun.delete(hops[0].pod);
      else this.#begun.set(hops[0].pod, { words, until: now + 1000 * seconds });
    }
    return [...told, ...(ends ? this.#left(now).map((text) => `Not reached: ${text}.`) : [])];
  }

  /** What there is at `now` of what this page began. */
  words(now) {
    return this.#left(now).join("; ") || "none; a button is for one pod, whichever gets the request";
  }

  #left(now) {
    for (const [pod, { until }] of this.#begun) if (until <= now) this.#begun.delete(pod);
    return [...this.#begun].map(([pod, { words, until }]) => `${words}, ${pod}, for ${span(until - now)} at most`);
  }
}
