//! A table of own paths: which paths exist, and which methods each takes.

use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, StatusCode};

use super::Reply;
use crate::message::body::Body;
use crate::message::problem::Problem;

/// A path and what answers it.
#[derive(Debug)]
pub struct OwnPath<H> {
    /// The path. `{name}` as a whole segment matches one segment that is not empty; `{*name}` as the last segment matches
    /// the rest of the path, if not empty. The text is also the label in metrics.
    pub path: &'static str,
    /// Methods taken.
    pub methods: Methods,
    /// What answers.
    pub handler: H,
}

/// The methods that a path takes. `OPTIONS` is answered by the table itself unless the path takes any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Methods {
    /// `GET` and `HEAD`.
    Get,
    /// `POST`.
    Post,
    /// `GET`, `HEAD` and `POST`.
    GetAndPost,
    /// `GET`, `HEAD` and `PUT`.
    GetAndPut,
    /// Every method: the handler passes them on.
    Any,
}

impl Methods {
    fn contain(self, method: &Method) -> bool {
        match self {
            Self::Get => method == Method::GET || method == Method::HEAD,
            Self::Post => method == Method::POST,
            Self::GetAndPost => Self::Get.contain(method) || Self::Post.contain(method),
            Self::GetAndPut => Self::Get.contain(method) || method == Method::PUT,
            Self::Any => true,
        }
    }

    /// As in `Allow`. Of a path that takes any method this is never asked: it has no request to refuse.
    fn allow(self) -> &'static str {
        match self {
            Self::Get | Self::Any => "GET, HEAD, OPTIONS",
            Self::Post => "POST, OPTIONS",
            Self::GetAndPost => "GET, HEAD, POST, OPTIONS",
            Self::GetAndPut => "GET, HEAD, PUT, OPTIONS",
        }
    }
}

/// A request that the table answers by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unrouted {
    /// The path does not exist.
    NotFound,
    /// The path, a template, takes other methods: these.
    NotAllowed(&'static str, Methods),
    /// The methods of a path, a template, or of the server (`*`) are asked for.
    Options(&'static str, Methods),
}

/// Looks `path` up. The first that matches wins: it, and the segment or rest that its `{name}` matched, still
/// percent-encoded (empty without one).
///
/// # Errors
/// Where none answers; the table does.
pub fn find<'t, 'p, H>(
    table: &'t [OwnPath<H>],
    method: &Method,
    path: &'p str,
) -> Result<(&'t OwnPath<H>, &'p str), Unrouted> {
    let mut matches = table.iter().filter_map(|own| captured(own.path, path).map(|capture| (own, capture)));
    match matches.next() {
        Some((own, capture)) if own.methods.contain(method) => Ok((own, capture)),
        Some((own, _)) if method == Method::OPTIONS => Err(Unrouted::Options(own.path, own.methods)),
        Some((own, _)) => Err(Unrouted::NotAllowed(own.path, own.methods)),
        // RFC 9110, section 9.3.7: a question about the server as a whole.
        None if method == Method::OPTIONS && path == "*" => Err(Unrouted::Options("*", Methods::Get)),
        None => Err(Unrouted::NotFound),
    }
}

impl Unrouted {
    /// The reply: 404, 405 with `Allow`, or 204 with `Allow`.
    pub fn reply(self) -> Reply {
        match self {
            Self::NotFound => Reply::unrouted(Problem::new(StatusCode::NOT_FOUND, "no such path")),
            Self::NotAllowed(path, methods) => {
                let detail = format!("this path takes {}", methods.allow());
                let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail);
                let allow = HeaderValue::from_static(methods.allow());
                Reply { route: path.into(), result: Err(problem.header(ALLOW, allow)) }
            }
            Self::Options(path, methods) => {
                let response = Body::empty().reply(StatusCode::NO_CONTENT, &[(ALLOW, methods.allow())]);
                Reply { route: path.into(), result: Ok(response) }
            }
        }
    }
}

/// What the placeholder of `pattern` matches in `path`, empty where it has none; `None` where the path does not match.
fn captured<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    let Some((before, placeholder)) = pattern.split_once('{') else {
        return (pattern == path).then_some("");
    };
    let rest = path.strip_prefix(before)?;
    let whole = placeholder.starts_with('*') || !rest.contains('/');
    (whole && !rest.is_empty()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[OwnPath<u8>] = &[
        OwnPath { path: "/items", methods: Methods::Get, handler: 1 },
        OwnPath { path: "/items/{id}", methods: Methods::Get, handler: 2 },
        OwnPath { path: "/proxy/{*rest}", methods: Methods::Any, handler: 3 },
        OwnPath { path: "/echo", methods: Methods::Post, handler: 4 },
        OwnPath { path: "/jobs", methods: Methods::GetAndPost, handler: 5 },
        OwnPath { path: "/users/{id}", methods: Methods::GetAndPut, handler: 6 },
    ];

    fn outcome(method: &str, path: &str) -> String {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let unrouted = match find(TABLE, &method, path) {
            Ok((own, capture)) => return format!("{} {capture}", own.handler),
            Err(unrouted) => unrouted.reply(),
        };
        let reply = unrouted.result.unwrap_or_else(|problem| problem.into_response(path, ""));
        let allow = reply.headers().get(ALLOW).map_or("", |methods| methods.to_str().unwrap());
        format!("{} {} {allow}", unrouted.route, reply.status().as_u16()).trim_end().to_owned()
    }

    #[test]
    fn resolutions_by_the_table() {
        let table = [
            ("GET", "/items", "1 "),
            ("HEAD", "/items", "1 "),
            ("POST", "/items", "/items 405 GET, HEAD, OPTIONS"),
            ("OPTIONS", "/items", "/items 204 GET, HEAD, OPTIONS"),
            ("OPTIONS", "*", "* 204 GET, HEAD, OPTIONS"),
            ("GET", "*", "unknown 404"),
            ("GET", "/items/7", "2 7"),
            ("GET", "/items/", "unknown 404"),
            ("GET", "/items/7/x", "unknown 404"),
            ("GET", "/proxy/a/b/", "3 a/b/"),
            ("BREW", "/proxy/a", "3 a"),
            ("OPTIONS", "/proxy/a", "3 a"),
            ("GET", "/proxy/", "unknown 404"),
            ("GET", "/ITEMS", "unknown 404"),
            ("POST", "/echo", "4 "),
            ("GET", "/echo", "/echo 405 POST, OPTIONS"),
            ("HEAD", "/echo", "/echo 405 POST, OPTIONS"),
            ("OPTIONS", "/echo", "/echo 204 POST, OPTIONS"),
            ("HEAD", "/jobs", "5 "),
            ("POST", "/jobs", "5 "),
            ("PUT", "/jobs", "/jobs 405 GET, HEAD, POST, OPTIONS"),
            ("HEAD", "/users/7", "6 7"),
            ("PUT", "/users/7", "6 7"),
            ("POST", "/users/7", "/users/{id} 405 GET, HEAD, PUT, OPTIONS"),
        ];
        for (method, path, expected) in table {
            assert_eq!(outcome(method, path), expected, "{method} {path}");
        }
    }
}
