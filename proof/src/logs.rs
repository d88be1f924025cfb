//! What the backends say that they did: one line for each request, in the files that the kubelets keep.
//!
//! The files are held open from the moment in which they appear, because a kubelet rotates them, and deletes those of a pod
//! that goes: an open file can be read to its end nevertheless. They are read after the load, not beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use e2e::Error;

/// What the folders of backends begin with: namespace and Deployment.
const BACKENDS: &str = "proof_proof-backend-";
/// How often new files are looked for. Every container lives much longer.
const LOOK: Duration = Duration::from_millis(100);

/// The log files of all backends since a moment.
#[derive(Debug)]
pub(crate) struct Logs {
    end: Arc<AtomicBool>,
    watch: Option<JoinHandle<io::Result<Files>>>,
}

impl Logs {
    /// Holds the logs of backends below `folders` from here on: what is in them already is left out.
    pub(crate) fn follow(folders: Vec<PathBuf>) -> Result<Self, Error> {
        let mut files = Files::default();
        files.look(&folders)?;
        for (file, _) in &mut files.open {
            file.seek(SeekFrom::End(0))?;
        }
        let end = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&end);
        let watch = thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                files.look(&folders)?;
                thread::sleep(LOOK);
            }
            Ok(files)
        });
        Ok(Self { end, watch: Some(watch) })
    }

    /// Ends the looking for more files.
    pub(crate) fn files(mut self) -> Result<Files, Error> {
        self.end.store(true, Ordering::Relaxed);
        match self.watch.take().map(JoinHandle::join) {
            Some(Ok(files)) => Ok(files?),
            _ => Err(Error::Failed("the logs of the backends could not be watched".to_owned())),
        }
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
    }
}

/// Open log files, each with the line that was not complete when it was read.
#[derive(Debug, Default)]
pub(crate) struct Files {
    open: Vec<(File, Vec<u8>)>,
    /// Device and inode of each: a rotated file has another name, but is the same.
    known: BTreeSet<(u64, u64)>,
}

impl Files {
    fn look(&mut self, folders: &[PathBuf]) -> io::Result<()> {
        for folder in folders {
            for pod in fs::read_dir(folder)? {
                let pod = pod?;
                if pod.file_name().to_string_lossy().starts_with(BACKENDS) {
                    // A folder or file that goes at this moment was seen before.
                    unless_gone(self.look_in(&pod.path().join("backend")))?;
                }
            }
        }
        Ok(())
    }

    fn look_in(&mut self, container: &Path) -> io::Result<()> {
        for entry in fs::read_dir(container)? {
            let path = entry?.path();
            // Rotated ones are 0.log.20260101-000000, and some of them compressed.
            if path.extension().is_some_and(|extension| extension == "log") {
                let file = File::open(&path)?;
                let about = file.metadata()?;
                if self.known.insert((about.dev(), about.ino())) {
                    self.open.push((file, Vec::new()));
                }
            }
        }
        Ok(())
    }

    /// Reads what was not read yet, and counts the requests in it.
    pub(crate) fn count(&mut self, seen: &mut Sightings) -> Result<(), Error> {
        for (file, rest) in &mut self.open {
            file.read_to_end(rest)?;
            let complete = rest.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
            seen.count(&String::from_utf8_lossy(&rest[..complete]));
            rest.drain(..complete);
        }
        Ok(())
    }
}

fn unless_gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// How often the backends say that they answered each request, by run and number.
#[derive(Debug, Default)]
pub(crate) struct Sightings(BTreeMap<String, BTreeMap<u64, u32>>);

impl Sightings {
    pub(crate) fn count(&mut self, log: &str) {
        for id in log.lines().filter_map(request_id) {
            if let Some((run, number)) = id.rsplit_once('-')
                && let Ok(number) = number.parse()
            {
                // One string a run, not one a request.
                match self.0.get_mut(run) {
                    Some(numbers) => *numbers.entry(number).or_default() += 1,
                    None => drop(self.0.insert(run.to_owned(), BTreeMap::from([(number, 1)]))),
                }
            }
        }
    }

    /// How often request `number` of `run` was seen.
    pub(crate) fn of(&self, run: &str, number: u64) -> u32 {
        self.0.get(run).and_then(|numbers| numbers.get(&number)).copied().unwrap_or(0)
    }
}

/// The id in the line of a request. The lines are the backend's own JSON, without blanks, behind what containerd puts there.
fn request_id(line: &str) -> Option<&str> {
    let (_, object) = line.split_once(" F {")?;
    object.contains(r#""message":"request""#).then_some(())?;
    object.split_once(r#""request_id":""#)?.1.split('"').next()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn line(id: &str) -> String {
        format!(
            "2026-01-01T00:00:00Z stdout F {{\"level\":\"DEBUG\",\"message\":\"request\",\"request_id\":\"{id}\"}}\n"
        )
    }

    fn descriptors_of(path: &Path) -> usize {
        let descriptors = fs::read_dir("/proc/self/fd").unwrap();
        descriptors
            .filter(|entry| fs::read_link(entry.as_ref().unwrap().path()).is_ok_and(|target| target == path))
            .count()
    }

    #[test]
    fn requests_are_counted_and_other_lines_are_not() {
        let mut seen = Sightings::default();
        let other = "2026-01-01T00:00:00Z stdout F {\"message\":\"ready\",\"request_id\":\"a-9\"}\nno JSON\n";
        seen.count(&(line("a-0") + other + &line("a-1") + &line("a-1") + &line("b-1")));
        let counts = [("a", 0, 1), ("a", 1, 2), ("b", 1, 1), ("a", 9, 0), ("c", 0, 0)];
        for (run, number, times) in counts {
            assert_eq!(seen.of(run, number), times, "{run}-{number}");
        }
    }

    #[test]
    fn a_file_is_read_to_its_end_when_it_was_rotated_or_deleted_and_not_before_the_start() {
        let folder = std::env::temp_dir().join(format!("proof-logs-{}", std::process::id()));
        let pod = |name: &str| folder.join(format!("proof_proof-backend-{name}/backend"));
        fs::create_dir_all(pod("old")).unwrap();
        fs::create_dir_all(folder.join("proof_proof-frontend-1/frontend")).unwrap();
        let mut old = File::create(pod("old").join("0.log")).unwrap();
        old.write_all(line("a-0").as_bytes()).unwrap();

        let logs = Logs::follow(vec![folder.clone()]).unwrap();
        fs::rename(pod("old").join("0.log"), pod("old").join("0.log.1")).unwrap();
        old.write_all(line("a-1").as_bytes()).unwrap();
        fs::create_dir_all(pod("new")).unwrap();
        let mut new = File::create(pod("new").join("0.log")).unwrap();
        // One descriptor is this test's own.
        while descriptors_of(&pod("new").join("0.log")) < 2 {
            thread::yield_now();
        }
        fs::remove_dir_all(&folder).unwrap();
        let (begun, rest) = (line("a-2")[..9].to_owned(), line("a-2")[9..].to_owned());
        new.write_all(begun.as_bytes()).unwrap();

        fs::create_dir_all(&folder).unwrap();
        let mut files = logs.files().unwrap();
        let mut seen = Sightings::default();
        files.count(&mut seen).unwrap();
        assert_eq!([0, 1, 2].map(|number| seen.of("a", number)), [0, 1, 0]);
        new.write_all(rest.as_bytes()).unwrap();
        files.count(&mut seen).unwrap();
        assert_eq!(seen.of("a", 2), 1);
        fs::remove_dir_all(&folder).unwrap();
    }
}
