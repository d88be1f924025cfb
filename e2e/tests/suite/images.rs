//! The Dockerfile's compile stage is real: buildah runs it, on a base image that is assembled here.

use e2e::Shell;
use testing::port;

/// A base image without a registry: an empty file system whose `/usr` and compiler are this machine's own, mounted.
///
/// It stands in for the public Rust image, which is the Dockerfile's default. Its compiler does not optimise, which takes a quarter
/// of the time; that the release's own profile makes the same bytes in two places is what `cluster/fresh` compares. What cargo has
/// made there is kept in a folder of its own for the next time: it knows what has changed.
const BUILD: &str = r#"
    work=target/e2e/compile-stage
    mkdir -p "$work-target"
    rm -rf "$work" && mkdir -p "$work"/base/{usr,etc/ssl,etc/alternatives,tmp,var/tmp,root,rust,fetched-by-cargo}
    trap 'rm -rf "$work"' EXIT
    ln -s usr/bin "$work/base/bin"; ln -s usr/lib "$work/base/lib"; ln -s usr/lib64 "$work/base/lib64"
    cp /etc/passwd /etc/group "$work/base/etc/"
    printf 'FROM scratch\nCOPY base/ /\nENV PATH=/rust/bin:/usr/bin:/bin CARGO_HOME=/fetched-by-cargo %s\n' \
      'CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16' >"$work/Dockerfile"

    # Root without CAP_SYS_RESOURCE may not raise its limits, and buildah would: to 1,048,576 unless it is told (Debian 13), and after
    # it has lowered its own to /proc/sys/kernel/pid_max (Debian 12). What is below all of these is never raised.
    build() {
      buildah --root "$PWD/$work/storage" --runroot "$PWD/$work/run" --storage-driver vfs \
        bud --isolation chroot --pull-never --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 "$@"
    }
    build -t localhost/rust:host "$work"
    build --build-arg RUST_IMAGE=localhost/rust:host --build-arg VERSION=v7 --target backend -t backend:v7 \
      -v /usr:/usr:ro -v /etc/ssl:/etc/ssl:ro -v /etc/alternatives:/etc/alternatives:ro -v "$(rustc --print sysroot):/rust:ro" \
      -v "${CARGO_HOME:-$HOME/.cargo}/registry:/fetched-by-cargo/registry" -v "$PWD/$work-target:/src/target" .

    image() { buildah --root "$PWD/$work/storage" --runroot "$PWD/$work/run" --storage-driver vfs "$@"; }
    container=$(image from --pull-never backend:v7)
    folder=$(image mount "$container")
    ls -A "$folder"
    env "$(image inspect --type image --format '{{range .OCIv1.Config.Env}}{{println .}}{{end}}' backend:v7 | grep ^VERSION=)" \
      "$folder/backend" --version
    # Where crates were unpacked is in no binary: what panics there names /cargo.
    grep -c -F -e /cargo/registry/ "$folder/backend" >&2
    if grep -q -F -e /fetched-by-cargo "$folder/backend"; then echo 'it names the folder of its crates'; fi
    image inspect --type image --format '{{.OCIv1.Config.User}} {{.OCIv1.Config.Entrypoint}}' backend:v7
    image umount "$container" >&2
"#;

#[test]
fn the_compile_stage_builds_the_image_of_a_version() {
    let output = Shell::default().attempt_within(std::time::Duration::from_secs(600), BUILD);
    assert!(output.succeeded(), "{output}");
    let expected = "backend\nbackend v7\n10001:10001 [/backend]";
    assert!(output.stdout.trim_end().ends_with(expected), "{output}");
}

#[test]
fn the_arm64_binaries_start_and_answer() {
    let binaries = "target/images/aarch64-unknown-linux-musl/release";
    let shell = Shell::default()
        .with("BIND_ADDRESS", "127.0.0.1")
        .with("PORT", port::free().to_string())
        .with("METRICS_PORT", port::free().to_string());
    for service in ["backend", "frontend", "systems", "observer"] {
        let server = shell.start(&format!("qemu-aarch64-static {binaries}/{service}"));
        let reply = shell.attempt(&format!(
            "qemu-aarch64-static {binaries}/client wait http://127.0.0.1:$PORT/ready --timeout 60s && \
             qemu-aarch64-static {binaries}/client get -q http://127.0.0.1:$PORT/health"
        ));
        let ended = server.terminate();
        assert!(reply.succeeded() && reply.stdout.contains(service), "{reply}\n{ended}; make binaries compiles them");
        assert_eq!(ended.code, Some(0), "{ended}");
    }
}
