//! Who answers: the service, its version, and the pod and node that it runs on.

use contract::served_by::entry;
use hyper::header::{HeaderName, HeaderValue};
use serde::Serialize;

use crate::settings::environment::{Environment, Variable};

/// The reply header that names who answered.
pub const SERVED_BY: HeaderName = HeaderName::from_static(contract::served_by::NAME);

/// The setting that says which version this is.
pub(crate) const VERSION: Variable =
    Variable::new(contract::VERSION, "dev", "version of the image, in x-served-by, logs and metrics");

/// Identity of this process. Serializes as the `served_by` object of JSON replies.
#[derive(Debug, Clone, Serialize)]
pub struct Identity {
    /// Name of the service, such as `backend`.
    pub service: String,
    /// Version of the image, from the setting `VERSION`; `dev` outside an image.
    pub version: String,
    /// Pod name from the downward API, or the host's name.
    pub pod: String,
    /// Node name from the downward API; empty outside a cluster.
    pub node: String,
    /// Names of the faults that are switched on; left out of the object where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<&'static str>,
    /// Namespace from the downward API; empty outside a cluster.
    #[serde(skip)]
    pub namespace: String,
    /// Pod address from the downward API; empty outside a cluster.
    #[serde(skip)]
    pub address: String,
}

impl Identity {
    /// Reads who answers, where the service is called `service` unless told otherwise.
    pub(crate) fn read(environment: &mut Environment, service: &'static str) -> Self {
        let about = "name in x-served-by, logs and metrics";
        let service = environment.name(Variable::new("SERVICE_NAME", service, about));
        let about = "name of the pod (downward API); empty is the host's name";
        let pod = environment.optional_name("POD_NAME", about).unwrap_or_else(host_name);
        let version = environment.name(VERSION);
        let mut optional = |name, about| environment.optional_name(name, about).unwrap_or_default();
        Self {
            service,
            version,
            pod,
            namespace: optional("POD_NAMESPACE", "namespace of the pod (downward API)"),
            node: optional("NODE_NAME", "name of the node (downward API)"),
            address: optional("POD_IP", "address of the pod (downward API)"),
            faults: Vec::new(),
        }
    }

    /// What this process adds to [`SERVED_BY`].
    ///
    /// # Panics
    /// Where a part holds a control character, which the parser of the configuration refuses.
    pub fn served_by(&self) -> HeaderValue {
        HeaderValue::try_from(entry(&self.service, &self.version, &self.pod)).expect("names are visible ASCII")
    }

    /// The `served_by` object as JSON text, ready to be put into a body.
    ///
    /// # Panics
    /// Never: a struct of strings always serializes.
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("strings serialize")
    }
}

/// The host's name, which in a pod is the pod's name. Read from the kernel: the name service is not asked.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String =
        name.trim().chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')).collect();
    if name.is_empty() { "unknown".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_and_json_name_the_same() {
        let mut identity = Identity {
            service: "backend".into(),
            version: "v2".into(),
            pod: "backend-1".into(),
            node: "worker".into(),
            namespace: "default".into(),
            address: "10.0.0.1".into(),
            faults: Vec::new(),
        };
        assert_eq!(identity.served_by(), "backend/v2/backend-1");
        assert_eq!(identity.json(), r#"{"service":"backend","version":"v2","pod":"backend-1","node":"worker"}"#);
        identity.faults = vec!["slow-start", "crash"];
        assert!(identity.json().ends_with(r#","faults":["slow-start","crash"]}"#), "{}", identity.json());
    }
}
