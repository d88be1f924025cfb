//! The page of the votes: buttons to vote with, bars that show the result. Its script is a file of its own, so that the page
//! can forbid every other; without scripts the page still shows the result, and loads itself anew.

use std::fmt::Write as _;

use hyper::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};
use service::message::body::Body;

/// Nothing from elsewhere, and no script but that of this server.
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'unsafe-inline'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem}\
:root{color-scheme:light dark}button{font:inherit;width:9rem;padding:.4rem;cursor:pointer}\
button[aria-pressed=true]{font-weight:bold;outline:2px solid}li{display:flex;gap:1rem;align-items:center;margin:.5rem 0}\
ul{padding:0;list-style:none}meter{flex:1;height:1.4rem}output{min-width:4rem;text-align:right}small{color:GrayText}";

const SCRIPT: &str = include_str!("votes.js");

/// The page for `options`, with their `votes` where they are known.
pub(super) fn html(options: &[String], votes: Option<&[u64]>, served_by: &str) -> Response<Body> {
    let most = votes.and_then(|votes| votes.iter().max()).copied().unwrap_or_default().max(1);
    let mut html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>Votes</title><style>{STYLE}</style><noscript><meta http-equiv=refresh content=2></noscript>\
         <script src=/votes.js defer></script><h1>Votes</h1><ul>"
    );
    // An option holds nothing that HTML would escape.
    for (index, option) in options.iter().enumerate() {
        let count = votes.and_then(|votes| votes.get(index)).copied();
        let (value, shown) = (count.unwrap_or_default(), count.map_or("?".to_owned(), |count| count.to_string()));
        let _ = write!(
            html,
            "<li><button value={option} aria-pressed=false>{option}</button>\
             <meter min=0 max={most} value={value} aria-label=\"votes for {option}\"></meter><output>{shown}</output>"
        );
    }
    let served_by = served_by.replace('&', "&amp;").replace('<', "&lt;");
    let _ = write!(html, "</ul><p role=status></p><p><small>served by <span>{served_by}</span></small>");
    reply("text/html; charset=utf-8", html)
}

pub(super) fn script() -> Response<Body> {
    reply("text/javascript; charset=utf-8", SCRIPT)
}

fn reply(content_type: &'static str, content: impl Into<hyper::body::Bytes>) -> Response<Body> {
    let headers = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Body::from(content).reply(StatusCode::OK, &headers)
}
