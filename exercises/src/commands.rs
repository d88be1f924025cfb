//! The commands, as typed at the prompt or behind the program's name.

use e2e::Error;

use crate::behaviour;
use crate::check::{self, Outcome};
use crate::cluster::Cluster;
use crate::exercise::{ALL, Exercise};
use crate::folder::Folder;
use crate::trial::Trial;
use crate::voice::Voice;

pub(crate) fn list(folder: &Folder, voice: Voice) {
    for exercise in ALL {
        let done = if folder.is_done(exercise) { "done" } else { "open" };
        voice.say(&format!("{done}  {:12}  {}", exercise.name, exercise.title));
    }
}

/// What is to be done, and where.
pub(crate) fn task(exercise: &Exercise, folder: &Folder, voice: Voice) {
    voice.title(&format!("{} ({})", exercise.title, exercise.name));
    voice.say(exercise.task);
    for manifest in exercise.files {
        voice.say(&format!("  {}", folder.file(*manifest).display()));
    }
}

/// The next hint; after the last one, that all were shown.
pub(crate) fn hint(exercise: &Exercise, folder: &mut Folder, voice: Voice) -> Result<(), Error> {
    let shown = folder.hints(exercise).min(exercise.hints.len());
    let next = (shown + 1).min(exercise.hints.len());
    voice.say(&format!("hint {next} of {}: {}", exercise.hints.len(), exercise.hints[next - 1]));
    if next == shown {
        voice.say("That was the last hint: `solution` shows what belongs into the blanks.");
    }
    Ok(folder.set_hints(exercise, next)?)
}

/// What belongs into the blanks, once the hints are used up; whether it was shown.
pub(crate) fn solution(exercise: &Exercise, folder: &Folder, voice: Voice) -> bool {
    let left = exercise.hints.len().saturating_sub(folder.hints(exercise));
    if left > 0 {
        voice.say(&format!("The solution comes last: {left} of {} hints are left, type `hint`.", exercise.hints.len()));
        return false;
    }
    for manifest in exercise.files {
        for blank in manifest.blanks() {
            voice.say(&format!("k8s/{}: {}\n{}", manifest.file, blank.asked, blank.solution.trim_end()));
        }
    }
    if exercise.files.is_empty() || exercise.name == "rollout" {
        voice.say(exercise.hints[exercise.hints.len() - 1]);
    }
    true
}

/// Puts the blanks back.
pub(crate) fn reset(exercise: &Exercise, folder: &mut Folder, voice: Voice) -> Result<(), Error> {
    for kept in folder.reset(exercise)? {
        voice.say(&format!("yours is kept: {}", kept.display()));
    }
    voice.say(&format!("{}: the blanks are back", exercise.name));
    Ok(())
}

/// Checks an exercise, and keeps what came of it; whether it holds.
///
/// # Errors
/// If the cluster could not be asked, or the progress can't be written.
pub(crate) fn check(exercise: &Exercise, folder: &mut Folder, cluster: &Cluster, voice: Voice) -> Result<bool, Error> {
    let Outcome { holds, measured } = check::check(exercise, folder, cluster, voice)?;
    folder.set_done(exercise, holds)?;
    if let Some(measured) = measured {
        folder.set_measured(exercise, &measured)?;
    }
    Ok(holds)
}

/// Asks the next question of an exercise; whether there is one.
pub(crate) fn question(exercise: &Exercise, folder: &Folder, voice: Voice) -> bool {
    match exercise.questions.get(folder.answered(exercise)).or(exercise.questions.last()) {
        None => {
            voice.say("This phase has no key question.");
            false
        }
        Some(question) => {
            voice.title(question.text);
            true
        }
    }
}

/// Compares an answer with what a good one names, and with what is measured.
///
/// # Errors
/// If the cluster could not be asked, or the progress can't be written.
pub(crate) fn answer(
    exercise: &Exercise,
    folder: &mut Folder,
    cluster: &Cluster,
    answer: &str,
    voice: Voice,
) -> Result<bool, Error> {
    let Some(question) = exercise.questions.get(folder.answered(exercise)).or(exercise.questions.last()) else {
        return Ok(false);
    };
    let (has, lacks) = question.compare(answer);
    if !has.is_empty() {
        voice.say(&format!("  your answer has:       {}", has.join("; ")));
    }
    if !lacks.is_empty() {
        voice.say(&format!("  it leaves out:         {}", lacks.join("; ")));
    }
    let measured = match behaviour::measured(&mut Trial::new(cluster, voice), exercise.name, folder.answered(exercise))?
    {
        Some(measured) => Some(measured),
        None => folder.measured(exercise).map(str::to_owned),
    };
    match measured {
        Some(measured) => voice.say(&format!("  measured:              {measured}")),
        None if exercise.name == "rollout" => voice.say("  not measured yet:      `check` counts the ready pods"),
        None => {}
    }
    voice.say(&format!("  to see more of it:     {}", question.page));
    if folder.answered(exercise) < exercise.questions.len() {
        folder.answer(exercise)?;
    }
    Ok(lacks.is_empty())
}
