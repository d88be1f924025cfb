//! The dashboard page, looked at in real Chromium: it sends to the real gateway, which sends to real backends.

mod picture;
mod pods;
mod saved;

use std::time::Duration;

use pods::{Cluster, Pod, Service};
use serde_json::{Value, json};
use testing::browser::Browser;

/// `WebDriver`'s codes of keys without a character: <https://www.w3.org/TR/webdriver2/#keyboard-actions>
const TAB: &str = "\u{E004}";
const HOME: &str = "\u{E011}";
const RIGHT: &str = "\u{E014}";
const BACKSPACE: &str = "\u{E003}";
const ENTER: &str = "\u{E007}";

#[test]
fn a_rollout_is_told_version_by_version_and_loses_nothing() {
    let old = [Pod::backend("v1", "rollout-old-a"), Pod::backend("v1", "rollout-old-b")];
    let service = Service::start();
    service.set_endpoints(&[&old[0], &old[1]]);
    let gateway = Pod::frontend(service.address, "rollout-gateway");
    let page = open(&gateway, "rollout");

    page.wait("both old pods", &answers_of(&["rollout-old-a", "rollout-old-b"]));
    assert_eq!(page.text("mix-text"), "v1 100 %");
    let before = page.figure("answered");
    page.wait("more answers", &format!("{ANSWERED} > {before}"));

    let new = [Pod::backend("v2", "rollout-new-a"), Pod::backend("v2", "rollout-new-b")];
    service.set_endpoints(&[&old[0], &old[1], &new[0], &new[1]]);
    page.wait("both new pods", &answers_of(&["rollout-new-a", "rollout-new-b"]));
    page.wait("four pods in the last 30 s", "document.getElementById('pods').textContent === '4 pods'");
    assert_versions_look_different(&page);

    service.set_endpoints(&[&new[0], &new[1]]);
    for pod in old {
        let status = pod.terminate();
        assert!(status.success(), "an old pod ended with {status}");
    }
    let rolled = page.figure("answered");
    page.wait("answers after the rollout", &format!("{ANSWERED} > {rolled} + 20"));

    assert_eq!(page.figure("failed"), 0, "{}", page.text("log"));
    let node = page.run("return document.querySelector('[data-pod=rollout-new-a] .node').textContent;");
    assert_eq!(node, "on node-of-the-test");
    let through =
        page.run("return document.querySelectorAll('[data-service=frontend][data-pod=rollout-gateway]').length;");
    assert_eq!(through, 1);
    assert_clean(&page, &gateway);
}

#[test]
fn an_outage_is_unmistakable_and_its_end_is_told() {
    let backend = Pod::backend("v1", "outage-first");
    let port = backend.address.port();
    let gateway = Pod::frontend(backend.address, "outage-gateway");
    let page = open(&gateway, "outage");
    page.wait("answers", &format!("{ANSWERED} > 5"));
    assert_eq!(page.figure("failed"), 0);
    assert_eq!(page.run(&format!("return {RED};")), 0, "nothing failed, but the timeline is red");
    page.run(WATCH_LAYOUT);
    let seen = page.text("cluster");
    assert_eq!(seen, "Who answers is all that is seen here: there is no observer of the cluster.");

    drop(backend);
    page.wait("failures", &format!("{FAILED} > 5"));
    page.wait("the banner", "document.getElementById('notice').dataset.state === 'down'");
    let notice = page.text("notice-text");
    // 502 while the gateway finds out, 503 as long as it does not ask.
    let last = ["502", "503"].iter().any(|status| notice.contains(status));
    assert!(notice.contains("Nothing answered for") && last, "{notice}");
    page.wait("red columns on the timeline", &format!("{RED} > 0"));
    page.wait("the title", "document.title.includes('failed')");
    page.wait("a line in the log", "/50[23]/.test(document.querySelector('#log .failure')?.textContent)");
    assert_eq!(page.text("mix-text"), "no answer");
    assert_eq!(page.text("pods"), "0 pods");
    assert_eq!(page.run("return document.getElementById('mix').children.length;"), 0, "the bar is not empty");
    let colour = page.run("return getComputedStyle(document.getElementById('failed-part')).backgroundColor;");
    assert_eq!(colour, "rgb(196, 13, 46)", "the count of failures is not red");

    assert_eq!(page.run("return window.shifts;"), json!([]), "things moved on the page");

    let _backend = Pod::backend_on(port, "v2", "outage-second");
    page.wait("an answer", &answers_of(&["outage-second"]));
    page.wait("the end of the banner", "document.getElementById('notice').dataset.state === 'failing'");
    assert!(page.text("log").contains("Answered again."), "{}", page.text("log"));
    // What answered before the outage tells nothing of what does now.
    assert_eq!(page.text("mix-text"), "v2 100 %");
    assert_eq!(page.text("pods"), "1 pod");
    let failed = page.figure("failed");
    let answered = page.figure("answered");
    page.wait("steady answers", &format!("{ANSWERED} > {answered} + 20"));
    assert_eq!(page.figure("failed"), failed, "{}", page.text("log"));
    assert_clean(&page, &gateway);
}

