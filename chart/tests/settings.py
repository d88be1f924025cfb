"""The chart takes what the binaries take.

Each binary prints its settings with their bounds (`backend --settings`, JSON). What is checked:

- every variable that the chart sets is one that its binary reads;
- a knob whose value becomes that of a variable has the same default, bounds, words and unit. Where it has not, x-differs in the
  schema says why, and the knob's range lies within the binary's;
- a variable that the chart sets, or that has a knob, is refused in `env` with that knob's name, and every other setting is taken;
- pods rendered with a knob at either end of its range, and those of every values file, get settings that their binary accepts;
- a knob that takes a decimal takes it as a string (which is what --set makes of 2.5) within the same bounds;
- the route table's bounds in the schema are the binary's: at each end it is accepted, and one step outside refused;
- what the gateway refuses of a table's texts and of networks, the chart refuses too, and renders what is taken;
- a load's bounds are those of the client.

Which knob becomes which variable is found by trying, so that new knobs and new settings are checked without being named here.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations_with_replacement
from pathlib import Path

import yaml

import chart
from knobs import BARE, put, rendered

BINARIES = Path(os.environ.get("BINARIES", chart.CHART.parent / "target" / "debug"))
KINDS = ("backend", "frontend", "systems", "observer")
# What the kubelet puts where the manifest only names a source.
DOWNWARD = "pod-1"
# What a Secret holds that the chart does not make: a client's API key, or the key of a token.
CREDENTIAL = "client:" + 64 * "k"
# The one variable that no knob of services sets.
PASSWORD_AS_VARIABLE = {"store": {"enabled": True, "password": {"passAs": "env"}}, "services": {"jobs": {"kind": "systems", "useStore": True}}}
# Nor those of a database.
DATABASES = {
    "stores": {"users-db": {"type": "postgres"}, "products-db": {"type": "postgres", "password": {"passAs": "env"}}},
    "services": {name: {"kind": "systems", "role": name, "stores": [f"{name}-db"]} for name in ("users", "products")},
}
# Nor those of what gateways share.
SHARED = {
    "stores": {"one": {}, "two": {"password": {"passAs": "env"}}},
    "services": {"frontend": {"stores": ["one"]}, "other": {"kind": "frontend", "stores": ["two"]}},
}
# What the ends of a knob's name and the units of the binaries have in common.
UNITS = {
    "BytesPerSecond": "bytes per second",
    "MiBPerSecond": "MiB per second",
    "Seconds": "seconds",
    "Ms": "milliseconds",
    "Bytes": "bytes",
    "MiB": "MiB",
    "Percent": "percent",
}


def main():
    root = chart.schema()
    settings = {kind: {setting["name"]: setting for setting in printed(kind)} for kind in KINDS}
    bounds = table_bounds(root)
    with ThreadPoolExecutor() as pool:
        knobs = list(pool.map(lambda knob: tried(*knob, settings), service_knobs(root)))
        found = [problem for problems, _, _ in knobs for problem in problems]
        mapped = [entry for _, entries, _ in knobs for entry in entries]
        found += all_at_an_end(mapped, settings)
        tried_pods = [pod for _, _, trial in knobs for pod in trial] + pods(PASSWORD_AS_VARIABLE) + pods(DATABASES) + pods(SHARED)
        found += [problem for kind in KINDS for problem in own_variables(kind, settings[kind], mapped, tried_pods)]
        for check, tries in ((values_file, [(file, settings) for file in values_files()]), (table_bound, bounds), (table_text, table_texts()), (network, networks()), (pair, combinations_with_replacement(ROUTES, 2)), (load_knob, load_knobs(root))):
            found += [problem for problems in pool.map(lambda arguments, check=check: check(*arguments), tries) for problem in problems]
    found += [problem for path, node in chart.knobs(root, root) for problem in decimal_text(path, node)]
    found = list(dict.fromkeys(found))
    for problem in found:
        print(problem, file=sys.stderr)
    count = len({path for path, _, _ in mapped})
    print(f"{count} knobs are settings, {len(bounds)} bounds and {len(table_texts())} texts of the route table, {len(found)} problems")
    return 1 if found else 0


def printed(kind):
    result = subprocess.run([BINARIES / kind, "--settings"], capture_output=True, text=True, check=True, env={})
    return json.loads(result.stdout)


def service_knobs(root):
    return [(path, node) for path, node in chart.knobs(root["definitions"]["service"], root) if path not in {("env",), ("envFrom",)}]


def is_for(node, kind):
    return node.get("x-kind", kind) == kind


# Knobs


def tried(path, node, settings):
    """Returns what is wrong with a knob of services, (path, node, setting) for each kind of service whose variable it is, and its pods."""
    if "examples" not in node:
        return [], [], []
    name = ".".join(("defaults", *path))
    before = put(BARE, ("defaults",), node.get("x-needs", {}))
    after = put(before, ("defaults",), {**node.get("x-with", {}), f"/{name}": node["examples"][0]})
    old, new = pods(before), pods(after)
    problems = [f"{name}: {problem}" for pod in new for problem in pod.problems(settings[pod.kind])]
    mapped = []
    for kind in KINDS:
        setting = settings[kind].get(variable(node, kind, old, new))
        if setting and is_for(node, kind):
            problems += [f"{name} and {setting['name']}: {problem}" for problem in differences(path, node, setting)]
            mapped.append((path, node, setting))
    return problems, mapped, new


def variable(node, kind, old, new):
    """Returns the name of the one variable that has the knob's value where the knob has its example."""
    if "enum" not in node and {"number", "integer", "boolean"}.isdisjoint(types(node)):
        return None
    known = {item for pod in old if pod.kind == kind for item in pod.variables.items()}
    differing = {item for pod in new if pod.kind == kind for item in pod.variables.items()} - known
    names = {name for name, value in differing if same(value, node["examples"][0])}
    return names.pop() if len(names) == 1 else None


