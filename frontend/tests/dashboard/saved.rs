//! The ledger that the page saves: a file in the form of `client load`'s, as far as a page can know.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use contract::ledger::{Ledger, Lost};
use serde_json::{Value, json};

use super::pods::Pod;
use super::{ANSWERED, FAILED, answers_of, assert_clean, open};

#[test]
fn the_ledger_that_the_page_saves_has_what_it_counted_in_the_form_of_the_client() {
    let backend = Pod::backend("v1", "saved-backend");
    let gateway = Pod::frontend(backend.address, "saved-gateway");
    let page = open(&gateway, "saved");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("saved");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    page.save_to(&folder);

    page.wait("answers", &answers_of(&["saved-backend"]));
    page.wait("some more", &format!("{ANSWERED} > 20"));
    drop(backend);
    page.wait("failures", &format!("{FAILED} > 5"));
    page.click("toggle");
    // What was in flight ends, too.
    let saved = loop {
        page.click("save");
        let saved = taken(&folder.join("practice-ledger.json"));
        if saved["page"]["in_flight"] == 0 {
            break saved;
        }
    };
    let more = &saved["page"];
    let ledger = as_the_client_writes_it(&saved);
    assert_eq!((ledger.format, &*ledger.client, ledger.plan.rate), (contract::ledger::FORMAT, "page", 20.0));
    assert_eq!(ledger.plan.targets[0].url, format!("http://{}/proxy/items", gateway.address));

    let requests = &ledger.requests;
    let failed = lost(&ledger.lost, "failed");
    page.wait("the figures of the file", &format!("{ANSWERED} === {} && {FAILED} === {failed}", requests.answered));
    let recent = &more["recent"];
    assert!(recent["seconds"].as_f64() > Some(0.0) && recent["answered"].as_u64() <= Some(requests.answered), "{more}");
    assert_eq!(requests.due, requests.answered + requests.lost);
    assert_eq!(requests.lost, failed + lost(&ledger.lost, "unsent"));
    assert_eq!(requests.sent, requests.answered + failed);
    assert!(
        ledger.lost.iter().all(|kind| kind.first_seconds <= kind.last_seconds && kind.last_seconds <= ledger.seconds)
    );
    for (service, pod) in [("backend", "saved-backend"), ("frontend", "saved-gateway")] {
        let of = ledger.services.iter().find(|of| of.service == service).expect(service);
        let version = &of.versions[0];
        assert_eq!((version.answers, &*version.pods[0].pod), (requests.answered, pod));
        assert!(version.first_seconds < version.last_seconds && version.last_seconds < ledger.seconds, "{version:?}");
        let series = ledger.timeline.answers.iter().find(|series| series.pod == pod).expect(pod);
        assert_eq!((series.counts.iter().sum::<u64>(), series.first_bin < 3), (requests.answered, true), "{series:?}");
    }
    let series = ledger.timeline.lost.iter().find(|series| series.kind == "failed").expect("failures over time");
    assert_eq!(series.counts.iter().sum::<u64>(), failed);
    assert_clean(&page, &gateway);
}

/// The form, with what a page can't know as it is in an empty one: nothing else is missing, and nothing has another name.
fn as_the_client_writes_it(saved: &Value) -> Ledger {
    let mut form = saved.clone();
    form.as_object_mut().unwrap().remove("page");
    let mut whole = serde_json::to_value(Ledger::default()).unwrap();
    lay(&mut whole, &form);
    let ledger: Ledger = serde_json::from_value(whole.clone()).unwrap_or_else(|error| panic!("{error}: {saved}"));
    let again = serde_json::to_value(&ledger).unwrap();
    assert_eq!(numbers(again), numbers(whole), "it has a field that the form has not");
    ledger
}

/// Lays `over` on `under`, object by object.
fn lay(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                lay(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over.clone(),
    }
}

/// With every number a float: a page does not tell 20 from 20.0.
fn numbers(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(values) => values.into_iter().map(numbers).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, numbers(value))).collect(),
        other => other,
    }
}

fn lost(kinds: &[Lost], kind: &str) -> u64 {
    kinds.iter().find(|lost| lost.kind == kind).map_or(0, |lost| lost.requests)
}

/// The file, as soon as it is there, which it then is no more.
fn taken(path: &Path) -> Value {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        if let Ok(json) = serde_json::from_str(&text) {
            fs::remove_file(path).unwrap();
            return json;
        }
        assert!(Instant::now() < deadline, "nothing was saved: {text:?}");
        sleep(Duration::from_millis(50));
    }
}