#[test]
fn a_gateway_that_is_gone_is_a_failure_too() {
    let backend = Pod::backend("v1", "gone-backend");
    let gateway = Pod::frontend(backend.address, "gone-gateway");
    let page = open(&gateway, "gone");
    page.wait("answers", &format!("{ANSWERED} > 5"));
    drop(gateway);
    page.wait("failures", &format!("{FAILED} > 5"));
    page.wait("the banner", "document.getElementById('notice-text').textContent.includes('no reply')");
}

#[test]
fn a_suspended_browser_is_a_gap_and_not_a_failure() {
    let backend = Pod::backend("v1", "suspended-backend");
    let gateway = Pod::frontend(backend.address, "suspended-gateway");
    let page = open(&gateway, "suspended");
    page.wait("answers", &format!("{ANSWERED} > 5"));
    page.suspend(Duration::from_secs(4));
    page.wait("the gap", "document.getElementById('log').textContent.includes('The browser was suspended')");
    let answered = page.figure("answered");
    page.wait("more answers", &format!("{ANSWERED} > {answered} + 20"));
    assert_eq!(page.figure("failed"), 0, "{}", page.text("log"));
    // At 20 a second, the turns of 4 s are 80: made up for at once, five would be sent and the others counted as not.
    let unsent = page
        .run("return Number(/(\\d+) not sent/.exec(document.getElementById('notice-text').textContent)?.[1] ?? 0);");
    assert!(unsent.as_u64() < Some(40), "{}", page.text("notice-text"));
    assert_clean(&page, &gateway);
}

#[test]
fn the_controls_work_by_keyboard() {
    let backend = Pod::backend("v1", "controls-backend");
    let gateway = Pod::frontend(backend.address, "controls-gateway");
    let page = Browser::open("controls", &format!("http://{}/", gateway.address));
    let focused = || page.run("return document.activeElement.id;");
    page.wait("answers", &format!("{ANSWERED} > 2"));
    assert_eq!(page.run("return document.getElementById('faults').hidden;"), true, "faults that nobody takes");

    page.press(&TAB.repeat(2));
    assert_eq!(focused(), "rate");
    page.press(RIGHT);
    assert_eq!(page.text("rate-value"), "21/s");
    page.press(HOME);
    assert_eq!(page.text("rate-value"), "1/s");
    page.press(&TAB.repeat(2));
    assert_eq!(focused(), "path");
    page.press(&TAB.repeat(4));
    assert_eq!(focused(), "overview");
    page.press(HOME);
    page.wait("a readout", "/: 0 sent, 0 failed$/.test(document.getElementById('readout').textContent)");

    page.click("toggle");
    page.wait("the stop", "document.getElementById('notice').dataset.state === 'stopped'");
    page.click("clear");
    assert_eq!(page.figure("answered"), 0);
    page.click("burn");
    // A burn takes half a second: had the traffic gone on at one a second, the second burn could not end before it.
    page.wait("burns", "/^on: [2-9]/.test(document.getElementById('burn-ledger').textContent)");
    page.click("burn");
    assert_eq!(page.figure("answered"), 0, "a stopped page sent requests");
    page.click("toggle");
    page.wait("answers after the start", &format!("{ANSWERED} > 1"));
    assert_eq!(page.figure("failed"), 0, "{}", page.text("log"));
    assert_clean(&page, &gateway);
}