def all_at_an_end(mapped, settings):
    """Yields what the binaries refuse of pods that have all knobs at their least, and all at their most.

    One port stays as it is: the two must differ. The guards are left aside: what they refuse never gets to a binary.
    """
    for key in ("minimum", "maximum"):
        values = chart.with_value(BARE, ("guards",), "warn")
        for path, node, _ in mapped:
            if key in node and path != ("service", "metricsPort"):
                values = put(values, ("defaults",), node.get("x-needs", {}))
                values = chart.with_value(values, ("defaults", *path), node[key])
        for pod in pods(values):
            yield from (f"all knobs at their {key}: {problem}" for problem in pod.problems(settings[pod.kind]))


def own_variables(kind, settings, mapped, tried_pods):
    """Yields what is wrong with a service whose `env` has every setting of its binary: those of a knob are refused, each by its line."""
    knobs = {setting["name"]: ".".join(path) for path, node, setting in mapped if is_for(node, kind)}
    sets = {name for pod in tried_pods if pod.kind == kind for name in pod.variables}
    refused = refused_variables(kind, settings)
    for name in settings:
        if name in refused and refused[name] != knobs.get(name, refused[name]):
            yield f"env of {kind}: {name} is refused with {refused[name]}, and its knob is {knobs[name]}"
        if (name in refused) != (name in sets):
            yield f"env of {kind}: {name} is {'refused' if name in refused else 'taken'}, and the chart {'sets it' if name in sets else 'does not set it'}"
    if again := refused_variables(kind, settings.keys() - refused.keys()):
        yield f"env of {kind}: {', '.join(again)} are refused only without the others"


def refused_variables(kind, names):
    """Returns the knob that the chart names for each variable that it does not take in `env`."""
    try:
        chart.render({"services": {"backend": None, "frontend": None, "it": {"kind": kind, "upstream": {"url": "http://it"}, "env": dict.fromkeys(names, "1")}}, "ingress": {"enabled": False}})
    except chart.Refused as refusal:
        return dict(re.findall(r"services\.it\.env: (\w+) is what (.+?) makes", str(refusal)))
    return {}


def types(node):
    return [node["type"]] if isinstance(node.get("type"), str) else node.get("type", [])


