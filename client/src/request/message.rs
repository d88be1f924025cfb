//! The request that is sent.

use bytes::Bytes;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body_util::Full;

use super::url::Url;

/// Which client this is: the version of the package. The images of v1 and v2 hold the same one.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The header that names a request, kept from hop to hop.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static(contract::REQUEST_ID);

/// What every request of a command has in common.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    /// Method; GET unless told otherwise.
    pub(crate) method: Method,
    /// Headers on the command line; they replace those that are sent by default.
    pub(crate) headers: HeaderMap,
    /// Body; may be empty.
    pub(crate) body: Bytes,
}

impl Message {
    pub(crate) fn to(&self, url: &Url) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = url.path.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, url.authority.clone());
        if let Ok(agent) = HeaderValue::from_str(&format!("client/{VERSION}")) {
            headers.insert(USER_AGENT, agent);
        }
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        for name in self.headers.keys() {
            headers.remove(name);
        }
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_user_replace_the_defaults() {
        let mut headers = HeaderMap::new();
        headers.append(HOST, HeaderValue::from_static("shop.example"));
        headers.append("x-a", HeaderValue::from_static("1"));
        headers.append("x-a", HeaderValue::from_static("2"));
        let message = Message { method: Method::GET, headers, body: Bytes::new() };
        let request = message.to(&Url::parse("http://10.0.0.1/x?y").unwrap());
        assert_eq!(request.uri(), "/x?y");
        assert_eq!(request.headers().get_all(HOST).iter().count(), 1);
        assert_eq!(request.headers()[HOST], "shop.example");
        assert_eq!(request.headers().get_all("x-a").iter().count(), 2);
        assert_eq!(request.headers()[ACCEPT], "*/*");
    }
}
