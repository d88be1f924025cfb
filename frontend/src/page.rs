//! The dashboard page: files that are compiled in.

use std::hash::{DefaultHasher, Hasher};

use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use service::message::body::Body;
use service::message::problem::Problem;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../ui/", $name)))),*]
    };
}

/// Every file of `frontend/ui`, which a test holds.
const FILES: &[(&str, &[u8])] = files![
    "app.js",
    "cluster.js",
    "docs.html",
    "docs.js",
    "export.js",
    "faults.js",
    "icon.svg",
    "index.html",
    "ledger.js",
    "log.js",
    "palette.js",
    "permalink.js",
    "pods.js",
    "request.js",
    "style.css",
    "text.js",
    "timeline.js",
    "traffic.js",
];

/// Everything comes from this server; nothing is framed, submitted or loaded from elsewhere.
const POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

pub(crate) struct Page {
    files: Vec<File>,
}

struct File {
    name: &'static str,
    content: &'static [u8],
    content_type: &'static str,
    etag: HeaderValue,
}

impl Page {
    pub(crate) fn new() -> Self {
        let files = FILES.iter().map(|(name, content)| File {
            name,
            content,
            content_type: content_type(name),
            etag: etag(content),
        });
        Self { files: files.collect() }
    }

    /// The file `name`, or 304 where the client has it. Browsers ask each time (`no-cache`), so that an upgrade of the
    /// frontend shows at once, and two versions side by side never mix within a page for longer than a reload.
    pub(crate) fn answer(&self, name: &str, request: &HeaderMap) -> Result<Response<Body>, Problem> {
        let Some(file) = self.files.iter().find(|file| file.name == name) else {
            return Err(Problem::new(StatusCode::NOT_FOUND, "no such file"));
        };
        let fixed = [
            (CACHE_CONTROL, "no-cache"),
            (CONTENT_SECURITY_POLICY, POLICY),
            (REFERRER_POLICY, "no-referrer"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        let mut response = if is_current(request, &file.etag) {
            Body::empty().reply(StatusCode::NOT_MODIFIED, &fixed)
        } else {
            let mut response = Body::from(file.content).reply(StatusCode::OK, &fixed);
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(file.content_type));
            response
        };
        response.headers_mut().insert(ETAG, file.etag.clone());
        Ok(response)
    }
}

/// RFC 9110, section 13.1.2: `*`, or a list in which the tag occurs, weak or not.
fn is_current(request: &HeaderMap, etag: &HeaderValue) -> bool {
    request.get_all(IF_NONE_MATCH).iter().any(|value| {
        value.as_bytes().split(|b| *b == b',').any(|tag| {
            let tag = tag.trim_ascii();
            tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes()
        })
    })
}

/// A strong tag from the content alone, so that all pods of a version agree. It tells versions apart, it proves nothing: a
/// hash without a key is enough.
fn etag(content: &[u8]) -> HeaderValue {
    let mut hasher = DefaultHasher::new();
    hasher.write(content);
    HeaderValue::try_from(format!("\"{:016x}\"", hasher.finish())).expect("hexadecimal digits")
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_page_is_compiled_in_with_a_type() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/ui");
        let mut found: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        found.sort();
        let names: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(found, names);
        for name in names {
            assert_ne!(content_type(name), "application/octet-stream", "{name}");
        }
        let bytes: usize = FILES.iter().map(|(_, content)| content.len()).sum();
        assert!(bytes <= 90_000, "the page has {bytes} bytes");
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        let page = Page::new();
        let etag = page.answer("index.html", &HeaderMap::new()).unwrap().headers()[ETAG].clone();
        let text = etag.to_str().unwrap();
        for (tags, status) in [
            (text.to_owned(), 304),
            (format!("W/{text}"), 304),
            (format!("\"other\", {text}"), 304),
            ("*".to_owned(), 304),
            ("\"other\"".to_owned(), 200),
        ] {
            let mut request = HeaderMap::new();
            request.insert(IF_NONE_MATCH, HeaderValue::try_from(&tags).unwrap());
            let response = page.answer("index.html", &request).unwrap();
            assert_eq!(response.status().as_u16(), status, "{tags}");
            assert_eq!(response.headers()[ETAG], etag);
        }
    }

    #[test]
    fn other_names_are_not_found() {
        for name in ["", "nope", "../Cargo.toml", "index.html/"] {
            assert!(Page::new().answer(name, &HeaderMap::new()).is_err(), "{name}");
        }
    }
}
