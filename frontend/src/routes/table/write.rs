//! A table as a document: of the form that is read, with nothing left to defaults.

use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use super::{ClientKey, Overrides, Pin, Route, Share, Table, Target};
use crate::auth::Guard;
use crate::upstream::{Resilience, Timeouts};

impl Table {
    /// The table as a document: of the form that [`Table::parse`] reads, with nothing left to defaults. Of secrets it has
    /// the names.
    #[must_use]
    pub fn document(&self) -> Value {
        let upstreams: Map<String, Value> =
            self.upstreams.iter().map(|(name, target)| (name.clone(), target.document())).collect();
        let routes: Vec<Value> = self.routes.iter().map(Route::document).collect();
        json!({"upstreams": upstreams, "routes": routes})
    }
}

impl Target {
    fn document(&self) -> Value {
        let Timeouts { connect, attempt, overall, idle, max_age } = self.timeouts;
        let Resilience { retries, budget, breaker } = self.resilience;
        let open = breaker.unwrap_or_default().open;
        json!({
            "url": format!("http://{}", self.origin.authority),
            "connectTimeoutSeconds": connect.as_secs_f64(),
            "tryTimeoutSeconds": attempt.as_secs_f64(),
            "timeoutSeconds": overall.as_secs_f64(),
            "idleSeconds": idle.as_secs_f64(),
            "maxAgeSeconds": max_age.unwrap_or_default().as_secs_f64(),
            "retries": retries,
            "retryBudgetPercent": budget.percent,
            "breakerFailures": breaker.map_or(0, |terms| terms.failures),
            "breakerOpenSeconds": open.as_secs_f64(),
        })
    }
}

impl Route {
    fn document(&self) -> Value {
        // Of `/` nothing is left without its last slash.
        let whole = |path: &str| if path.is_empty() { "/".to_owned() } else { path.to_owned() };
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = |headers: &[(HeaderName, HeaderValue)]| -> Map<String, Value> {
            headers.iter().map(|(name, value)| (name.to_string(), text(value).into())).collect()
        };
        let split = |share: &Share| json!({"upstream": share.upstream, "weight": share.weight});
        let pin =
            |pin: &Pin| json!({"header": pin.header.as_str(), "value": text(&pin.value), "upstream": pin.upstream});
        let mut document = json!({
            "path": whole(&self.path),
            "exact": self.exact,
            "hosts": self.hosts,
            "methods": self.methods.iter().map(Method::as_str).collect::<Vec<_>>(),
            "split": self.shares.iter().map(split).collect::<Vec<_>>(),
            "upgrades": if self.websocket { vec!["websocket"] } else { Vec::new() },
            "pins": self.pins.iter().map(pin).collect::<Vec<_>>(),
            "requestHeaders": headers(&self.request_headers),
            "responseHeaders": headers(&self.response_headers),
        });
        if let Some(rewrite) = &self.rewrite {
            document["rewrite"] = whole(rewrite).into();
        }
        let Overrides { attempt, overall, retries } = self.persistence;
        for (key, time) in [("tryTimeoutSeconds", attempt), ("timeoutSeconds", overall)] {
            if let Some(time) = time {
                document[key] = time.as_secs_f64().into();
            }
        }
        if let Some(retries) = retries {
            document["retries"] = retries.into();
        }
        for (key, most) in [("maxRequestBytes", self.most_request_bytes), ("maxReplyBytes", self.most_reply_bytes)] {
            if most < u64::MAX {
                document[key] = most.into();
            }
        }
        match &self.auth {
            None => {}
            Some(Guard::ApiKey { secret, header, keys: _ }) => {
                document["auth"] = json!({"apiKey": {"secret": secret, "header": header.as_str()}});
            }
            Some(Guard::Jwt { secret, rules, key }) => {
                let mut jwt = json!({
                    "secret": secret,
                    "algorithm": key.algorithm().name(),
                    "leewaySeconds": rules.leeway.as_secs_f64(),
                });
                for (name, value) in [("issuer", &rules.issuer), ("audience", &rules.audience)] {
                    if let Some(value) = value {
                        jwt[name] = value.as_str().into();
                    }
                }
                document["auth"] = json!({"jwt": jwt});
            }
        }
        if let Some(cors) = &self.cors {
            let names = |names: &[HeaderName]| names.iter().map(HeaderName::to_string).collect::<Vec<_>>();
            let origins: Vec<String> = cors.origins.iter().map(text).collect();
            document["cors"] = json!({
                "origins": if origins.is_empty() { vec!["*".to_owned()] } else { origins },
                "methods": cors.methods.iter().map(Method::as_str).collect::<Vec<_>>(),
                "headers": names(&cors.headers),
                "exposeHeaders": names(&cors.expose),
                "credentials": cors.credentials,
                "maxAgeSeconds": cors.max_age.as_secs_f64(),
            });
        }
        if let Some(fallback) = &self.fallback {
            document["fallback"] = json!({
                "status": fallback.status.as_u16(),
                "contentType": text(&fallback.content_type),
                "body": String::from_utf8_lossy(&fallback.body),
            });
        }
        if let Some(limit) = &self.rate_limit {
            document["rateLimit"] =
                json!({"requests": limit.terms.limit, "periodSeconds": limit.terms.period.as_secs_f64()});
            match &limit.client {
                ClientKey::Address => {}
                ClientKey::Header(name) => document["rateLimit"]["byHeader"] = name.as_str().into(),
                ClientKey::Client => document["rateLimit"]["byClient"] = true.into(),
            }
        }
        document
    }
}
