//! Every case of the corpus through this gateway: the answer that it expects, and no disagreement.

use std::fmt::Write as _;

use hostile::proxy::Kind;
use hostile::{corpus, lanes};

#[test]
fn the_gateway_and_its_upstream_never_disagree() {
    let cases = corpus::all().unwrap_or_else(|mistake| panic!("{mistake}"));
    let outcomes = lanes::run(Kind::Gateway, &cases).unwrap();
    assert_eq!(outcomes.len(), cases.len());
    let mut wrong = String::new();
    for outcome in &outcomes {
        let surprises = outcome.surprises();
        let disagreement = outcome.disagreement();
        if !surprises.is_empty() || disagreement.is_some() {
            let _ = write!(wrong, "\n{}, {} (RFC {}):", outcome.case.family, outcome.case.name, outcome.case.rfc);
            let _ = write!(wrong, "{surprises}{}", disagreement.map_or_else(String::new, |what| format!("\n  {what}")));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
