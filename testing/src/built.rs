//! The other programs of the workspace, for tests that run them beside their own.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The program of `package`, built as `own` was, the program of the test's crate: `cargo test --workspace` has done so, a test of
/// that crate alone does it here. It lies in the same target directory, so the compiler must see the same environment: a program that says how long its
/// tests take is started with `RUSTC_BOOTSTRAP`, which would have crates built anew under the feet of what runs.
pub fn built(own: &str, package: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--locked", "--package", package, "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"))
        .env_remove("RUSTC_BOOTSTRAP")
        .status()
        .expect("cargo runs");
    assert!(status.success(), "{package} was not built: {status}");
    Path::new(own).with_file_name(package)
}