#[test]
fn a_fault_is_one_pods_and_is_told_also_where_it_cannot_be_ended() {
    let pods = [Pod::taking_faults("faults-a"), Pod::taking_faults("faults-b")];
    let service = Service::start();
    service.set_endpoints(&[&pods[0]]);
    let gateway = Pod::frontend(service.address, "faults-gateway");
    let page = open(&gateway, "faults");
    let press = |name: &str| page.run(&format!("document.querySelector('#faults [value={name}]').click();"));
    let logged = |text: &str| {
        page.wait(text, &format!("document.getElementById('log').textContent.includes({text:?})"));
    };
    let silent = |pod: &str| {
        let last = format!("document.querySelector('[data-pod={pod}] .last').textContent");
        page.wait(&format!("{pod} to be asked no more"), &format!("/^[3-9] s ago$/.test({last})"));
    };
    page.wait("the buttons", "!document.getElementById('faults').hidden");
    assert!(page.text("faults-begun").contains("none; a button is for one pod"), "{}", page.text("faults-begun"));

    press("not-ready");
    logged("Fail readiness: faults-a.");
    page.wait("how long", "/: Fail readiness, faults-a, for [1-5]\\d s at most$/.test(document.getElementById('faults-begun').textContent)");
    assert_eq!((pods[0].status("/ready"), pods[0].status("/health"), pods[1].status("/ready")), (503, 200, 200));
    assert_fits(&page);

    // As a cluster does: who is not ready is out of the endpoints, and what would end its fault gets to others.
    service.set_endpoints(&[&pods[1]]);
    page.wait("the other pod", &answers_of(&["faults-b"]));
    silent("faults-a");
    press("none");
    logged("Back to normal: faults-b.");
    logged("Not reached: Fail readiness, faults-a, for ");
    assert_eq!(pods[0].status("/ready"), 503);

    service.set_endpoints(&[&pods[0]]);
    silent("faults-b");
    press("none");
    logged("Back to normal: faults-a.");
    assert_eq!(pods[0].status("/ready"), 200);

    press("not-live");
    logged("Fail liveness: faults-a.");
    assert_eq!((pods[0].status("/ready"), pods[0].status("/health")), (200, 503));
    // In place of the other one.
    press("slow");
    logged("Slow answers: faults-a.");
    assert_eq!(pods[0].status("/health"), 200);
    page.wait("answers 1 s later", "/p99 [1-9]\\.\\d s/.test(document.getElementById('latency').textContent)");
    assert_eq!(page.figure("failed"), 0, "{}", page.text("log"));

    // The pod is gone, and with it who would take the request.
    service.set_endpoints(&[]);
    drop(pods);
    page.wait("failures", &format!("{FAILED} > 0"));
    press("not-ready");
    logged("Fail readiness: 50");
    assert_clean(&page, &gateway);
}

#[test]
fn the_address_is_a_link_to_the_settings_and_a_strange_one_changes_nothing_but_a_line_in_the_log() {
    let backend = Pod::backend("v1", "link-backend");
    let gateway = Pod::frontend(backend.address, "link-gateway");
    let page = Browser::open("link", &format!("http://{}/#rate=7&show=180&path=/proxy/items/0", gateway.address));
    let settings = || {
        let value = |id: &str| page.run(&format!("return document.getElementById('{id}').value;"));
        json!([value("rate"), value("span"), value("path"), page.run("return location.hash;")])
    };
    assert_eq!(settings(), json!(["7", "180", "/proxy/items/0", "#rate=7&show=180&path=/proxy/items/0"]));
    assert_eq!(page.text("rate-value"), "7/s");
    page.wait("the replies of that path", &format!("{FAILED} > 5 && {ANSWERED} === 0"));

    // What is set is in the address, and what is as usual is not.
    page.run("document.getElementById('path').focus();");
    page.press(&format!("{BACKSPACE}1{ENTER}"));
    page.wait("the path", "location.hash === '#rate=7&show=180&path=/proxy/items/1'");
    page.wait("answers", &format!("{ANSWERED} > 5"));
    page.run("const rate = document.getElementById('rate'); rate.value = 20; rate.dispatchEvent(new Event('input'));");
    page.wait("the rate", "location.hash === '#show=180&path=/proxy/items/1'");
    page.run(
        "document.getElementById('path').value = '//other.example/';
              document.getElementById('path').dispatchEvent(new Event('change'));",
    );
    assert!(page.text("log").contains("It stays /proxy/items/1."), "{}", page.text("log"));

    let usual = json!(["20", "60", "/proxy/items", ""]);
    for (link, said) in [
        (
            "rate=51&show=61&path=//other.example/&colour=red",
            "rate \"51\": not 1 to 50; show \"61\": not 60, 180 or 600; path \"//other.example/\": not a path of this server of at most 200 characters; 1 more.",
        ),
        ("path=http:%2F%2Fother.example/", "path \"http://other.example/\": not a path"),
        ("path=/%5Cother.example/", "path \"/\\other.example/\": not a path"),
        ("path=/%0A/other.example/", "not a path"),
        ("rate=1e1&__proto__=7", "rate \"1e1\": not 1 to 50; __proto__: no setting."),
        ("colour=%3Cimg%20src=x%20onerror=alert(1)%3E", "Of the link is ignored: colour: no setting."),
        (&*format!("path=/{}", "x".repeat(800)), "The link is ignored: longer than 800 characters."),
    ] {
        // Clearing writes the page, and with it the address, before the browser has told of the new one.
        page.run(&format!("location.hash = {link:?}; document.getElementById('clear').click();"));
        page.wait("a word of it", &format!("document.getElementById('log').textContent.includes({said:?})"));
        page.wait("the address", "location.hash === ''");
        assert_eq!(settings(), usual, "{link}");
    }
    page.run("location.hash = 'rate=7'; document.getElementById('clear').click();");
    page.wait(
        "the rate that was typed",
        "location.hash === '#rate=7' && document.getElementById('rate').value === '7'",
    );
    assert_clean(&page, &gateway);
}

