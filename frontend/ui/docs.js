// Each operation of /openapi.json as a form that sends it, and shows what came back.

const make = (tag, properties, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

const line = (name, text) => make("p", {}, make("code", {}, name), " ", text ?? "");
const asked = (name, text, ...field) => make("p", {}, make("label", {}, make("code", {}, name), " ", text ?? "", ...field));

const header = () => {
  const [, name, value] = document.getElementById("header").value.match(/^([^:\s]+):\s*(.*)$/) ?? [];
  return name ? { [name]: value } : {};
};

const send = async (method, path, inputs, body, type) => {
  const query = new URLSearchParams();
  for (const { name, place, field } of inputs) {
    if (place === "path") path = path.replace(`{${name}}`, encodeURIComponent(field.value));
    else if (field.value) query.set(name, field.value);
  }
  const target = query.size ? `${path}?${query}` : path;
  const reply = await fetch(target, { method, headers: { ...header(), ...(body && { "content-type": type }) }, body: body?.value });
  return `${reply.status} ${reply.statusText} ${target}\n${await reply.text()}`;
};

const reply = await fetch("/openapi.json");
const description = await reply.json();
// What is described in one place and referred to from others.
const resolve = (value) => value.$ref ? value.$ref.slice(2).split("/").reduce((at, key) => at?.[key], description) ?? {} : value;

const operation = (path, name, { summary, parameters = [], requestBody, responses }) => {
  const method = name.toUpperCase();
  const inputs = parameters.map(resolve).map(({ name, in: place, required, description }) =>
    ({ name, place, description, field: make("input", { name, required, autocomplete: "off" }) }));
  const sent = resolve(requestBody ?? {});
  const type = Object.keys(sent.content ?? {})[0];
  const body = type && make("textarea", { name: "body", cols: 60, rows: 3 });
  const shown = make("pre", {});
  const form = make("form", { id: `${method} ${path}` }, make("h2", {}, make("code", {}, `${method} ${path}`)), make("p", {}, summary ?? ""));
  for (const { name, description, field } of inputs) form.append(asked(name, description, " ", field));
  if (body) form.append(asked(type, sent.description, make("br", {}), body));
  for (const [status, response] of Object.entries(responses)) form.append(line(status, resolve(response).description));
  form.append(make("button", {}, "Send"), shown);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    shown.textContent = "…";
    shown.textContent = await send(method, path, inputs, body, type).catch(String);
  });
  return form;
};

for (const [path, operations] of Object.entries(description.paths).sort()) {
  for (const [name, described] of Object.entries(operations)) {
    // HEAD is GET without a body.
    if (name !== "head") document.querySelector("main").append(operation(path, name, described));
  }
}
