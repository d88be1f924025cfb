//! A phase's key question: what an answer of one line has to name.

#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    pub(crate) text: &'static str,
    /// What a good answer names: each notion, and the words by one of which it is recognised.
    pub(crate) notions: &'static [(&'static str, &'static [&'static str])],
    pub(crate) page: &'static str,
}

impl Question {
    /// The notions that `answer` names, and those that it leaves out.
    pub(crate) fn compare(&self, answer: &str) -> (Vec<&'static str>, Vec<&'static str>) {
        let answer = answer.to_lowercase();
        let is_named = |words: &[&str]| words.iter().any(|word| answer.contains(word));
        let (has, lacks): (Vec<_>, Vec<_>) = self.notions.iter().partition(|(_, words)| is_named(words));
        let names = |notions: Vec<&(&'static str, _)>| notions.into_iter().map(|(name, _)| *name).collect();
        (names(has), names(lacks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_what_it_leaves_out() {
        let question = Question {
            text: "What becomes of it?",
            notions: &[("no traffic", &["traffic", "endpoint"]), ("no restart", &["restart"])],
            page: "labs/2-probes-and-rollouts.md",
        };
        assert_eq!(question.compare("It gets no Traffic"), (vec!["no traffic"], vec!["no restart"]));
        assert_eq!(question.compare("not in the endpoints, not restarted").1, Vec::<&str>::new());
    }
}