#[test]
fn what_leaves_at_once_is_so_much_that_it_takes_several_connections() {
    let backend = Pod::backend("v1", "turns-backend");
    let gateway = Pod::frontend(backend.address, "turns-gateway");
    let page = open(&gateway, "turns");
    assert_eq!(page.run_async(FIRST_TURNS), json!([[1, 1], [4, 1], [5, 2], [20, 4], [50, 4]]));
}

#[test]
fn a_cell_is_a_reply_as_long_as_there_is_room() {
    let backend = Pod::backend("v1", "cells-backend");
    let gateway = Pod::frontend(backend.address, "cells-gateway");
    let page = open(&gateway, "cells");
    // Replies in a column, and how many boxes they are drawn as: at 600 the cells of a row of 9 pixels would be lower than 2.
    assert_eq!(page.run_async(CELLS), json!([[3, 3], [20, 20], [60, 60], [600, 1]]));
}

#[test]
fn the_page_fits_narrow_and_wide_screens_in_light_and_dark() {
    let backend = Pod::backend("v1", "a-backend-with-a-long-name-7d9f8b6c5d-x2x4z");
    let gateway = Pod::frontend(backend.address, "screens-gateway");
    let page = open(&gateway, "screens");
    page.wait("answers", &format!("{ANSWERED} > 5"));
    assert_fits(&page);
    drop(backend);
    page.wait("the banner", "document.getElementById('notice').dataset.state === 'down'");
    assert_fits(&page);
    assert_clean(&page, &gateway);
}

#[test]
fn who_answered_is_read_by_the_shared_cases() {
    let backend = Pod::backend("v1", "hops-backend");
    let gateway = Pod::frontend(backend.address, "hops-gateway");
    let page = open(&gateway, "hops");
    let cases: Value = serde_json::from_str(include_str!("../../../contract/served-by.json")).unwrap();
    let read = page.run_async(&format!(
        "const {{ parseServedBy }} = await import('/ui/request.js');
         // As fetch does: fields are one, and none is null.
         const header = ({{ fields }}) => fields.length === 0 ? null : fields.join(', ');
         const hops = (entry) => parseServedBy(header(entry)).map(({{ service, version, pod }}) => [service, version, pod]);
         return {cases}.map(hops);"
    ));
    let expected: Vec<&Value> =
        cases.as_array().unwrap().iter().map(|case| case.get("page").unwrap_or(&case["hops"])).collect();
    assert_eq!(read, json!(expected));
}

#[test]
fn the_ledger_adds_up_and_stays_bounded() {
    let backend = Pod::backend("v1", "ledger-backend");
    let gateway = Pod::frontend(backend.address, "ledger-gateway");
    let page = open(&gateway, "ledger");
    let figures = page.run_async(LEDGER_FOR_AN_HOUR);
    assert_eq!(
        figures,
        json!({
            "answered": 180_000 - 180, "failed": 180, "lanes": 64, "gaps": 100, "recent": 1498,
            "p50": 50, "p99": 99, "kept": 600, "sentInLastMinute": 3000, "lost": 0,
        })
    );
}

