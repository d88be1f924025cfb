//! What the log says while a breaker is open.

use testing::program::Program;
use testing::scripted::{OK, Scripted};
use testing::wire::{get, until};

use crate::GATEWAY;

#[tokio::test]
async fn an_open_breaker_is_told_by_its_changes_and_not_by_each_request_that_it_refuses() {
    let upstream = Scripted::start(|number, mut upstream| async move {
        while upstream.head().await.is_some() && number >= 2 {
            upstream.send(OK).await;
        }
    })
    .await;
    let environment = [
        ("BACKEND_URL", &*format!("http://{}", upstream.address)),
        ("UPSTREAM_RETRIES", "0"),
        ("UPSTREAM_BREAKER_FAILURES", "2"),
        ("UPSTREAM_BREAKER_OPEN_SECONDS", "3"),
        ("DRAIN_SECONDS", "0"),
    ];
    let (mut gateway, service) = Program::serving(GATEWAY, &environment);
    for _ in 0..2 {
        assert_eq!(get(service, "/proxy/items").await.status, 502);
    }
    let mut refused = 0;
    until("the trial", async || {
        let status = get(service, "/proxy/items").await.status;
        refused += u64::from(status == 503);
        status == 200
    })
    .await;
    assert!(refused > 20, "{refused}");
    gateway.signal("-TERM");
    let log = gateway.lines_to("exit");
    let lines = |message: &str| {
        let said = log.iter().filter(|line| line["message"].as_str().unwrap().contains(message));
        said.collect::<Vec<_>>()
    };
    assert_eq!(lines("no reply from the upstream").len(), 2, "those that failed");
    assert_eq!(lines("the breaker opens").len(), 1);
    let closed = lines("the breaker closes");
    assert_eq!((closed.len(), closed[0]["refused"].as_u64()), (1, Some(refused)));
    let told = lines("answered 503").len();
    assert!((1..=2).contains(&told), "{told} lines for {refused} refusals");
}
