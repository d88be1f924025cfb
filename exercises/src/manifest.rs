//! The manifests, each kept once: as its solution, in which marks say what a learner fills in.
//!
//! A blank begins with a line `#? WHAT` and ends with a line `#.`; what is between is the solution. `#+ WHAT` begins one that the learner
//! has to find, and a line behind `#- ` is one that the learner has and the solution has not.

/// The mark of a blank, in a learner's file and in the practice.
pub(crate) const TODO: &str = "TODO(human)";

#[derive(Clone, Copy, Debug)]
pub(crate) struct Manifest {
    /// Its file in the folder `k8s`.
    pub(crate) file: &'static str,
    marked: &'static str,
}

/// A blank and what belongs there.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Blank {
    pub(crate) asked: String,
    pub(crate) solution: String,
}

macro_rules! manifests {
    ($($name:ident $file:literal)*) => {$(
        pub(crate) const $name: Manifest =
            Manifest { file: $file, marked: include_str!(concat!("../manifests/", $file)) };
    )*};
}

manifests! {
    BACKEND_DEPLOYMENT "backend-deployment.yaml"
    FRONTEND_DEPLOYMENT "frontend-deployment.yaml"
    BACKEND_SERVICE "backend-service.yaml"
    FRONTEND_SERVICE "frontend-service.yaml"
    INGRESS "ingress.yaml"
    BACKEND_HPA "backend-hpa.yaml"
    DRAIN "drain.yaml"
    GRACE "grace.yaml"
}

/// Where a line stands.
enum Part<'a> {
    Given(&'a str),
    Asked(&'a str),
    Hidden(&'a str),
    Broken(&'a str),
    Solution(&'a str),
    End,
}

impl Manifest {
    fn parts(&self) -> impl Iterator<Item = Part<'static>> {
        let mut blank = false;
        self.marked.lines().map(move |line| match line.trim_start() {
            "#." => {
                blank = false;
                Part::End
            }
            asked if asked.starts_with("#? ") => {
                blank = true;
                Part::Asked(line)
            }
            hidden if hidden.starts_with("#+ ") => {
                blank = true;
                Part::Hidden(line)
            }
            broken if broken.starts_with("#- ") => Part::Broken(line),
            _ if blank => Part::Solution(line),
            _ => Part::Given(line),
        })
    }

    /// What a learner gets: each blank is a comment.
    pub(crate) fn blank(&self) -> String {
        self.parts()
            .filter_map(|part| match part {
                Part::Given(line) => Some(format!("{line}\n")),
                Part::Asked(line) => Some(format!("{}\n", line.replacen("#?", &format!("# {TODO}:"), 1))),
                Part::Broken(line) => Some(format!("{}\n", line.replacen("#- ", "", 1))),
                Part::Solution(_) | Part::Hidden(_) | Part::End => None,
            })
            .collect()
    }

    /// The manifest without blanks and marks.
    #[cfg(test)]
    pub(crate) fn solution(&self) -> String {
        self.parts()
            .filter_map(|part| match part {
                Part::Given(line) | Part::Solution(line) => Some(format!("{line}\n")),
                Part::Asked(_) | Part::Hidden(_) | Part::Broken(_) | Part::End => None,
            })
            .collect()
    }

    pub(crate) fn blanks(&self) -> Vec<Blank> {
        let mut blanks: Vec<Blank> = Vec::new();
        for part in self.parts() {
            match part {
                Part::Asked(line) | Part::Hidden(line) => {
                    let asked = line.trim_start()["#? ".len()..].to_owned();
                    blanks.push(Blank { asked, solution: String::new() });
                }
                Part::Solution(line) => {
                    let last = blanks.last_mut().expect("a solution follows what is asked");
                    last.solution.push_str(line);
                    last.solution.push('\n');
                }
                Part::Given(_) | Part::Broken(_) | Part::End => {}
            }
        }
        blanks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_is_a_comment_and_its_solution_the_lines_that_belong_there() {
        let (blank, solution) = (INGRESS.blank(), INGRESS.solution());
        assert!(
            blank.contains("  # TODO(human): the class of the controller that serves it: nginx\n  rules:"),
            "{blank}"
        );
        assert!(solution.contains("spec:\n  ingressClassName: nginx\n  rules:"), "{solution}");
        let blanks = INGRESS.blanks();
        assert_eq!(blanks.len(), 3);
        assert_eq!(blanks[0].solution, "  ingressClassName: nginx\n");
        assert!(blanks.iter().all(|each| solution.contains(&each.solution) && !blank.contains(&each.solution)));
    }

    #[test]
    fn what_is_broken_does_not_say_where() {
        let (broken, solution) = (GRACE.blank(), GRACE.solution());
        assert!(broken.contains("    spec:\n      terminationGracePeriodSeconds: 4\n      containers:"), "{broken}");
        assert!(
            solution.contains("    spec:\n      terminationGracePeriodSeconds: 30\n      containers:"),
            "{solution}"
        );
        assert!(!broken.contains(TODO) && !broken.contains("longest request"), "{broken}");
        assert_eq!(GRACE.blanks()[0].asked, "more than the preStop sleep, the drain and the longest request together");
    }
}