const ANSWERED: &str = "Number(document.getElementById('answered').textContent.replace(',', ''))";
const FAILED: &str = "Number(document.getElementById('failed').textContent.replace(',', ''))";

/// How many pixels in the uppermost line of the overview have the colour of a failure. The canvas is copied first, for
/// Chromium would draw one that is read from in another way.
const RED: &str = "(() => {
    const overview = document.getElementById('overview');
    const copy = document.createElement('canvas');
    [copy.width, copy.height] = [overview.width, 1];
    const pen = copy.getContext('2d', { willReadFrequently: true });
    pen.drawImage(overview, 0, -1);
    const { data } = pen.getImageData(0, 0, copy.width, 1);
    let red = 0;
    for (let i = 0; i < data.length; i += 4) red += data[i] === 196 && data[i + 1] === 13 && data[i + 2] === 46;
    return red;
})()";

/// From now on, `window.shifts` has an entry for whatever moves without being asked to, but for the words behind a figure
/// that gets another digit or a version that no longer answers, and for the log, which grows at its top.
const WATCH_LAYOUT: &str = "
    window.shifts = [];
    new PerformanceObserver((list) => {
        for (const shift of list.getEntries()) {
            for (const { node } of shift.sources) {
                const element = node?.closest ? node : node?.parentElement;
                if (!element?.closest('#summary, #recent, #log')) window.shifts.push(element?.outerHTML ?? 'a node that is gone');
            }
        }
    }).observe({ type: 'layout-shift' });";

/// By rate, how many requests leave in the first turn. The worker's module runs in the page, without network and by a clock that goes
/// from turn to turn: by the machine's, a timer that is late makes up for the turns that it missed. The page's own timers come between
/// two turns, and have the real clock.
const FIRST_TURNS: &str = "
    await import('/ui/traffic.js');
    const tell = (data) => window.onmessage({ data });
    const { fetch, setTimeout } = window;
    const { now } = Date;
    const firstTurn = (rate) => {
        let [left, clock, turn] = [0, 0, null];
        window.fetch = async () => (left += 1, new Response());
        window.setTimeout = (run, wait) => (turn = run, clock += wait, 0);
        Date.now = () => clock;
        tell({ type: 'rate', rate });
        tell({ type: 'start' });
        turn();
        tell({ type: 'stop' });
        Object.assign(window, { fetch, setTimeout });
        Date.now = now;
        return left;
    };
    let [sent, outcomes] = [0, 0];
    window.addEventListener('message', ({ data }) => (outcomes += data.type === 'outcome'));
    const turns = [];
    for (const rate of [1, 4, 5, 20, 50]) {
        const left = firstTurn(rate);
        turns.push([rate, left]);
        sent += left;
        while (outcomes < sent) await new Promise((resume) => setTimeout(resume, 5));
    }
    return turns;";

/// By replies in one column of a pod's row, how many boxes it is drawn as.
const CELLS: &str = "
    const { COLUMNS, drawLane } = await import('/ui/timeline.js');
    const canvas = document.getElementById('overview').cloneNode();
    canvas.style.cssText = 'position: fixed; width: 600px; height: 124px';
    document.body.append(canvas);
    const pen = canvas.getContext('2d');
    const ink = { tones: ['rgb(0, 0, 0)'], rule: 'rgb(1, 1, 1)' };
    const empty = { from: 0, to: 1000, failed: 0, lanes: new Map(), laneFailures: new Map() };
    const draw = (n) => {
        let boxes = 0;
        pen.fillRect = () => (boxes += pen.fillStyle === '#000000');
        const columns = Array(COLUMNS - 1).fill(empty).concat({ ...empty, lanes: new Map([['pod', n]]) });
        drawLane(canvas, columns, { id: 'pod', version: 'v1' }, n, { ink, tones: { of: () => 0 }, gaps: [], selected: null });
        return boxes;
    };
    return [3, 20, 60, 600].map((n) => [n, draw(n)]);";

