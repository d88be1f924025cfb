//! The observer's own settings.

use std::path::PathBuf;

use service::settings::environment::{Environment, Variable};

use crate::known::Kind;
use crate::watch::{Credentials, Url};

service::settings! {
    /// The observer's own settings.
    #[derive(Debug, Clone)]
    pub struct Config {
        /// where the API server is; http:// is for kubectl proxy
        api: Url = parse("API_URL", "https://kubernetes.default.svc", Url::ACCEPTED, Url::parse);
        /// The token and the authority.
        credentials: Credentials = part(credentials);
        /// follow the nodes too, which takes a ClusterRole
        nodes: bool = switch("OBSERVE_NODES");
        /// pages that may follow at the same time; further ones are answered 503
        streams: usize = number("MAX_STREAMS", "64", 1, 1000);
    }
}

impl Config {
    /// What is followed.
    pub fn kinds(&self) -> Vec<Kind> {
        Kind::ALL.into_iter().filter(|kind| kind.namespaced() || self.nodes).collect()
    }
}

fn credentials(environment: &mut Environment) -> Credentials {
    let about = "folder with the token of the pod's account and the authority of the API server (ca.crt)";
    let variable = Variable::new("ACCOUNT_DIR", "/var/run/secrets/kubernetes.io/serviceaccount", about);
    environment.parse(variable, "a folder", |text| Some(Credentials(PathBuf::from(text))))
}
