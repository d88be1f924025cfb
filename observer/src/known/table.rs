//! The objects of one kind, by name, and no more than so many.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::object::{Change, Metadata, Specified};

/// Objects of a kind that are kept: some ten times as many pods as a node of a practice cluster runs.
const MOST: usize = 500;

pub(super) trait Object: DeserializeOwned {
    /// What every object has.
    fn metadata(&self) -> &Metadata;
}

impl<Spec: DeserializeOwned + Default, Status: DeserializeOwned + Default> Object for Specified<Spec, Status> {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}

#[derive(Debug)]
pub(super) struct Table<T> {
    kept: BTreeMap<String, T>,
    left_out: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { kept: BTreeMap::new(), left_out: 0 }
    }
}

impl<T: Object> Table<T> {
    pub(super) fn learn(&mut self, change: Change) {
        match change {
            Change::All(objects) => {
                *self = Self::default();
                for object in objects {
                    self.set(object);
                }
            }
            Change::Set(object) => self.set(object),
            Change::Gone(object) => {
                let Ok(object) = serde_json::from_value::<T>(object) else { return };
                // One of the same name may have been made since.
                let same = |known: &T| known.metadata().uid == object.metadata().uid;
                match self.kept.get(&object.metadata().name) {
                    Some(known) if same(known) => drop(self.kept.remove(&object.metadata().name)),
                    Some(_) => {}
                    None => self.left_out = self.left_out.saturating_sub(1),
                }
            }
        }
    }

    fn set(&mut self, object: Value) {
        let Ok(object) = serde_json::from_value::<T>(object) else { return };
        let name = object.metadata().name.clone();
        if self.kept.len() < MOST || self.kept.contains_key(&name) {
            self.kept.insert(name, object);
        } else {
            self.left_out += 1;
        }
    }

    /// The object called `name`.
    pub(super) fn named(&self, name: &str) -> Option<&T> {
        self.kept.get(name)
    }

    /// All of them, in the order of their names.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.kept.values()
    }

    /// Changes that were about objects beyond what is kept, less those that went.
    pub(super) fn left_out(&self) -> usize {
        self.left_out
    }
}
