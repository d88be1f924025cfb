//! Checks an exercise: reads its files, applies them, judges their fields, and looks at what they do.

use std::fs;

use e2e::{Error, Shell};

use crate::behaviour;
use crate::cluster::Cluster;
use crate::exercise::Exercise;
use crate::folder::Folder;
use crate::judge::finding::Finding;
use crate::judge::judge;
use crate::manifest::{BACKEND_DEPLOYMENT, Manifest, TODO};
use crate::trial::Trial;
use crate::voice::Voice;
use crate::yaml;

#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) holds: bool,
    /// What was measured, for the key question.
    pub(crate) measured: Option<String>,
}

/// What is found in a file.
struct Read {
    findings: Vec<Finding>,
    image: String,
    /// Whether it is YAML at all: nothing else is tried with it.
    readable: bool,
}

/// Checks an exercise, and tells what is found.
///
/// # Errors
/// If the cluster could not be asked, or the learner interrupts it.
pub(crate) fn check(exercise: &Exercise, folder: &Folder, cluster: &Cluster, voice: Voice) -> Result<Outcome, Error> {
    voice.title(&format!("{}: check", exercise.title));
    let mut trial = Trial::new(cluster, voice);
    let mut image = String::new();
    for manifest in exercise.needs {
        need(&mut trial, folder, *manifest)?;
    }
    for manifest in exercise.files {
        voice.say(&format!("k8s/{}", manifest.file));
        let read = read(cluster.shell(), folder, *manifest, exercise.versions)?;
        for finding in &read.findings {
            trial.tell(finding);
        }
        if let Some(left) = blanks_left(folder, *manifest) {
            voice.say(&format!("           {left}"));
        }
        image = read.image;
        // A rollout is applied in the middle of its load.
        if read.readable && exercise.name != "rollout" {
            apply(&mut trial, folder, *manifest)?;
        }
    }
    if exercise.name == "discussion" {
        let open = exercise.questions.len().saturating_sub(folder.answered(exercise));
        let wrong = (open > 0).then(|| format!("{open} of them are open: `question`"));
        trial.tell(&Finding::unless_failed("the questions are answered", wrong));
    }
    let mut measured = None;
    if trial.lacking() == 0 {
        voice.say(&format!("on the cluster, in namespace {}", cluster.namespace()));
        match exercise.name {
            "images" => behaviour::images(&mut trial)?,
            "deployments" => behaviour::deployments(&mut trial)?,
            "services" => behaviour::services(&mut trial)?,
            "ingress" => behaviour::ingress(&mut trial)?,
            "autoscaler" => measured = behaviour::autoscaler(&mut trial)?,
            "rollout" => {
                let file = yaml::quoted(&folder.file(BACKEND_DEPLOYMENT));
                measured = behaviour::rollout(&mut trial, &file, &image)?;
            }
            "drain" => {
                let load = "http://drain:8000/api/items --rate 200 --new-connections --timeout 10s";
                measured = behaviour::restart(&mut trial, "drain", load)?;
            }
            "grace" => {
                let load = "'http://grace:8000/api/items?delay_ms=3000' --rate 20 --connections 100 --timeout 10s";
                measured = behaviour::restart(&mut trial, "grace", load)?;
            }
            _ => {}
        }
    }
    let lacking = trial.lacking();
    voice.title(&match lacking {
        0 => format!("{}: all of it holds", exercise.name),
        1 => format!("{}: one thing does not hold yet", exercise.name),
        lacking => format!("{}: {lacking} things do not hold yet", exercise.name),
    });
    Ok(Outcome { holds: lacking == 0, measured })
}

/// Applies a file of an exercise before, which has to hold.
fn need(trial: &mut Trial<'_>, folder: &Folder, manifest: Manifest) -> Result<(), Error> {
    let read = read(trial.cluster.shell(), folder, manifest, &["v1", "v2"])?;
    if let Some(first) = read.findings.iter().find(|finding| finding.found.is_some()) {
        trial.tell(&Finding::fails(format!("k8s/{}, of an exercise before, holds", manifest.file), first.words()));
        return Ok(());
    }
    apply(trial, folder, manifest)
}

fn read(shell: &Shell, folder: &Folder, manifest: Manifest, versions: &[&str]) -> Result<Read, Error> {
    let file = folder.file(manifest);
    let documents = match yaml::read(shell, std::slice::from_ref(&file)) {
        Ok(documents) => documents,
        Err(Error::Interrupted) => return Err(Error::Interrupted),
        Err(Error::Failed(why)) => {
            let why = why.replace(&format!("{}: ", file.display()), "");
            let findings = vec![Finding::fails("kubectl can read it", why)];
            return Ok(Read { findings, image: String::new(), readable: false });
        }
    };
    let document = documents.first().cloned().unwrap_or_default();
    let image = document.pointer("/spec/template/spec/containers/0/image").and_then(|image| image.as_str());
    let image = image.unwrap_or_default().to_owned();
    Ok(Read { findings: judge(manifest, &document, versions), image, readable: true })
}

fn blanks_left(folder: &Folder, manifest: Manifest) -> Option<String> {
    let text = fs::read_to_string(folder.file(manifest)).ok()?;
    match text.matches(TODO).count() {
        0 => None,
        1 => Some(format!("a line with {TODO} is left: `hint`")),
        left => Some(format!("{left} lines with {TODO} are left: `hint`")),
    }
}

/// Applies a file; what the cluster says against it is a finding.
fn apply(trial: &mut Trial<'_>, folder: &Folder, manifest: Manifest) -> Result<(), Error> {
    let applied = trial.cluster.attempt(&format!("apply -f {}", yaml::quoted(&folder.file(manifest))))?;
    let said = applied.stderr.trim();
    let wrong = (!applied.succeeded()).then(|| said.lines().take(4).collect::<Vec<_>>().join(" "));
    trial.tell(&Finding::unless_failed(format!("the cluster takes k8s/{}", manifest.file), wrong));
    Ok(())
}