def differences(path, node, setting):
    """Yields how a knob differs from the setting that gets its value."""
    reasoned = "x-differs" in node
    default = chart.value_at(chart.defaults(), ("defaults", *path))
    if "words" in setting:
        taken = {text(value) for value in node.get("enum", [True, False])}
        if not taken <= set(setting["words"]):
            yield f"the schema takes {', '.join(sorted(taken))}, the binary {', '.join(setting['words'])}"
        elif taken != set(setting["words"]) and not reasoned:
            yield f"the schema takes only {', '.join(sorted(taken))} of {', '.join(setting['words'])}, and has no x-differs"
    elif "least" in setting:
        least, most = node.get("minimum"), node.get("maximum")
        if least is None or most is None:
            yield f"the schema has no minimum or no maximum; the binary takes {setting['least']} to {setting['most']}"
        elif not setting["least"] <= least <= most <= setting["most"]:
            yield f"the schema takes {least} to {most}, the binary {setting['least']} to {setting['most']}"
        elif (least, most) != (setting["least"], setting["most"]) and not reasoned:
            yield f"the schema takes only {least} to {most} of {setting['least']} to {setting['most']}, and has no x-differs"
        unit = next((unit for end, unit in UNITS.items() if path[-1].endswith(end)), None)
        if unit != setting["unit"] and not reasoned:
            yield f"the knob's name says {unit}, the variable's {setting['unit']}"
    else:
        yield "the schema has bounds, the binary none"
    # null and false set no variable: the default is the binary's.
    if default not in (None, False) and not same(setting["default"], default) and not reasoned:
        yield f"values.yaml has {text(default)}, the binary's default is {setting['default']}"
    if default is None and not setting["default"] in ("", "0"):
        yield f"values.yaml has null, the binary's default is {setting['default']}"


def same(text_of_variable, value):
    try:
        return float(text_of_variable) == float(text(value))
    except ValueError:
        return text_of_variable == text(value)


def text(value):
    return value if isinstance(value, str) else json.dumps(value)


def decimal_text(path, node):
    """What --set makes of 2.5 is a string, for which JSON Schema has a pattern and no bounds."""
    if not {"string", "number"} <= set(types(node)):
        return
    least, most = node["minimum"], node["maximum"]
    for value in (0, least / 10, least * 0.9, least, least + 0.5, (least + most) / 2, most - 0.5, most, most + 0.5, most * 10):
        for written in {f"{value:.4f}", f"{value:.4f}".rstrip("0").rstrip(".")}:
            if bool(re.search(node["pattern"], written)) != (least <= float(written) <= most):
                yield f"{'.'.join(path)}: the pattern does not take the strings of {least} to {most}, as {written!r}: see definitions.timeout"
                return


# Pods


class Pod:
    """A container of a binary, with what a kubelet would make of its manifest: environment and files."""

    def __init__(self, container, spec, documents):
        self.container = container
        self.kind = kind_of(container)
        self.maps = {d["metadata"]["name"]: d.get("data", {}) for d in documents if d["kind"] == "ConfigMap"}
        self.volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        self.variables = {}
        for source in container.get("envFrom", []):
            self.variables |= self.maps.get(source.get("configMapRef", {}).get("name"), {})
        self.variables |= {variable["name"]: self.value(variable) for variable in container.get("env", [])}

    def value(self, variable):
        key = variable.get("valueFrom", {}).get("configMapKeyRef", {})
        return self.maps.get(key.get("name"), {}).get(key.get("key"), variable.get("value", DOWNWARD))

    def problems(self, settings, own=()):
        """Yields what the binary does not read or accept. Variables in `own` are the user's."""
        for name in self.variables:
            if name not in settings and name not in own:
                yield f"{self.container['name']}: the chart sets {name}, which {self.kind} does not read"
        with tempfile.TemporaryDirectory() as folder:
            places = {mount["mountPath"]: self.mounted(mount, Path(folder)) for mount in self.container.get("volumeMounts", [])}
            variables = {name: moved(value, places) for name, value in self.variables.items()}
            result = subprocess.run([BINARIES / self.kind, "--settings"], capture_output=True, text=True, env=variables)
        if result.returncode != 0:
            yield f"the binary refuses what the chart renders: {result.stderr.strip()}"

    def mounted(self, mount, folder):
        """Writes the files of a volume, and returns where."""
        place = folder / mount["name"]
        place.mkdir(exist_ok=True)
        volume = self.volumes.get(mount["name"], {})
        files = self.maps.get(volume.get("configMap", {}).get("name"), {})
        secret = volume.get("secret", {})
        files = files | {item["path"]: "secret" for item in secret.get("items", [])}
        if secret and "items" not in secret:
            files = dict.fromkeys(re.findall(r'"secret": "([^"]+)"', json.dumps(self.maps).replace("\\", "")), CREDENTIAL)
        for name, content in files.items():
            (place / name).write_text(content)
        return str(place)


