// The settings of the page as the fragment of its address, which makes the address a link to them. Pure.
// A link is somebody else's text: it is bounded here, and what it has that is no setting is passed over with a word.

/** Longest fragment that is read, and longest path, in characters. */
const MAX_FRAGMENT = 800;
const MAX_PATH = 200;
/** How many of the parts that are passed over are named, and how much of each. */
const MAX_NAMED = 3;
const MAX_TEXT = 40;

/** Replies of the page's own server: one slash in front, no fragment, and nothing that a browser reads as another host. */
const PATH = /^\/(?!\/)[!"$-[\]-~]*$/;

/** The settings: what each is without a link, what it may be in words, and a text as its value; undefined if it is none. */
const SETTINGS = new Map([
  ["rate", { usual: 20, may: "1 to 50", value: (text) => (/^[1-9]\d?$/.test(text) && text <= 50 ? Number(text) : undefined) }],
  ["show", { usual: 60, may: "60, 180 or 600", value: (text) => (["60", "180", "600"].includes(text) ? Number(text) : undefined) }],
  [
    "path",
    {
      usual: "/proxy/items",
      may: `a path of this server of at most ${MAX_PATH} characters`,
      value: (text) => (text.length <= MAX_PATH && PATH.test(text) ? text : undefined),
    },
  ],
]);

/** {rate, in requests a second; show, in seconds of the timeline; path, of the requests} as they are without a link. */
export const USUAL = Object.fromEntries([...SETTINGS].map(([name, { usual }]) => [name, usual]));

/** The setting `name` as `text` says it: {value}, or {value: undefined, why} if it can't be that. */
export function judge(name, text) {
  const setting = SETTINGS.get(name);
  if (setting === undefined) return { value: undefined, why: `${clip(name)}: no setting` };
  const value = setting.value(text);
  return value === undefined ? { value, why: `${name} "${clip(text)}": not ${setting.may}` } : { value };
}

/** What the fragment `text`, without its #, has of the settings, all others as usual, and a sentence on what is passed over. */
export function read(text) {
  if (text.length > MAX_FRAGMENT) return { settings: USUAL, ignored: `The link is ignored: longer than ${MAX_FRAGMENT} characters.` };
  const settings = { ...USUAL };
  const over = [];
  for (const [name, part] of new URLSearchParams(text)) {
    const { value, why } = judge(name, part);
    if (value === undefined) over.push(why);
    else settings[name] = value;
  }
  const more = over.length > MAX_NAMED ? [`${over.length - MAX_NAMED} more`] : [];
  const ignored = over.length === 0 ? "" : `Of the link is ignored: ${[...over.slice(0, MAX_NAMED), ...more].join("; ")}.`;
  return { settings, ignored };
}

/** The fragment that has `settings`, without its #: what is not as usual. */
export function write(settings) {
  const parts = Object.entries(settings).filter(([name, value]) => value !== USUAL[name]);
  return new URLSearchParams(parts).toString().replaceAll("%2F", "/");
}

const clip = (text) => text.slice(0, MAX_TEXT);
