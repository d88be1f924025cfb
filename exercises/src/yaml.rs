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

#[cfg(test)]
mod tests {
    use std::fs;

    use e2e::shell::root;

    use super::*;

    #[test]
    fn what_is_no_yaml_is_told_with_its_line() {
        let folder = root().join("target/exercises/a folder's name");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("tab.yaml");
        let path = format!("{}:{}", root().join(".cluster/bin").display(), std::env::var("PATH").unwrap());
        for (text, said) in [
            ("kind: Service\nspec:\n\ttype: ClusterIP\n", "line 3: found character that cannot start any token"),
            ("kind: Service\n type: ClusterIP\n", "line 2: mapping values are not allowed"),
            ("spec: {}\n", "Kind"),
        ] {
            fs::write(&file, text).unwrap();
            let error =
                read(&Shell::default().with("PATH", &path), std::slice::from_ref(&file)).unwrap_err().to_string();
            assert!(error.contains(said), "{text:?}: {error}");
        }
    }
}