def moved(value, places):
    for mount, place in places.items():
        if value.startswith(mount + "/") or value == mount:
            return place + value.removeprefix(mount)
    return value


def kind_of(container):
    repository = container["image"].rsplit("/", 1)[-1].split(":")[0].split("@")[0]
    return repository if repository in KINDS else None


def pods(values):
    return all_pods(rendered(json.dumps(values)))


def all_pods(documents):
    specs = [spec for document in documents if (spec := chart.pod_spec(document))]
    found = [Pod(container, spec, documents) for spec in specs for container in [*spec.get("initContainers", []), *spec["containers"]]]
    return [pod for pod in found if pod.kind]


# Values files


def values_files():
    return [None, *sorted(chart.VALUES.glob("*.yaml"))]


def values_file(file, settings):
    values = yaml.load(file.read_text(), yaml.CSafeLoader) if file else {}
    services = [values.get("defaults"), *values.get("services", {}).values()]
    own = {name for service in services if service for name in service.get("env", {})}
    found = [problem for pod in all_pods(chart.render({}, [file] if file else [])) for problem in pod.problems(settings[pod.kind], own)]
    return [f"{file.name if file else 'values.yaml'}: {problem}" for problem in found]


# Route table

# A table with all that has a bound, its tries as short and its requests as long as they can be.
UPSTREAM = {"url": "http://127.0.0.1:1"}
ROUTE = {
    "path": "/shop",
    "split": [{"upstream": "shop", "weight": 1}, {"upstream": "shop", "weight": 1}],
    "pins": [{"header": "x-pin", "value": "1", "upstream": "shop"}],
    "auth": {"jwt": {"secret": "key", "algorithm": "HS256"}},
    "rateLimit": {"requests": 1, "periodSeconds": 1},
    "cors": {"origins": ["https://shop.example"]},
    "fallback": {"status": 503, "contentType": "text/plain", "body": "later"},
}
# The same of one whose reply is put together, which leaves out what leads to one upstream.
AGGREGATE = {"path": "/shop", "aggregate": {"a": {"upstream": "shop"}}}
# What the entries of a list look like, by its name; those of all others are names of headers.
ENTRIES = {
    "hosts": lambda number: f"h{number}.example",
    "methods": lambda number: "M" * (number + 1),
    "origins": lambda number: f"https://h{number}.example",
    "split": lambda number: {"upstream": "shop", "weight": 1},
    "pins": lambda number: {"header": f"x-h{number}", "value": "1", "upstream": "shop"},
}


def table_bounds(root):
    """Lists (place, path, value, whether it is accepted) for every number, list and map of the route table that has a bound."""
    properties = root["definitions"]["service"]["properties"]["routeTable"]["properties"]
    bounds = []
    for place, node in (("upstream", properties["upstreams"]["additionalProperties"]), ("route", properties["routes"]["items"])):
        for path, leaf in leaves(node, root):
            if "maxItems" in leaf or "maxProperties" in leaf:
                most = leaf.get("maxItems", leaf.get("maxProperties"))
                if "enum" not in leaf.get("items", {}):
                    bounds += [(place, path, entries(path[-1], leaf, most), True), (place, path, entries(path[-1], leaf, most + 1), False)]
                continue
            step = 1 if leaf["type"] == "integer" else 0.001
            for key, away in (("minimum", -step), ("maximum", step)):
                if key in leaf:
                    bounds += [(place, path, leaf[key], True), (place, path, round(leaf[key] + away, 6), False)]
    return bounds


def entries(key, node, count):
    made = [ENTRIES.get(key, lambda number: f"x-h{number}")(number) for number in range(count)]
    return made if "maxItems" in node else dict.fromkeys(made, {"upstream": "shop"} if key == "aggregate" else "1")


def leaves(node, root, path=()):
    node = chart.resolve(node, root)
    if "maxItems" in node or ("maxProperties" in node and "properties" not in node):
        yield path, node
    for key, child in node.get("properties", {}).items():
        yield from leaves(child, root, (*path, key))
    if "items" in node:
        yield from leaves(node["items"], root, (*path, 0))
    if "minimum" in node or "maximum" in node:
        yield path, node


