//! The voting app: a vote is queued by a request, counted by a worker, and shown on a page.
//!
//! A voter has one vote; a later one replaces it, and the same one again changes nothing, so that a vote may be sent again
//! after a failure. Votes are counted in the order in which they were queued.

mod page;

use std::fmt::Write as _;

use contract::served_by::entry;
use hyper::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use service::app::Call;
use service::message::body::Body;
use service::message::json;
use service::message::problem::Problem;
use service::message::upload;
use service::process::identity::Identity;

use crate::script::Script;
use store::meaning::{count, number, strange, text};
use store::unavailable::{RETRY_SECONDS, Unavailable};
use store::{Store, Value};

/// What every key of the votes begins with.
const SYSTEM: &str = "{votes}";
/// The longest body of a vote, in bytes.
const LONGEST: usize = 1024;
/// The longest name of an option and the longest id of a voter, in bytes.
const LONGEST_OPTION: usize = 32;
const LONGEST_VOTER: usize = 64;

const OPTIONS: &str =
    "2 to 10 different names with ',' between them, each of 1 to 32 lower-case letters, digits and '-'";

service::settings! {
    /// What is voted on.
    #[derive(Debug, Clone)]
    pub struct Settings {
        /// what can be voted for: 2 to 10 names with ',' between them
        options: Vec<String> = parse("VOTE_OPTIONS", "cats,dogs", OPTIONS, parse_options);
        /// voters; further ones are answered 503
        voters: u64 = number("VOTERS_MAX", "100000", 1, 10_000_000);
    }
}

fn parse_options(text: &str) -> Option<Vec<String>> {
    let options: Vec<String> = text.split(',').map(str::to_owned).collect();
    let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let named = |name: &String| (1..=LONGEST_OPTION).contains(&name.len()) && name.bytes().all(known);
    let twice = |(index, name)| options[..index].contains(name);
    let valid =
        (2..=10).contains(&options.len()) && options.iter().all(named) && !options.iter().enumerate().any(twice);
    valid.then_some(options)
}

#[derive(Debug, Clone)]
pub(crate) struct Votes {
    store: Store,
    settings: Settings,
    /// Votes that may wait to be counted.
    queued: u64,
}

/// What has been counted so far.
#[derive(Debug)]
struct Tally {
    /// Votes for each option, in the order of the settings.
    votes: Vec<u64>,
    /// Votes that are not counted yet.
    waiting: u64,
}

impl Votes {
    pub(crate) fn new(store: Store, settings: Settings, queued: u64) -> Self {
        Self { store, settings, queued }
    }

    /// `POST /api/votes`: 202, once the store has the vote.
    pub(crate) async fn vote(&self, call: Call<'_>) -> Result<Response<Body>, Problem> {
        let Call { head, body, server, .. } = call;
        let vote: Vote = upload::json(&server.room, &head.headers, body, LONGEST).await?;
        vote.check(&self.settings.options).map_err(Problem::bad)?;
        let (queued, voters) = (self.queued.to_string(), self.settings.voters.to_string());
        let arguments = [vote.voter.as_bytes(), vote.option.as_bytes(), queued.as_bytes(), voters.as_bytes()];
        match text(&self.store.run(Script::Vote, SYSTEM, &arguments).await?)? {
            "queued" => {
                let mut response = json::named("vote", &vote, &server.served_by_json);
                *response.status_mut() = StatusCode::ACCEPTED;
                Ok(response)
            }
            "full" => Err(Problem::busy(format!("{queued} votes wait already"), RETRY_SECONDS)),
            "crowded" => Err(Problem::busy(format!("{voters} have voted, no more voters are taken"), RETRY_SECONDS)),
            _ => Err(strange().into()),
        }
    }

    /// `GET /api/votes`: the counts.
    pub(crate) async fn counts(&self, served_by_json: &str) -> Result<Response<Body>, Problem> {
        let Tally { votes, waiting } = self.read().await?;
        let mut body = r#"{"votes":{"#.to_owned();
        for (index, (option, votes)) in self.settings.options.iter().zip(votes).enumerate() {
            let comma = if index == 0 { "" } else { "," };
            // An option holds nothing that JSON would escape.
            let _ = write!(body, r#"{comma}"{option}":{votes}"#);
        }
        let _ = write!(body, r#"}},"waiting":{waiting},"served_by":{served_by_json}}}"#);
        Ok(json::text(body))
    }

    /// `GET /votes`: the page. Without a store it shows no counts, and its script goes on asking.
    pub(crate) async fn page(&self, served_by: &Identity) -> Response<Body> {
        let tally = self.read().await.ok();
        let served_by = entry(&served_by.service, &served_by.version, &served_by.pod);
        page::html(&self.settings.options, tally.as_ref().map(|tally| &*tally.votes), &served_by)
    }

    /// `GET /votes.js`: what makes the page live.
    pub(crate) fn script() -> Response<Body> {
        page::script()
    }

    /// Counts queued votes, `most` of them. Says how many.
    pub(crate) async fn tally(&self, most: usize) -> Result<u64, Unavailable> {
        number(&self.store.run(Script::Tally, SYSTEM, &[most.to_string().as_bytes()]).await?)
    }

    async fn read(&self) -> Result<Tally, Unavailable> {
        let votes = format!("{SYSTEM}:votes");
        let options = self.settings.options.iter().map(String::as_bytes);
        let command: Vec<&[u8]> = [b"HMGET", votes.as_bytes()].into_iter().chain(options).collect();
        let counted = match self.store.ask(&command).await? {
            Value::Array(counted) => counted.iter().map(count).collect::<Result<_, _>>()?,
            _ => return Err(strange()),
        };
        let waiting = self.store.ask(&[b"LLEN", format!("{SYSTEM}:queued").as_bytes()]).await?;
        Ok(Tally { votes: counted, waiting: count(&waiting)? / 2 })
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vote {
    option: String,
    voter: String,
}

impl Vote {
    fn check(&self, options: &[String]) -> Result<(), String> {
        if !options.contains(&self.option) {
            return Err(format!("option is one of {}", options.join(", ")));
        }
        let known = |b: u8| b.is_ascii_alphanumeric() || b"-_.@".contains(&b);
        if !(1..=LONGEST_VOTER).contains(&self.voter.len()) || !self.voter.bytes().all(known) {
            return Err(format!("voter is 1 to {LONGEST_VOTER} letters, digits and -_.@"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_by_the_table() {
        for (text, count) in [("cats,dogs", 2), ("a,b,c", 3), ("1,2,3,4,5,6,7,8,9,10", 10)] {
            assert_eq!(parse_options(text).map(|options| options.len()), Some(count), "{text}");
        }
        let long = format!("a,{}", "x".repeat(LONGEST_OPTION + 1));
        for text in ["", "cats", "cats,cats", "cats,", "Cats,dogs", "a b,c", "a,\"", "1,2,3,4,5,6,7,8,9,10,11", &long] {
            assert_eq!(parse_options(text), None, "{text}");
        }
    }

    #[test]
    fn votes_by_the_table() {
        let options = parse_options("cats,dogs").unwrap();
        let check = |option: &str, voter: &str| {
            Vote { option: option.to_owned(), voter: voter.to_owned() }.check(&options).is_ok()
        };
        assert!(check("cats", "ada@example.org") && check("dogs", &"x".repeat(64)));
        assert!(
            !check("birds", "ada") && !check("cats", "") && !check("cats", "a b") && !check("cats", &"x".repeat(65))
        );
    }
}
