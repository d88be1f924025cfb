//! Reads YAML by kubectl, which is there anyway: what it says of a mistake is what it says at `kubectl apply`.

use std::path::{Path, PathBuf};

use e2e::{Error, Shell};
use serde_json::{Deserializer, Value};

/// Every object of `files`, in their order. No cluster is asked.
///
/// # Errors
/// What kubectl says of a file that is no manifest.
pub(crate) fn read(shell: &Shell, files: &[PathBuf]) -> Result<Vec<Value>, Error> {
    let listed: Vec<String> = files.iter().map(|file| quoted(file)).collect();
    let output = shell.try_attempt(&format!(
        "KUBECONFIG=/dev/null kubectl patch --local --type=merge -p '{{}}' -o json -f {}",
        listed.join(" -f ")
    ))?;
    if !output.succeeded() {
        return Err(Error::Failed(output.stderr.trim().trim_start_matches("error: ").to_owned()));
    }
    let objects = Deserializer::from_str(&output.stdout).into_iter();
    objects.collect::<Result<_, _>>().map_err(|error| Error::Failed(format!("kubectl printed no JSON: {error}")))
}

/// A path as one word of a shell's line.
pub(crate) fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}