def table_bound(place, path, value, accepted):
    name = f"routeTable, {place}: {'.'.join(map(str, path))}"
    try:
        mistake = in_gateway(*table_with(place, path, value))
    except KeyError as missing:
        return [f"{name}: the table in chart/tests/settings.py has no {missing} to try it with"]
    if bool(mistake) != accepted:
        return []
    if accepted:
        return [f"{name}: the schema takes {shown(value)}, the binary does not: {mistake}"]
    return [f"{name}: the schema does not take {shown(value)}, the binary does"]


def table_with(place, path, value):
    """Returns an upstream and a route, all else of which is taken."""
    base = AGGREGATE if place == "aggregate" or path[0] == "aggregate" else ROUTE
    upstream, route = json.loads(json.dumps(UPSTREAM)), json.loads(json.dumps(base))
    changed = upstream if place == "upstream" else route
    if path == ("tryTimeoutSeconds",):
        changed["timeoutSeconds"] = max(value, 1)
    if path == ("timeoutSeconds",):
        changed["tryTimeoutSeconds"] = min(max(value, 0.01), 1)
    for step in path[:-1]:
        changed = changed[step]
    changed[path[-1]] = value
    return upstream, route


def in_gateway(upstream, *routes):
    """Returns what the gateway says against a table, nothing where it takes it."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "key").write_text(CREDENTIAL)
        table = Path(folder) / "routes.json"
        table.write_text(json.dumps({"upstreams": {"shop": upstream}, "routes": routes}))
        variables = {"ROUTES_FILE": str(table), "CREDENTIALS_DIR": folder}
        result = subprocess.run([BINARIES / "frontend", "--settings"], capture_output=True, text=True, env=variables)
    return result.stderr.strip() if result.returncode else ""


# What the gateway takes, and what it refuses, by the place of a text in the table.
TEXTS = {
    ("upstream", "url"): (
        ["http://it", "http://it:8000", "http://[::1]:80", "http://[fd00::1]", "http://10.0.0.1:1"],
        ["", "it:8000", "https://it", "http://", "http://it/a", "http://it?x", "http://u@it", "http://it:0", "http://it:99999", "http://it:x", "http://it:", "http://[x]", "http://[:::]", "http://it#f", "http://a b"],
    ),
    ("route", "hosts"): (
        [["a", "shop.example", "shop.example.", "a.b-c_d", "10.0.0.1", "[::1]", "[fd00::1:2]"]],
        [[bad] for bad in ("", ".", ".a", "a..b", "a.b..", "a:80", "::1", "[x]", "[:::]", "[:::::]", "[1::2::3]", "[::1", "a/b", "a b", "*.a", "\u00e9")],
    ),
    ("route", "path"): (
        ["/", "/shop/cart", "/caf%C3%A9", "/%f0%9F%98%80", "/%E0%A0%80%ED%9F%BF%EF%BF%BF", "/a|b[c]\"", "/a%20b%25", "/...", "/a.b/.c/..d", "/%61"],
        ["", "shop", "*", "/.", "/..", "/a/../b", "/./a", "/%2e%2e/a", "/.%2E", "//", "/a//b", "/a\\b", "/%2F", "/%5c", "/%00", "/%7f", "/%zz", "/%2", "/%E9", "/%C0%AF", "/%ED%A0%80", "/%F4%90%80%80", "/%80", "/\u00e9", "/a b", "/a?b", "/a#b", "/a{b}", "/a;b", "/%3Ba", "/%40a", "/a%3Fb", "/a%23"],
    ),
    ("route", "rewrite"): (["/", "/api/items", "/a;v=1/%40b"], ["", "api", "/..;a/b", "/;x/b", "/a//b", "/a?b", "/%2f", "/%E9", "/a{b}"]),
    ("route", "methods"): ([["GET", "PURGE"]], [[""], ["get"], ["G T"], ["GET,POST"], ["M-SEARCH"]]),
    ("route", "pins", 0, "header"): (["x-pin"], ["", "a b", "x:y", "host", "Content-Length", "X-Auth-Client", "x_auth_client"]),
    ("route", "pins", 0, "value"): (["", "a b", "\u00e9"], ["a\nb", "\x7f"]),
    ("route", "requestHeaders"): ([{"x-a": "1"}], [{"connection": "close"}, {"a b": "1"}, {"": "1"}, {"x-a": "\x00"}, {"x-a": "1", "X-A": "2"}]),
    ("route", "responseHeaders"): (
        [{"x-a": ""}, {"Deprecation": "@1767225600", "Sunset": "Fri, 01 Jan 2027 00:00:00 GMT"}],
        [{"upgrade": "x"}, {"x-a": "a\tb\n"}, {"x-a": "1", "X-A": "2"}, {"deprecation": "soon"}, {"Sunset": "tomorrow"}, {"sunset": "Mon, 01 Jan 2027 00:00:00 GMT"}, {"sunset": "Fri, 32 Jan 2027 00:00:00 GMT"}, {"deprecation": "@1898761600", "sunset": "Fri, 01 Jan 2027 00:00:00 GMT"}],
    ),
    ("route", "rateLimit", "byHeader"): (["x-a", "_"], ["", "a b", "X-Auth-Client", "x_auth_client"]),
    ("route", "rateLimit"): ([{"requests": 1, "periodSeconds": 1, "byClient": True}], [{"requests": 1, "periodSeconds": 1, "global": True}, {"requests": 1, "periodSeconds": 1, "byClient": True, "byHeader": "x-a"}]),
    ("route", "cors", "origins"): ([["https://a.example:8443", "http://[::1]:80"], ["*"]], [[], [""], ["a.example"], ["https://"], ["https://a/b"], ["*", "https://a"]]),
    ("route", "cors"): ([{"origins": ["https://a"], "credentials": True}], [{"origins": ["*"], "credentials": True}]),
    ("route", "cors", "headers"): ([["content-type"]], [["a b"], [""]]),
    ("route", "cors", "exposeHeaders"): ([["x-a"]], [["a:b"]]),
    ("route", "cors", "methods"): ([["PUT"]], [["put"]]),
    ("route", "fallback", "contentType"): (["text/plain", "text/\u00e9"], ["a\nb"]),
    ("route", "auth"): (
        [{"apiKey": {"secret": "key", "header": "x-key"}}],
        [{}, {"apiKey": {"secret": "key", "header": "host"}}, {"apiKey": {"secret": "../key"}}, {"apiKey": {"secret": ""}}, {"jwt": {"secret": "key", "algorithm": "HS256", "issuer": ""}}],
    ),
    ("route", "split"): ([[{"upstream": "shop", "weight": 0}, {"upstream": "shop", "weight": 1}]], [[], [{"upstream": "shop", "weight": 0}]]),
    ("route", "upstream"): ([], ["shop"]),
    ("route", "aggregate"): (
        [{"a-B_9": {"upstream": "shop"}, 63 * "b": {"upstream": "shop", "rewrite": "/api/items;v=1", "required": True}}],
        [{name: {"upstream": "shop"}} for name in ("", "a b", "errors", 64 * "b", '"', "\u00e9")] + [{"a": part} for part in ({}, {"upstream": "nobody"}, {"upstream": "shop", "methods": ["GET"]})],
    ),
    ("route", "aggregate", "a", "rewrite"): (["/", "/api/items", "/a;v=1/%40b"], ["", "api", "/..;a/b", "/a//b", "/a?b", "/%2f", "/a{b}"]),
    ("aggregate", "methods"): ([["GET"], []], [["POST"], ["HEAD"], ["GET", "POST"]]),
    ("aggregate", "upstream"): ([], ["shop"]),
    ("aggregate", "rewrite"): ([], ["/api"]),
    ("aggregate", "split"): ([[]], [[{"upstream": "shop", "weight": 1}]]),
    ("aggregate", "pins"): ([[]], [[{"header": "x-pin", "value": "1", "upstream": "shop"}]]),
    ("aggregate", "upgrades"): ([[]], [["websocket"]]),
    ("aggregate", "timeoutSeconds"): ([5], []),
    ("route", "tryTimeoutSeconds"): ([5], []),
    ("route", "timeoutSeconds"): ([5], []),
}


def table_texts():
    return [(place, path, value, taken) for (place, *path), (good, bad) in TEXTS.items() for taken, values in ((True, good), (False, bad)) for value in values]


def table_text(place, path, value, taken):
    upstream, route = table_with(place, tuple(path), value)
    mistake = in_gateway(upstream, route)
    rendered = is_rendered({"routeTable": {"credentials": "keys", "upstreams": {"shop": upstream}, "routes": [route]}})
    if bool(mistake) != taken and rendered == taken:
        return []
    return [f"routeTable, {place}: {'.'.join(map(str, path))} {value!r}: the chart {'renders' if rendered else 'refuses'} it, the gateway {f'says {mistake}' if mistake else 'takes it'}"]


# Routes that take some of the same requests, by pairs: a table is refused where neither is more specific.
ROUTES = (
    *({}, {"exact": True}, {"methods": ["GET"]}, {"methods": ["PUT", "GET"]}, {"hosts": ["b"]}, {"hosts": ["B.", "c"]}),
    *({"path": "/a/"}, {"path": "/a/", "exact": True}, {"path": "/"}, {"hosts": ["b"], "methods": ["GET"]}, {"aggregate": {"a": {"upstream": "shop"}}}),
)


def pair(one, other):
    routes = [{"path": "/a", **({} if "aggregate" in route else {"upstream": "shop"}), **route} for route in (one, other)]
    mistake = in_gateway(UPSTREAM, *routes)
    if bool(mistake) != is_rendered({"routeTable": {"upstreams": {"shop": UPSTREAM}, "routes": routes}}):
        return []
    return [f"routeTable, routes {one} and {other}: the gateway {f'says {mistake}' if mistake else 'takes them'}, the chart differs"]


def is_rendered(frontend):
    try:
        chart.render({"services": {"frontend": frontend}})
    except chart.Refused:
        return False
    return True


def shown(value):
    return f"{len(value)} entries" if isinstance(value, (list, dict)) else value


# Trusted proxies

NETWORKS = (
    *("10.0.0.0/8", "10.244.0.1/16", "192.0.2.7", "0.0.0.0/0", "255.255.255.255/32"),
    *("fd00::/8", "fd00::1/64", "::1", "::/0", "fd00::/128", "::ffff:10.0.0.1/104"),
    *("10.0.0.0/33", "256.0.0.0/8", "010.0.0.0/8", "10.0.0/8", "10.0.0.0/", "10.0.0.0/+8"),
    *(":::::", ":::", ":", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8", "12345::", "g::", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3", "1.2.3.4::"),
    *("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::8", "1:2::4:5:6:1.2.3.4", "::/128", "1:2:3:4:5::1.2.3.4"),
    *("fd00::/129", "fd00/8", "[fd00::]/8", "fe80::1%eth0", "ingress", "10.0.0.0/8,fd00::/8,"),
)


def networks():
    return [(written,) for written in NETWORKS]


def network(written):
    result = subprocess.run([BINARIES / "frontend", "--settings"], capture_output=True, text=True, env={"TRUSTED_PROXIES": written})
    rendered = is_rendered({"trustedProxies": [written]})
    if (result.returncode == 0) == rendered:
        return []
    return [f"trustedProxies: the chart {'renders' if rendered else 'refuses'} {written}, the binary differs: {result.stderr.strip()}"]


# Load


def load_knobs(root):
    return [(path, node) for path, node in chart.knobs(root, root) if path[0] == "load" and not {"number", "integer"}.isdisjoint(types(node))]


def load_knob(path, node):
    """Tries the client's bounds: with --help after them, its arguments are read and nothing is sent."""
    name, example = ".".join(path), text(node["examples"][0])
    before = put(BARE, (), node.get("x-needs", {}))
    old, new = load_arguments(before), load_arguments(put(before, (), {f"/{name}": node["examples"][0]}))
    places = [place for place, argument in enumerate(new) if argument != old[place]]
    if len(places) != 1 or not new[places[0]].startswith(example):
        return [f"{name}: no argument of the client has its value"]
    unit = new[places[0]].removeprefix(example)
    step = 1 if node["type"] == "integer" else 0.001
    problems = []
    for value, accepted in ((node["minimum"], True), (node["maximum"], True), (node["minimum"] - step, False), (node["maximum"] + step, False)):
        arguments = [*new[: places[0]], f"{round(value, 6)}{unit}", *new[places[0] + 1 :]]
        result = subprocess.run([BINARIES / "client", *arguments, "--help"], capture_output=True, text=True)
        if (result.returncode == 0) != accepted:
            takes = "takes" if accepted else "does not take"
            problems.append(f"{name}: the schema {takes} {value}, the client differs: {result.stderr.strip()}")
    return problems


def load_arguments(values):
    jobs = [document for document in rendered(json.dumps(values)) if document["kind"] == "Job"]
    return chart.pod_spec(jobs[0])["containers"][0]["args"]


if __name__ == "__main__":
    sys.exit(main())
