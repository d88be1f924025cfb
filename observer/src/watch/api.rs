//! The API server: a connection for each request, checked by the cluster's own authority, with the token of the pod's account.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, HOST, HeaderValue};
use hyper::rt::{Read, Write};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The longest token, in bytes.
const LONGEST_TOKEN: u64 = 16 << 10;

/// A feature of a processor, and whether this one has it.
type Feature = (&'static str, fn() -> bool);

/// What graviola takes of a processor, and whether it is there.
#[cfg(target_arch = "x86_64")]
const PROCESSOR: &[Feature] = &[
    ("AES", || std::arch::is_x86_feature_detected!("aes")),
    ("SSSE3", || std::arch::is_x86_feature_detected!("ssse3")),
    ("PCLMULQDQ", || std::arch::is_x86_feature_detected!("pclmulqdq")),
    ("AVX2", || std::arch::is_x86_feature_detected!("avx2")),
    ("BMI2", || std::arch::is_x86_feature_detected!("bmi2")),
    ("ADX", || std::arch::is_x86_feature_detected!("adx")),
];
#[cfg(target_arch = "aarch64")]
const PROCESSOR: &[Feature] = &[
    ("AES", || std::arch::is_aarch64_feature_detected!("aes")),
    ("SHA2", || std::arch::is_aarch64_feature_detected!("sha2")),
    ("PMULL", || std::arch::is_aarch64_feature_detected!("pmull")),
];

/// Where the API server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    host: String,
    port: u16,
    /// Plain is what `kubectl proxy` speaks, which asks in the name of its user.
    secure: bool,
}

impl Url {
    /// What is accepted, in words.
    pub const ACCEPTED: &'static str = "https://HOST or https://HOST:PORT without a path; http:// is for kubectl proxy";

    /// Reads it.
    pub fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let secure = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        let bare = uri.path_and_query().is_none_or(|path| path == "/") && !authority.as_str().contains('@');
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        (bare && !text.contains('#') && port > 0 && !host.is_empty()).then_some(Self { host, port, secure })
    }
}

/// The folder in which the kubelet keeps what a pod needs to ask: `token`, which it renews, and `ca.crt`.
#[derive(Debug, Clone)]
pub struct Credentials(pub PathBuf);

/// The API server, asked about one namespace.
pub struct Api {
    url: Url,
    namespace: String,
    /// Without it, it is spoken to in the clear, and is told no token.
    secure: Option<Secure>,
}

struct Secure {
    connector: TlsConnector,
    name: ServerName<'static>,
    token: PathBuf,
}

impl Api {
    /// The API server at `url`.
    ///
    /// # Errors
    /// Where the credentials can't be read, or there is no such name.
    pub fn new(url: Url, credentials: &Credentials, namespace: String) -> Result<Self, String> {
        let secure = if url.secure { Some(Secure::new(&url, &credentials.0)?) } else { None };
        Ok(Self { url, namespace, secure })
    }

    /// The namespace that is asked about.
    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The reply to a GET of `path`.
    ///
    /// # Errors
    /// Where there is none, in words for a log.
    pub(super) async fn get(&self, path: &str) -> Result<Response<Incoming>, String> {
        let Url { host, port, .. } = &self.url;
        let stream =
            TcpStream::connect((host.as_str(), *port)).await.map_err(|error| format!("{host}:{port}: {error}"))?;
        let Some(secure) = &self.secure else { return send(stream, self.request(path, None)?).await };
        let token = secure.token().await?;
        let stream = secure.connector.connect(secure.name.clone(), stream).await;
        send(stream.map_err(|error| format!("{host}:{port}: {error}"))?, self.request(path, Some(token))?).await
    }

    fn request(&self, path: &str, token: Option<HeaderValue>) -> Result<Request<Empty<Bytes>>, String> {
        let request = Request::get(path).header(HOST, &self.url.host).header(ACCEPT, "application/json");
        let mut request = request.body(Empty::new()).map_err(|error| error.to_string())?;
        if let Some(token) = token {
            request.headers_mut().insert(AUTHORIZATION, token);
        }
        Ok(request)
    }
}

impl Secure {
    fn new(url: &Url, folder: &Path) -> Result<Self, String> {
        // Without them graviola ends the process.
        if let Some(lacking) = PROCESSOR.iter().find_map(|(feature, there)| (!there()).then_some(feature)) {
            return Err(format!("this processor has no {lacking}, which TLS takes here"));
        }
        let authority = folder.join("ca.crt");
        let unreadable = |why: &dyn std::fmt::Display| format!("{}: {why}", authority.display());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&authority).map_err(|error| unreadable(&error))? {
            let certificate = certificate.map_err(|error| unreadable(&error))?;
            roots.add(certificate).map_err(|error| unreadable(&error))?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(rustls_graviola::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(url.host.clone()).map_err(|error| format!("{}: {error}", url.host))?;
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name, token: folder.join("token") })
    }

    /// The token as it is now.
    async fn token(&self) -> Result<HeaderValue, String> {
        let path = self.token.clone();
        let read = tokio::task::spawn_blocking(move || {
            let size = std::fs::metadata(&path).map_err(|error| format!("{}: {error}", path.display()))?.len();
            if size > LONGEST_TOKEN {
                return Err(format!("{}: {size} bytes", path.display()));
            }
            std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
        });
        let token = read.await.map_err(|error| error.to_string())??;
        let mut token = HeaderValue::try_from(format!("Bearer {}", token.trim())).map_err(|error| error.to_string())?;
        token.set_sensitive(true);
        Ok(token)
    }
}

/// Bytes of a reply that are held before they are read, of which its head must not be more.
const BUFFERED: usize = 64 << 10;

/// Sends `request` on `stream`, whose connection lasts as long as the reply.
pub(super) async fn send<S>(stream: S, request: Request<Empty<Bytes>>) -> Result<Response<Incoming>, String>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    TokioIo<S>: Read + Write,
{
    let mut connecting = http1::Builder::new();
    let handshake = connecting.max_buf_size(BUFFERED).handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_by_the_table() {
        let parsed = |text| Url::parse(text).map(|url| format!("{} {} {}", url.host, url.port, url.secure));
        for (text, expected) in [
            ("https://kubernetes.default.svc", "kubernetes.default.svc 443 true"),
            ("https://10.96.0.1:6443/", "10.96.0.1 6443 true"),
            ("https://[fd00::1]", "fd00::1 443 true"),
            ("http://127.0.0.1:8001", "127.0.0.1 8001 false"),
        ] {
            assert_eq!(parsed(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "kubernetes",
            "ftp://a",
            "https://",
            "https://a/path",
            "https://u@a",
            "https://a:0",
            "https://a#f",
            "https://a?x",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