/// An hour at 50 a second, in no time: every thousandth request fails, each minute has ten new pods, each 5 s a gap.
const LEDGER_FOR_AN_HOUR: &str = "
    const { Ledger } = await import('/ui/ledger.js');
    const ledger = new Ledger();
    const start = 1_700_000_000_000, hour = 3_600_000;
    for (let n = 0, at = start; at < start + hour; n += 1, at += 20) {
        ledger.recordSent(at);
        const hop = { service: 'backend', version: 'v1', pod: `${Math.floor((at - start) / 60_000)}-${n % 10}`, node: '' };
        if (n % 1000 === 999) ledger.recordFailure(at, at, 'refused', []);
        else ledger.recordAnswer(at, at, 1 + (n % 100), [hop]);
        if (at % 5000 === 0) ledger.recordGap(at, at + 1, 'stopped');
        if (at % 1000 === 0) ledger.prune(at);
    }
    const end = start + hour - 1;
    ledger.prune(end);
    const recent = ledger.recent(end);
    const all = ledger.columns(end, 1000, 3600);
    const minute = ledger.columns(end, 1000, 60);
    const sum = (columns, field) => columns.reduce((total, column) => total + column[field], 0);
    return {
        answered: ledger.answered, failed: ledger.failed, lanes: ledger.lanes.size, gaps: ledger.gaps.length,
        recent: recent.replies, p50: recent.p50, p99: recent.p99,
        kept: all.filter((column) => column.sent > 0).length,
        sentInLastMinute: sum(minute, 'sent'), lost: sum(minute, 'pending'),
    };";

#[test]
fn what_the_routes_lead_to_can_be_sent_from_a_page() {
    let backend = Pod::backend("v1", "docs-backend");
    let gateway = Pod::frontend(backend.address, "docs-gateway");
    let page = Browser::open("docs", &format!("http://{}/docs", gateway.address));
    let form = |name: &str| format!("document.getElementById({name:?})");
    let send = |name: &str, field: &str, value: &str| {
        page.wait(name, &format!("{} !== null", form(name)));
        assert_accessible(&page, name);
        page.run(&format!(
            "const form = {}; form.elements[{field:?}].value = {value:?}; form.requestSubmit();",
            form(name)
        ));
    };
    send("GET /proxy/items/{id}", "id", "7");
    page.wait(
        "the item",
        &format!(
            "/^200 .*\"id\":7.*docs-backend/s.test({}.querySelector('pre').textContent)",
            form("GET /proxy/items/{id}")
        ),
    );
    send("GET /proxy/cpu-burn", "ms", "0");
    page.wait(
        "the refusal",
        &format!("/^400 .*from 1 to/s.test({}.querySelector('pre').textContent)", form("GET /proxy/cpu-burn")),
    );
    page.wait(
        "a reply that is described once for several",
        "document.querySelector('main').innerText.includes('400 A query parameter is given; this path takes none')",
    );
    send("POST /proxy/echo", "body", "to and fro");
    page.wait(
        "the echo",
        &format!("/^200 .*to and fro/s.test({}.querySelector('pre').textContent)", form("POST /proxy/echo")),
    );
}

/// Nodes: one that is cordoned, and all that may be said of one.
fn nodes() -> Value {
    let node = |name: &str, ready: bool, cordoned: bool, taints: &[&str], message: Value| json!({"name": name, "ready": ready, "cordoned": cordoned, "taints": taints, "message": message});
    let silent = json!("Kubelet stopped posting node status.");
    json!([
        node("node2", true, true, &[], Value::Null),
        node("node3", false, true, &["for=gpus:NoSchedule", "bare:NoExecute"], silent),
    ])
}

/// Who goes, by which condition, and in which words: <https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions>
const DISRUPTIONS: [(&str, &str, &str); 4] = [
    ("observed-h", "PreemptionByScheduler", "makes room for a pod of higher priority"),
    ("observed-i", "DeletionByTaintManager", "does not tolerate a taint of its node"),
    ("observed-j", "DeletionByPodGC", "its node is gone"),
    ("observed-k", "TerminationByKubelet", "its node ends it"),
];

