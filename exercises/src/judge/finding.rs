//! One thing that was asked for, and whether it is so.

use std::fmt;

/// One thing that was asked for, and what was found instead.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Finding {
    /// What is asked for, in words of the field.
    pub(crate) asked: String,
    /// What was found instead; none if it holds.
    pub(crate) found: Option<String>,
}

impl Finding {
    pub(crate) fn holds(asked: impl Into<String>) -> Self {
        Self { asked: asked.into(), found: None }
    }

    /// It is not: `found` is written there instead.
    pub(crate) fn lacks(asked: impl Into<String>, found: impl fmt::Display) -> Self {
        Self::fails(asked, format!("asked; found {found}"))
    }

    /// It is not, and `why` says how that was seen.
    pub(crate) fn fails(asked: impl Into<String>, why: impl Into<String>) -> Self {
        Self { asked: asked.into(), found: Some(why.into()) }
    }

    /// As asked unless `found` is written there instead.
    pub(crate) fn unless(asked: impl Into<String>, found: Option<String>) -> Self {
        match found {
            None => Self::holds(asked),
            Some(found) => Self::lacks(asked, found),
        }
    }

    /// As asked unless there is a `why` not.
    pub(crate) fn unless_failed(asked: impl Into<String>, why: Option<String>) -> Self {
        Self { asked: asked.into(), found: why }
    }

    /// What is asked for, and what is there instead.
    pub(crate) fn words(&self) -> String {
        match &self.found {
            None => self.asked.clone(),
            Some(found) => format!("{}: {found}", self.asked),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.found.is_none() { "holds  " } else { "not yet" };
        write!(f, "{mark}  {}", self.words())
    }
}
