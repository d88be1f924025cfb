// One request through the gateway, and what became of it. Whatever comes back is bounded and judged here.

/** A request is given up after this many ms. The gateway's own limit is 5 s, so its 504 normally comes first. */
export const TIMEOUT_MS = 10_000;
/** Longest body read, in bytes. */
const MAX_BODY = 64 * 1024;
/** Longest text taken from a reply. */
const MAX_TEXT = 253;

/**
 * Sends one request and never repeats it. Resolves, and never rejects, to
 * {kind: "answered", hops, seconds} | {kind: "shed", text, hops, retryAfterMs} | {kind: "failed", text, hops}.
 * `hops` is who signed the reply, the farthest first; an answer has at least one. `seconds` is how long a fault lasts that it began.
 */
export async function request(path, method = "GET") {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(path, { method, cache: "no-store", redirect: "error", signal });
    return judge(response, await readBody(response));
  } catch (error) {
    return { kind: "failed", hops: [], text: reason(error) };
  }
}

function judge(response, body) {
  const hops = parseServedBy(response.headers.get("x-served-by"));
  const json = parseJson(body);
  if (response.status === 429) {
    return { kind: "shed", hops, text: problemText(response, json), retryAfterMs: retryAfter(response) };
  }
  if (!response.ok) return { kind: "failed", hops, text: problemText(response, json) };
  const origin = json?.served_by;
  if (hops.length === 0 || typeof origin?.pod !== "string") {
    return { kind: "failed", hops, text: `${response.status}, but no pod signed the reply` };
  }
  // The header has neither; the body has them for the pod that made the reply.
  hops[0].node = clip(origin.node);
  hops[0].takesFaults = Array.isArray(origin.faults) && origin.faults.includes("on-request");
  return { kind: "answered", hops, seconds: Math.min(Number(json.fault?.seconds) || 0, 60) };
}

/** "backend/v1/pod-a, frontend/v1/pod-b" to hops. What is not of that form is left out. */
export function parseServedBy(header) {
  const hops = [];
  for (const entry of (header ?? "").slice(0, 1024).split(",").slice(0, 4)) {
    const [service, version, pod, ...rest] = entry.trim().split("/");
    if (service && version && pod && rest.length === 0) hops.push({ service: clip(service), version: clip(version), pod: clip(pod), node: "" });
  }
  return hops;
}

/** RFC 9457: title and detail of a problem, or else the status alone. */
function problemText(response, json) {
  const status = clip(`${response.status} ${response.statusText}`.trim());
  const title = clip(json?.title);
  const detail = clip(json?.detail);
  const name = title === "" || status.includes(title) ? status : `${status}, ${title}`;
  return detail === "" ? name : `${name}: ${detail}`;
}

function retryAfter(response) {
  const seconds = Number(response.headers.get("retry-after"));
  return seconds > 0 ? seconds * 1000 : undefined;
}

async function readBody(response) {
  const reader = response.body?.getReader();
  if (reader === undefined) return "";
  const decoder = new TextDecoder();
  let text = "";
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    length += value.length;
    if (length > MAX_BODY) {
      await reader.cancel();
      return "";
    }
    text += decoder.decode(value, { stream: true });
  }
}

function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function clip(value) {
  return typeof value === "string" ? value.slice(0, MAX_TEXT) : "";
}

function reason(error) {
  if (error?.name === "TimeoutError") return `no reply within ${TIMEOUT_MS / 1000} s`;
  return "no reply: connection refused, reset or cut off (a browser does not say which)";
}
