//! Query parameters: no query is taken for another than it is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use service::message::query::{none, only};

fuzz_target!(|input: &str| {
    let pairs: Vec<&str> = input.split('&').filter(|pair| !pair.is_empty()).collect();
    match none(input) {
        Ok(()) => assert!(pairs.is_empty()),
        Err(problem) => assert!(!pairs.is_empty() && problem.status() == 400),
    }
    match (only("ms", input), &pairs[..]) {
        (Ok(None), []) => {}
        (Ok(Some(value)), [pair]) => {
            let written = format!("ms={value}");
            assert!(written == *pair || (value.is_empty() && *pair == "ms"), "{pair}: {value}");
        }
        (Ok(found), pairs) => panic!("{pairs:?} are taken for {found:?}"),
        (Err(problem), pairs) => {
            assert_eq!(problem.status(), 400);
            assert!(pairs.len() > 1 || pairs.iter().any(|pair| *pair != "ms" && !pair.starts_with("ms=")), "{pairs:?}");
        }
    }
});