#[test]
fn what_the_cluster_says_is_told_pod_by_pod_whether_they_answer_or_not() {
    let backend = Pod::backend("v1", "observed-a");
    let pod = |name: &str, more: Value| {
        let mut pod = json!({"name": name, "service": "backend", "version": "v1", "node": "node1", "endpoint": false, "restarts": 0, "last": null});
        pod.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        pod
    };
    let message = |pods: Value, events: Value| {
        json!({
            "pods": pods, "events": events, "nodes": nodes(), "left_out": 0, "unseen": {"replicasets": "403: its Role does not allow it"},
            "deployments": [{"name": "backend", "wanted": 4, "there": 5, "updated": 1, "ready": 2, "revision": 3, "rollout": "stuck", "message": "deadline"}],
            "autoscalers": [{"name": "backend-hpa", "figure": 140, "aim": 50, "formula": "ceil(2 × 140 / 50) = 6", "least": 2, "most": 5, "wanted": 5, "message": null}],
        })
    };
    let event = |id: &str, reason: &str| json!({"id": id, "at": "2026-01-01T00:00:00Z", "about": {"kind": "Pod", "name": "observed-b"}, "warning": true, "reason": reason, "message": "why", "count": 1});
    let disrupted = DISRUPTIONS.map(|(name, reason, _)| {
        pod(name, json!({"state": "terminating", "until": null, "reason": reason, "message": "why"}))
    });
    let mut pods = json!([
        pod(
            "observed-a",
            json!({"state": "ready", "endpoint": true, "since": "2026-01-01T00:00:00Z", "cpu_request_millis": 100, "cpu_limit_millis": 500,
                "figures": {"in_flight": 3, "cpu_millis": 499, "throttled_percent": 12, "memory_bytes": 14_000_000, "memory_limit_bytes": 67_108_864}})
        ),
        pod(
            "observed-b",
            json!({"state": "no-image", "image": "backend:v9", "reason": "ErrImagePull", "message": "not found", "figures": null})
        ),
        pod(
            "observed-c",
            json!({"state": "crash-loop", "message": null, "restarts": 3, "last": {"reason": "OOMKilled", "exit_code": 137}})
        ),
        pod(
            "observed-d",
            json!({"state": "not-ready", "since": null, "message": "Readiness probe failed: HTTP probe failed with statuscode: 503"})
        ),
        pod("observed-e", json!({"state": "terminating", "until": "2020-01-01T00:00:00Z", "endpoint": true})),
        pod(
            "observed-f",
            json!({"state": "terminating", "until": "2020-01-01T00:00:00Z", "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting"})
        ),
        pod(
            "observed-g",
            json!({"state": "terminating", "until": null, "reason": "ByThoseToCome", "message": "why",
            "figures": {"in_flight": 0, "cpu_millis": null, "throttled_percent": null, "memory_bytes": 1, "memory_limit_bytes": null}})
        ),
    ]);
    pods.as_array_mut().unwrap().extend(disrupted);
    let cluster = Cluster::start(&message(pods, json!([event("1", "Pulling")])));
    let gateway = Pod::observed(backend.address, cluster.address, "observed-gateway");
    let page = open(&gateway, "observed");
    page.wait("a row of each pod", "document.querySelectorAll('[data-service=backend]').length === 11");
    page.wait("answers", &answers_of(&["observed-a"]));
    let state = |pod: &str| page.run(&format!("return document.querySelector('[data-pod={pod}] .state').textContent;"));
    page.wait("what is said of each", "document.querySelector('[data-pod=observed-k] .state').textContent !== ''");
    assert_eq!(
        state("observed-a"),
        ", ready, 3 in flight, CPU 499m (request 100m, limit 500m), throttled in 12 % of the periods, memory 14 of 64 MiB"
    );
    assert_eq!(state("observed-b"), ", no image backend:v9, ErrImagePull: not found");
    assert_eq!(state("observed-c"), ", crash loop, 3 restarts, last ended with OOMKilled, code 137");
    assert_eq!(state("observed-d"), ", not ready: Readiness probe failed: HTTP probe failed with statuscode: 503");
    assert_eq!(state("observed-e"), ", terminating, to be killed now, still in the endpoints");
    assert_eq!(state("observed-f"), ", terminating, evicted, as a drain of its node does, to be killed now");
    assert_eq!(state("observed-g"), ", terminating, ByThoseToCome: why, for a while, 0 in flight, memory 1 MiB");
    for (pod, _, words) in DISRUPTIONS {
        assert_eq!(state(pod), format!(", terminating, {words}, for a while"));
    }
    let lines = page.run("return [...document.querySelectorAll('#cluster li')].map((line) => line.textContent);");
    assert_eq!(
        lines,
        json!([
            "backend: 4 wanted, 5 there, 1 of them new, 2 ready, revision 3, rollout stuck: deadline",
            "autoscaler backend-hpa: CPU 140 % of 50 %, ceil(2 × 140 / 50) = 6, from 2 to 5, wants 5",
            "node2: cordoned, takes no new pods",
            "node3: not ready: Kubelet stopped posting node status., cordoned, takes no new pods, taint for=gpus:NoSchedule, taint bare:NoExecute",
            "replicasets not seen: 403: its Role does not allow it",
        ])
    );
    assert_eq!(
        page.run("return document.querySelectorAll('[data-pod=observed-a]').length;"),
        1,
        "it answers in its own row"
    );
    assert!(!page.text("log").contains("Pulling"), "the past is told as news: {}", page.text("log"));
    assert_fits(&page);

    // All but one go, one of them without a reply ever; an event comes.
    let pods = json!([pod("observed-b", json!({"state": "ready", "endpoint": true}))]);
    cluster.say(&message(pods, json!([event("1", "Pulling"), event("2", "Failed")])));
    page.wait("the event", "document.getElementById('log').textContent.includes('Pod observed-b: Failed: why')");
    page.wait("what is gone", "document.querySelector('[data-pod=observed-a]').dataset.look === 'gone'");
    assert_eq!(page.run("return document.querySelectorAll('[data-service=backend]').length;"), 2);
    assert_fits(&page);
    assert_clean(&page, &gateway);
}

