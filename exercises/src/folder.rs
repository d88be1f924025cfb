//! The learner's folder: the manifests, which are never overwritten, and the progress.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Map, Value, json};

use crate::exercise::{ALL, Exercise};
use crate::manifest::Manifest;

#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    progress: Map<String, Value>,
}

impl Folder {
    /// Opens the folder, and writes what is not there yet.
    ///
    /// # Errors
    /// If it can't be written, or the progress is not what was written there.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        fs::create_dir_all(path.join("k8s")).map_err(failed)?;
        let path = path.canonicalize().map_err(failed)?;
        let kept = path.join("progress.json");
        let progress = match fs::read_to_string(&kept) {
            Err(error) if error.kind() == ErrorKind::NotFound => Map::new(),
            Err(error) => return Err(format!("{}: {error}", kept.display())),
            Ok(text) => serde_json::from_str(&text)
                .map_err(|error| format!("{}: {error}; without the file you begin anew", kept.display()))?,
        };
        let folder = Self { path, progress };
        for manifest in ALL.iter().flat_map(|exercise| exercise.files) {
            let file = folder.file(*manifest);
            // Not even in the moment between looking and writing.
            match fs::File::create_new(&file)
                .and_then(|mut new| io::Write::write_all(&mut new, manifest.blank().as_bytes()))
            {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    return Err(format!("{}: {error}", file.display()));
                }
                _ => {}
            }
        }
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self, manifest: Manifest) -> PathBuf {
        self.path.join("k8s").join(manifest.file)
    }

    /// When each file of an exercise was last written; none for one that is not there.
    pub(crate) fn saved(&self, exercise: &Exercise) -> Vec<Option<SystemTime>> {
        let written = |manifest: &Manifest| fs::metadata(self.file(*manifest)).and_then(|file| file.modified()).ok();
        exercise.files.iter().map(written).collect()
    }

    /// Puts the blanks of an exercise back, and keeps each file beside the new one; the names of those kept.
    pub(crate) fn reset(&mut self, exercise: &Exercise) -> Result<Vec<PathBuf>, String> {
        let mut kept = Vec::new();
        for manifest in exercise.files {
            let file = self.file(*manifest);
            if file.exists() {
                let old = (1_u32..=u32::MAX)
                    .map(|number| file.with_extension(format!("yaml.{number}")))
                    .find(|old| !old.exists());
                let old = old.expect("one number is free");
                fs::rename(&file, &old).map_err(|error| format!("{}: {error}", file.display()))?;
                kept.push(old);
            }
            fs::write(&file, manifest.blank()).map_err(|error| format!("{}: {error}", file.display()))?;
        }
        self.progress.remove(exercise.name);
        self.keep()?;
        Ok(kept)
    }

    /// Whether an exercise held once.
    pub(crate) fn is_done(&self, exercise: &Exercise) -> bool {
        self.of(exercise, "done") == true
    }

    /// That an exercise holds, or does not any more.
    pub(crate) fn set_done(&mut self, exercise: &Exercise, done: bool) -> Result<(), String> {
        self.set(exercise, "done", json!(done))
    }

    pub(crate) fn hints(&self, exercise: &Exercise) -> usize {
        self.of(exercise, "hints").as_u64().map_or(0, |hints| hints as usize)
    }

    /// That so many hints were shown.
    pub(crate) fn set_hints(&mut self, exercise: &Exercise, hints: usize) -> Result<(), String> {
        self.set(exercise, "hints", json!(hints))
    }

    pub(crate) fn answered(&self, exercise: &Exercise) -> usize {
        self.of(exercise, "answered").as_u64().map_or(0, |answered| answered as usize)
    }

    /// That one more was.
    pub(crate) fn answer(&mut self, exercise: &Exercise) -> Result<(), String> {
        self.set(exercise, "answered", json!(self.answered(exercise) + 1))
    }

    pub(crate) fn measured(&self, exercise: &Exercise) -> Option<&str> {
        self.of(exercise, "measured").as_str()
    }

    /// What a check measured.
    pub(crate) fn set_measured(&mut self, exercise: &Exercise, measured: &str) -> Result<(), String> {
        self.set(exercise, "measured", json!(measured))
    }

    fn of(&self, exercise: &Exercise, what: &str) -> &Value {
        self.progress.get(exercise.name).and_then(|progress| progress.get(what)).unwrap_or(&Value::Null)
    }

    fn set(&mut self, exercise: &Exercise, what: &str, value: Value) -> Result<(), String> {
        let progress = self.progress.entry(exercise.name).or_insert_with(|| json!({}));
        if !progress.is_object() {
            *progress = json!({});
        }
        progress[what] = value;
        self.keep()
    }

    /// Writes the progress: all of it or, if the machine stops meanwhile, what was there before.
    fn keep(&self) -> Result<(), String> {
        let (new, file) = (self.path.join("progress.json.new"), self.path.join("progress.json"));
        let text = serde_json::to_string_pretty(&self.progress).expect("it has texts for keys");
        let written = fs::write(&new, text + "\n").and_then(|()| fs::rename(&new, &file));
        written.map_err(|error| format!("{}: {error}", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use e2e::shell::root;

    use super::*;
    use crate::exercise::named;
    use crate::manifest::INGRESS;

    #[test]
    fn a_file_is_never_overwritten_and_progress_is_kept() {
        let path = root().join("target/exercises/folder");
        drop(fs::remove_dir_all(&path));
        let exercise = named("ingress").unwrap();
        let mut folder = Folder::open(&path).unwrap();
        assert_eq!(fs::read_to_string(folder.file(INGRESS)).unwrap(), INGRESS.blank());
        fs::write(folder.file(INGRESS), "mine").unwrap();
        folder.set_hints(exercise, 2).unwrap();
        folder.set_done(exercise, true).unwrap();

        let mut folder = Folder::open(&path).unwrap();
        assert_eq!(fs::read_to_string(folder.file(INGRESS)).unwrap(), "mine");
        assert!(folder.is_done(exercise) && folder.hints(exercise) == 2);

        for kept in ["ingress.yaml.1", "ingress.yaml.2"] {
            let old = folder.reset(exercise).unwrap();
            assert_eq!(old, [folder.path().join("k8s").join(kept)]);
            assert_eq!(fs::read_to_string(folder.file(INGRESS)).unwrap(), INGRESS.blank());
        }
        assert_eq!(fs::read_to_string(folder.path().join("k8s/ingress.yaml.1")).unwrap(), "mine");
        assert!(!folder.is_done(exercise) && folder.hints(exercise) == 0);
    }

    #[test]
    fn progress_that_is_none_is_named() {
        let path = root().join("target/exercises/progress");
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("progress.json"), "[").unwrap();
        assert!(Folder::open(&path).unwrap_err().contains("progress.json"));
    }
}
