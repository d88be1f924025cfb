//! A gateway that asks who the client is: by keys and by tokens, over real connections, while the secrets change.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base64ct::{Base64UrlUnpadded, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use testing::program::{Program, address, refusal};
use testing::scripted::Scripted;
use testing::wire::{Reply, Wire, get, until};

use crate::GATEWAY;
use crate::gateways::{Routed, table};

const OLD: &str = "old-key-old-key-old-key";
const KEPT: &str = "kept-key-kept-key-kept-key";
const NEW: &str = "new-key-new-key-new-key";
const SHARED: &str = "a shared secret of at least 32 bytes";

/// An upstream that answers with the head of the request, in lower case.
async fn echo() -> Scripted {
    Scripted::start(|_, mut upstream| async move {
        while let Some(head) = upstream.head().await {
            upstream.send(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{head}", head.len())).await;
        }
    })
    .await
}

/// A gateway with one route, `/x`, that has `auth`, and beside it `/open` without.
async fn guarded(auth: Value, secrets: &[(&str, &str)]) -> (Routed, Scripted) {
    let upstream = echo().await;
    let table = table(&[("echo", &upstream)], &routes(&auth));
    (Routed::with_secrets(&table, secrets), upstream)
}

fn routes(auth: &Value) -> Value {
    json!([{"path": "/x", "upstream": "echo", "auth": auth}, {"path": "/open", "upstream": "echo"}])
}

fn by_key() -> Value {
    json!({"apiKey": {"secret": "partners"}})
}

async fn with_key(routed: &Routed, key: &str) -> Reply {
    routed.ask("GET", "/x", &format!("X-Api-Key: {key}\r\n")).await
}

async fn with_token(routed: &Routed, token: &str) -> Reply {
    routed.ask("GET", "/x", &format!("Authorization: Bearer {token}\r\n")).await
}

fn detail(reply: &Reply) -> String {
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    serde_json::from_slice::<Value>(&reply.body).unwrap()["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_key_opens_the_route_and_stays_here() {
    let (routed, upstream) = guarded(by_key(), &[("partners", &format!("shop:{KEPT}"))]).await;
    for headers in [String::new(), format!("X-Api-Key: {OLD}\r\n"), format!("Authorization: Bearer {KEPT}\r\n")] {
        let refused = routed.ask("GET", "/x", &headers).await;
        assert_eq!(refused.status, 401, "{headers}");
        assert_eq!(refused.header("www-authenticate"), Some("ApiKey realm=\"gateway\", header=\"x-api-key\""));
        assert!(detail(&refused).contains("x-api-key") && !refused.text().contains("old-key"), "{}", refused.text());
    }
    let twice = routed.ask("GET", "/x", &format!("X-Api-Key: {KEPT}\r\nX-Api-Key: {KEPT}\r\n")).await;
    assert_eq!(twice.status, 400);
    assert_eq!(upstream.connections(), 0, "what is refused does not reach the upstream");

    let reply = with_key(&routed, KEPT).await;
    assert_eq!(reply.status, 200);
    assert!(reply.text().contains("\r\nx-auth-client: shop\r\n"), "{}", reply.text());
    assert!(!reply.text().contains("x-api-key") && !reply.text().contains(KEPT), "{}", reply.text());
}

#[tokio::test]
async fn nobody_says_himself_which_client_he_is() {
    let (routed, _upstream) = guarded(by_key(), &[("partners", &format!("shop:{KEPT}"))]).await;
    let spoofed = "X-Auth-Client: admin\r\nx_auth_client: admin\r\nX-Auth_Client: admin\r\nX-Auth-Client: admin\r\n";
    let open = routed.ask("GET", "/open", &format!("{spoofed}Authorization: Basic dTpw\r\n")).await;
    assert!(!open.text().contains("admin"), "{}", open.text());
    assert!(open.text().contains("authorization: basic dtpw"), "not the gateway's to read: {}", open.text());
    let key = format!("{spoofed}Connection: x-auth-client\r\nX-Api-Key: {KEPT}\r\n");
    let guarded = routed.ask("GET", "/x", &key).await;
    assert!(!guarded.text().contains("admin"), "{}", guarded.text());
    assert_eq!(guarded.text().matches("x-auth-client: shop\r\n").count(), 1, "{}", guarded.text());
}

#[tokio::test]
async fn keys_are_replaced_while_requests_run_and_none_with_a_key_that_stays_fails() {
    let before = format!("shop:{OLD}\nshop:{KEPT}\n");
    let (routed, _upstream) = guarded(by_key(), &[("partners", &before)]).await;
    assert_eq!((with_key(&routed, OLD).await.status, with_key(&routed, NEW).await.status), (200, 401));

    let gateway = routed.gateway.address;
    let answered = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&answered);
    let client = tokio::spawn(async move {
        let mut wire = Wire::connect(gateway).await.unwrap();
        loop {
            let reply = wire.ask("GET", "/x", &format!("X-Api-Key: {KEPT}\r\n")).await.unwrap();
            assert_eq!(reply.status, 200);
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    let ten_more = async || {
        let enough = answered.load(Ordering::SeqCst) + 10;
        until("ten more", async || client.is_finished() || answered.load(Ordering::SeqCst) >= enough).await;
    };
    ten_more().await;
    routed.write_secret("partners", &format!("# the old one is out\nshop:{KEPT}\nshop:{NEW}\n"));
    until("the new key", async || with_key(&routed, NEW).await.status == 200).await;
    assert_eq!(with_key(&routed, OLD).await.status, 401, "both change at once");
    ten_more().await;
    assert!(!client.is_finished(), "a request with the key that stays has failed");
    client.abort();
    assert!(routed.counts("route_table_reloads_total{outcome=\"in_force\"} 1"));

    routed.write_secret("partners", "shop:short");
    until("the refusal", async || routed.counts("route_table_reloads_total{outcome=\"refused\"} 1")).await;
    assert_eq!(with_key(&routed, NEW).await.status, 200, "a bad secret changes nothing");
}

#[tokio::test]
async fn a_key_that_is_taken_back_holds_no_more_whatever_is_wrong_with_the_table() {
    let (routed, upstream) = guarded(by_key(), &[("partners", &format!("shop:{OLD}"))]).await;
    routed.write("{");
    until("the refusal", async || routed.counts("route_table_reloads_total{outcome=\"refused\"} 1")).await;
    routed.write_secret("partners", &format!("shop:{NEW}"));
    until("the new key", async || with_key(&routed, NEW).await.status == 200).await;
    assert_eq!(with_key(&routed, OLD).await.status, 401);

    // A table that comes before its secret waits for it.
    let waiting = table(&[("echo", &upstream)], &routes(&json!({"apiKey": {"secret": "late"}})));
    routed.write(&waiting.to_string());
    until("the refusal", async || routed.counts("route_table_reloads_total{outcome=\"refused\"} 2")).await;
    assert_eq!(with_key(&routed, NEW).await.status, 200);
    routed.write_secret("late", &format!("shop:{KEPT}"));
    until("the late secret", async || with_key(&routed, KEPT).await.status == 200).await;
    assert_eq!(with_key(&routed, NEW).await.status, 401);
}

#[tokio::test]
async fn pages_read_why_they_are_refused_and_ask_without_a_key() {
    let upstream = echo().await;
    let cors = json!({"origins": ["https://shop.example"], "headers": ["x-api-key"]});
    let entries = json!([{"path": "/x", "upstream": "echo", "auth": by_key(), "cors": cors}]);
    let secrets = [("partners", &*format!("shop:{KEPT}"))];
    let routed = Routed::with_secrets(&table(&[("echo", &upstream)], &entries), &secrets);
    let asked = "Origin: https://shop.example\r\nAccess-Control-Request-Method: GET\r\n";
    let answer = routed.ask("OPTIONS", "/x", asked).await;
    assert_eq!((answer.status, answer.header("access-control-allow-headers")), (204, Some("x-api-key")));
    let refused = routed.ask("GET", "/x", "Origin: https://shop.example\r\n").await;
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (401, Some("https://shop.example")));
    assert!(refused.header("www-authenticate").is_some());
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn a_limit_by_client_counts_all_its_keys_together_and_no_request_that_is_nobodys() {
    let upstream = echo().await;
    let limit = json!({"requests": 2, "periodSeconds": 60, "byClient": true});
    let entries = json!([{"path": "/x", "upstream": "echo", "auth": by_key(), "rateLimit": limit}]);
    let keys = format!("shop:{OLD}\nshop:{KEPT}\nbank:{NEW}");
    let routed = Routed::with_secrets(&table(&[("echo", &upstream)], &entries), &[("partners", &keys)]);
    for _ in 0..5 {
        assert_eq!(routed.get("/x").await.status, 401);
    }
    let statuses = async |key| with_key(&routed, key).await.status;
    assert_eq!([statuses(OLD).await, statuses(KEPT).await, statuses(OLD).await], [200, 200, 429]);
    assert_eq!(statuses(NEW).await, 200, "another client");

    // New keys leave the route the same one: nobody's allowance is whole again.
    routed.write_secret("partners", &format!("shop:{KEPT}"));
    until("the new keys", async || statuses(NEW).await == 401).await;
    assert_eq!(statuses(KEPT).await, 429);
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let encoded = |value: &Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    format!("{}.{}", encoded(header), encoded(claims))
}

fn hs256(secret: &[u8], claims: &Value) -> String {
    let text = unsigned(&json!({"alg": "HS256", "typ": "JWT"}), claims);
    let tag = Hmac::<Sha256>::new_from_slice(secret).unwrap().chain_update(&text).finalize().into_bytes();
    format!("{text}.{}", Base64UrlUnpadded::encode_string(&tag))
}

/// Claims that are accepted, with `changed` in their place.
fn claims(changed: &Value) -> Value {
    let mut claims = json!({"sub": "ann", "iss": "https://id.example", "aud": ["shop"], "exp": now() + 600});
    for (name, value) in changed.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn by_token(algorithm: &str) -> Value {
    json!({"jwt": {"secret": "issuer", "algorithm": algorithm, "issuer": "https://id.example", "audience": "shop"}})
}

#[tokio::test]
async fn a_token_opens_the_route_and_each_that_should_not_is_told_why() {
    let (routed, upstream) = guarded(by_token("HS256"), &[("issuer", SHARED)]).await;
    let good = hs256(SHARED.as_bytes(), &claims(&json!({})));
    let (text, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = text.split_once('.').unwrap();
    let admin = Base64UrlUnpadded::encode_string(claims(&json!({"sub": "admin"})).to_string().as_bytes());
    let signed = |changed: &Value| hs256(SHARED.as_bytes(), &claims(changed));
    for (token, expected) in [
        (signed(&json!({"exp": now() - 60})), "has expired"),
        (signed(&json!({"exp": null})), "has no exp"),
        (signed(&json!({"nbf": now() + 600})), "not in force yet"),
        (signed(&json!({"aud": "bank"})), "another audience"),
        (signed(&json!({"iss": "https://id.example.evil"})), "another issuer"),
        (signed(&json!({"sub": "a b"})), "names no client"),
        (hs256(b"another secret of at least 32 byt", &claims(&json!({}))), "signature"),
        (format!("{}.", unsigned(&json!({"alg": "none"}), &claims(&json!({})))), "in another way"),
        (format!("{text}."), "signature"),
        (format!("{header}.{admin}.{signature}"), "signature"),
        (format!("{good}garbage"), "no JSON Web Token"),
        (format!("{good} garbage"), "no JSON Web Token"),
        (format!("{good}.{signature}"), "no JSON Web Token"),
        ("a".repeat(8193), "longer than 8192 bytes"),
        (signed(&json!({"padding": "a".repeat(8192)})), "longer than 8192 bytes"),
    ] {
        let refused = with_token(&routed, &token).await;
        assert_eq!(refused.status, 401, "{expected}");
        let detail = detail(&refused);
        assert!(detail.contains(expected), "{expected}: {detail}");
        let challenge = format!("Bearer realm=\"gateway\", error=\"invalid_token\", error_description=\"{detail}\"");
        assert_eq!(refused.header("www-authenticate"), Some(&*challenge));
        assert!(!refused.text().contains(signature));
    }
    for headers in ["", "Authorization: Basic dTpw\r\n", "Authorization: Bearer\r\n"] {
        let refused = routed.ask("GET", "/x", headers).await;
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer realm=\"gateway\"")));
    }
    let twice = format!("Authorization: Bearer {good}\r\nAuthorization: Bearer {good}\r\n");
    let refused = routed.ask("GET", "/x", &twice).await;
    assert_eq!(refused.status, 400);
    assert!(refused.header("www-authenticate").unwrap().contains("error=\"invalid_request\""));
    assert_eq!(upstream.connections(), 0, "what is refused does not reach the upstream");

    let reply = with_token(&routed, &good).await;
    assert_eq!(reply.status, 200);
    assert!(reply.text().contains("\r\nx-auth-client: ann\r\n"), "{}", reply.text());
    assert!(!reply.text().contains("authorization"), "{}", reply.text());
}

/// What people copy from the documentation works.
#[tokio::test]
async fn the_route_table_of_the_documentation_is_one() {
    let page = include_str!("../../../docs/gateway.md");
    let (_, rest) = page.split_once("```json\n").unwrap();
    let (example, _) = rest.split_once("\n```").unwrap();
    let example: Value = serde_json::from_str(example).unwrap();
    let (issuer, keys) = (Issuer::new("documentation", 2048), format!("shop:{KEPT}"));
    let secrets = [("orders.pem", issuer.public.as_str()), ("shops", &keys)];
    let routed = Routed::with_secrets(&example, &secrets);
    // It looks for its upstreams, which this machine has no names of, and starts without.
    until("the start", async || routed.get("/ready").await.status == 200).await;
    let reply = routed.get("/products").await;
    assert_eq!(reply.header("www-authenticate"), Some("ApiKey realm=\"gateway\", header=\"x-api-key\""));
    assert_eq!(routed.get("/orders").await.status, 404, "it is for another host");
}

/// RSA keys of an issuer, made by another program than the one that verifies.
struct Issuer {
    directory: PathBuf,
    public: String,
}

impl Issuer {
    fn new(name: &str, bits: u32) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("issuer-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let key = directory.join("key.pem");
        let key = key.to_str().unwrap();
        openssl(&[
            "genpkey",
            "-quiet",
            "-algorithm",
            "RSA",
            "-pkeyopt",
            &format!("rsa_keygen_bits:{bits}"),
            "-out",
            key,
        ]);
        let public = String::from_utf8(openssl(&["pkey", "-in", key, "-pubout"])).unwrap();
        Self { directory, public }
    }

    fn sign(&self, algorithm: &str, claims: &Value) -> String {
        let text = unsigned(&json!({"alg": algorithm}), claims);
        let (key, input) = (self.directory.join("key.pem"), self.directory.join("input"));
        std::fs::write(&input, &text).unwrap();
        let signature = openssl(&["dgst", "-sha256", "-sign", key.to_str().unwrap(), input.to_str().unwrap()]);
        format!("{text}.{}", Base64UrlUnpadded::encode_string(&signature))
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn openssl(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("openssl").args(arguments).output().expect("openssl is installed");
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[tokio::test]
async fn a_token_is_verified_with_the_issuers_public_key_and_in_no_other_way() {
    let (issuer, next) = (Issuer::new("now", 2048), Issuer::new("next", 3072));
    let (routed, _upstream) = guarded(by_token("RS256"), &[("issuer", &issuer.public)]).await;
    let good = issuer.sign("RS256", &claims(&json!({})));
    let reply = with_token(&routed, &good).await;
    assert!(reply.status == 200 && reply.text().contains("\r\nx-auth-client: ann\r\n"), "{}", reply.text());

    // Whoever has the public key, which is no secret, could sign these.
    let forged =
        [issuer.public.as_str(), issuer.public.trim_end()].map(|pem| hs256(pem.as_bytes(), &claims(&json!({}))));
    for (token, expected) in [
        (forged[0].as_str(), "in another way"),
        (&forged[1], "in another way"),
        (&issuer.sign("none", &claims(&json!({}))), "in another way"),
        (&issuer.sign("RS384", &claims(&json!({}))), "in another way"),
        (&next.sign("RS256", &claims(&json!({}))), "signature"),
        (&format!("{good}AAAA"), "signature"),
        (&issuer.sign("RS256", &claims(&json!({"exp": now() - 60}))), "has expired"),
    ] {
        let refused = with_token(&routed, token).await;
        assert_eq!(refused.status, 401, "{expected}");
        assert!(detail(&refused).contains(expected), "{expected}: {}", refused.text());
    }

    // The issuer changes its key: for a while tokens of both are about.
    routed.write_secret("issuer", &format!("{}{}", issuer.public, next.public));
    let other = next.sign("RS256", &claims(&json!({"sub": "bob"})));
    until("the next key", async || with_token(&routed, &other).await.status == 200).await;
    assert_eq!(with_token(&routed, &good).await.status, 200);

    let weak = Issuer::new("weak", 1024);
    routed.write_secret("issuer", &weak.public);
    until("the refusal", async || routed.counts("route_table_reloads_total{outcome=\"refused\"} 1")).await;
    assert_eq!(with_token(&routed, &weak.sign("RS256", &claims(&json!({})))).await.status, 401);
    assert_eq!(with_token(&routed, &good).await.status, 200);
}

/// A folder with a table of two guarded routes, and its secrets.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let table = json!({
        "upstreams": {"echo": {"url": "http://127.0.0.1:1"}},
        "routes": [
            {"path": "/x", "upstream": "echo", "auth": by_key()},
            {"path": "/y", "upstream": "echo", "auth": {"jwt": {"secret": "issuer", "algorithm": "HS256"}}},
        ],
    });
    std::fs::write(folder.join("routes.json"), table.to_string()).unwrap();
    std::fs::write(folder.join("partners"), format!("shop:{KEPT}")).unwrap();
    std::fs::write(folder.join("issuer"), SHARED).unwrap();
    folder
}

#[tokio::test]
async fn no_secret_is_in_the_log_or_in_what_is_shown_of_the_table() {
    let folder = folder("shown");
    let routes = folder.join("routes.json");
    let environment = [
        ("ROUTES_FILE", routes.to_str().unwrap()),
        ("CREDENTIALS_DIR", folder.to_str().unwrap()),
        ("LOG_LEVEL", "trace"),
    ];
    let mut program = Program::spawn(&mut Command::new(GATEWAY), &environment);
    let mut log = program.lines_to("ready");
    let listening = log.iter().find(|line| line["message"] == "listening").unwrap();
    let (service, metrics) = (address(listening, "address"), address(listening, "metrics_address"));

    let token = hs256(SHARED.as_bytes(), &json!({"sub": "ann", "exp": now() + 600}));
    for (path, header, expected) in [
        ("/x", format!("X-Api-Key: {KEPT}\r\n"), 502),
        ("/x", format!("X-Api-Key: {OLD}\r\n"), 401),
        ("/y", format!("Authorization: Bearer {token}\r\n"), 502),
        ("/y", format!("Authorization: Bearer {token}x\r\n"), 401),
    ] {
        let reply = Wire::connect(service).await.unwrap().ask("GET", path, &header).await.unwrap();
        assert_eq!(reply.status, expected, "{path}");
    }
    std::fs::write(folder.join("partners"), format!("shop:{NEW}\nshop {OLD}")).unwrap();
    log.extend(program.lines_to("the new route table is refused"));
    assert!(log.last().unwrap()["error"].as_str().unwrap().contains("line 2: accepted is CLIENT:KEY"));
    let shown = get(metrics, "/routes").await;
    assert!(shown.text().contains("\"secret\":\"partners\"") && shown.text().contains("\"secret\":\"issuer\""));
    let measured = get(metrics, "/metrics").await;

    program.signal("-TERM");
    log.extend(program.lines_to("exit"));
    let log = serde_json::to_string(&log).unwrap();
    for secret in [KEPT, OLD, NEW, SHARED, &token] {
        for (place, text) in [("log", log.as_str()), ("routes", shown.text()), ("metrics", measured.text())] {
            assert!(!text.contains(secret), "{secret} is in the {place}");
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_secret_that_is_missing_ends_the_start_and_says_which() {
    let folder = folder("missing");
    std::fs::remove_file(folder.join("issuer")).unwrap();
    std::fs::write(folder.join("partners"), format!("shop {KEPT}")).unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (routes, secrets) = (path(&folder.join("routes.json")), path(&folder));
    let text = refusal(GATEWAY, &[("ROUTES_FILE", &routes), ("CREDENTIALS_DIR", &secrets)]);
    for expected in [
        "routes[0]: auth.apiKey.secret \"partners\": line 1: accepted is CLIENT:KEY",
        "routes[1]: auth.jwt.secret \"issuer\": can't be read from CREDENTIALS_DIR: No such file",
    ] {
        assert!(text.contains(expected) && !text.contains(KEPT), "{text}");
    }
    let text = refusal(GATEWAY, &[("ROUTES_FILE", &routes)]);
    assert!(text.contains("set CREDENTIALS_DIR"), "{text}");
    std::fs::remove_dir_all(folder).unwrap();
}
