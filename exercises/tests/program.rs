//! What the program does without a cluster.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A folder of a learner who begins.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    drop(fs::remove_dir_all(&folder));
    folder
}

/// Runs the program with words behind it and lines to read.
fn exercises(folder: &Path, words: &[&str], lines: &str) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_exercises"));
    program.arg("--folder").arg(folder).args(words).env("KUBECONFIG", "/nowhere");
    let mut running =
        program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it was compiled");
    // One that has ended already reads nothing.
    drop(running.stdin.take().expect("it is a pipe").write_all(lines.as_bytes()));
    running.wait_with_output().expect("it is ours")
}

/// What was printed, with each of `words` in it, in this order.
#[track_caller]
fn assert_says(output: &Output, words: &[&str]) {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let mut rest = &*text;
    for word in words {
        let (_, behind) = rest.split_once(word).unwrap_or_else(|| panic!("no {word:?} behind the others in\n{text}"));
        rest = behind;
    }
}

#[test]
fn a_session_gives_three_hints_and_the_solution_last() {
    let folder = folder("hints");
    let lines = "go services\nsolution\nhint\nhint\nhint\nhint\nsolution\nwhat\nnext\nquit\n";
    let output = exercises(&folder, &[], lines);
    assert!(output.status.success());
    assert_says(
        &output,
        &[
            "Save a file and it is checked",
            "(images)",
            "Phase 3: Services (services)",
            "3 of 3 hints are left",
            "hint 1 of 3",
            "hint 3 of 3",
            "That was the last hint",
            "app: backend\n",
            "\"what\" is none of these",
            "services stays open",
            "(ingress)",
        ],
    );
    assert!(!output.stdout.contains(&0x1b), "no terminal, no colours");
    // The progress is kept.
    assert_says(&exercises(&folder, &["solution", "services"], ""), &["app: frontend\n"]);
}

#[test]
fn a_reset_keeps_what_was_written() {
    let folder = folder("reset");
    assert_says(&exercises(&folder, &["list"], ""), &["open  images", "open  discussion"]);
    let file = folder.join("k8s/backend-hpa.yaml");
    let blank = fs::read_to_string(&file).unwrap();
    assert!(blank.contains("# TODO(human): between 2 and 8 pods"), "{blank}");
    fs::write(&file, "mine").unwrap();
    assert_says(&exercises(&folder, &["list"], ""), &["open  autoscaler"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    assert_says(&exercises(&folder, &["reset", "autoscaler"], ""), &["backend-hpa.yaml.1", "the blanks are back"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), blank);
    assert_eq!(fs::read_to_string(folder.join("k8s/backend-hpa.yaml.1")).unwrap(), "mine");
}

#[test]
fn an_exit_status_tells_wrong_usage_from_no_cluster() {
    let folder = folder("status");
    for (words, code, named) in [
        (&["check", "service"][..], 64, "no exercise \"service\": images, deployments, services"),
        (&["chekc", "services"][..], 64, "chekc"),
        (&["check", "services"][..], 2, "no cluster answers: `make up` starts one"),
    ] {
        let output = exercises(&folder, words, "");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(code) && said.contains(named), "{words:?}: {said}");
    }
    // A session goes on without one.
    assert_says(&exercises(&folder, &[], "check\nhint\n"), &["no cluster answers", "hint 1 of 3"]);
}
