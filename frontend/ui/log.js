// The list of what happened: first answers of versions and pods, failures, recoveries. Newest first, bounded.

import { clock } from "./timeline.js";
import { count } from "./text.js";

/** Entries kept. */
const MAX_ENTRIES = 100;
/** Failures of one wording share an entry as long as they are no further apart than this, in ms. */
const SAME_RUN_MS = 5000;

export class Log {
  #list;
  #runs = new Map();

  constructor(list, text) {
    this.#list = list;
    this.clear(text);
  }

  /** Empties the list but for one line, `text`. */
  clear(text) {
    this.#runs.clear();
    this.#list.replaceChildren(line("note", Date.now(), text));
  }

  /** Something that happened once. */
  note(at, text, kind = "note") {
    this.#insert(line(kind, at, text));
  }

  /** A failure. Those of one wording that follow one another become one entry with a count. */
  failure(at, text) {
    for (const [known, run] of this.#runs) if (at - run.last > SAME_RUN_MS) this.#runs.delete(known);
    const run = this.#runs.get(text);
    if (run !== undefined) {
      run.count += 1;
      run.last = at;
      run.tally.textContent = ` (${count(run.count)} times, last ${clock(at)})`;
      return;
    }
    const item = line("failure", at, `\u2715 ${text}`);
    const tally = document.createElement("span");
    item.append(tally);
    this.#runs.set(text, { count: 1, last: at, tally });
    this.#insert(item);
  }

  #insert(item) {
    this.#list.prepend(item);
    while (this.#list.children.length > MAX_ENTRIES) this.#list.lastChild.remove();
  }
}

function line(kind, at, text) {
  const item = document.createElement("li");
  item.className = kind;
  const time = document.createElement("time");
  time.dateTime = new Date(at).toISOString();
  time.textContent = clock(at);
  const words = document.createElement("span");
  words.textContent = text;
  item.append(time, words);
  return item;
}