/// Opens the page of `gateway`, and sends at 20 a second.
pub(crate) fn open(gateway: &Pod, name: &str) -> Browser {
    let page = Browser::open(name, &format!("http://{}/", gateway.address));
    page.run("const rate = document.getElementById('rate'); rate.value = 20; rate.dispatchEvent(new Event('input'));");
    page
}

/// A condition: each of `pods` has a row with answers.
pub(crate) fn answers_of(pods: &[&str]) -> String {
    let each = pods
        .iter()
        .map(|pod| format!("document.querySelector('[data-pod=\"{pod}\"] .count span')?.textContent.match(/[1-9]/)"));
    each.collect::<Vec<_>>().join(" && ")
}

/// v1 and v2 have swatches of different colours, and of different patterns for who does not see colours.
fn assert_versions_look_different(page: &Browser) {
    let look = |version: &str, property: &str| -> Value {
        page.run(&format!(
            "return getComputedStyle(document.querySelector('#mix-text [data-version={version}] .swatch')).{property};"
        ))
    };
    assert_eq!(look("v1", "backgroundColor"), "rgb(11, 99, 181)");
    assert_eq!(look("v2", "backgroundColor"), "rgb(208, 122, 0)");
    assert_ne!(look("v1", "backgroundImage"), look("v2", "backgroundImage"));
}

/// The page does not scroll sideways and can be read, whatever the screen.
fn assert_fits(page: &Browser) {
    for (width, scheme) in [(360, "light"), (360, "dark"), (1600, "light"), (1600, "dark")] {
        page.emulate(width, 900, scheme);
        page.wait("the width", &format!("window.innerWidth === {width}"));
        let wider = page.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth;");
        assert_eq!(wider, 0, "at {width} px the page scrolls sideways");
        assert_accessible(page, &format!("at {width} px, {scheme}"));
    }
}

/// axe-core finds nothing that keeps people from using the page: <https://github.com/dequelabs/axe-core>
fn assert_accessible(page: &Browser, when: &str) {
    let axe = concat!(env!("CARGO_MANIFEST_DIR"), "/../.cluster/bin/axe.js");
    let axe = std::fs::read_to_string(axe).expect("axe-core is there, after: cluster/prepare test");
    page.run(&format!("if (!window.axe) {{ {axe} }}"));
    let found = page.run_async(
        "const { violations } = await axe.run();
         return violations.map(({ id, help, nodes }) => [id, help, ...nodes.map(({ html }) => html)]);",
    );
    assert_eq!(found, json!([]), "{when}");
}

/// The page broke no rule of its content security policy, threw nothing, and asked nobody but its gateway.
fn assert_clean(page: &Browser, gateway: &Pod) {
    assert_eq!(page.complaints(), Vec::<String>::new());
    let own = format!("http://{}/", gateway.address);
    let requested = page.requested();
    assert!(requested.iter().any(|url| url.ends_with("/ui/app.js")), "{requested:?}");
    let foreign: Vec<_> = requested.iter().filter(|url| url.starts_with("http") && !url.starts_with(&own)).collect();
    assert_eq!(foreign, Vec::<&String>::new());
}
