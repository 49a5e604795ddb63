//! The keys of a trace.

use std::collections::BTreeMap;

/// The maximum number of keys of a trace. A column with more values identifies requests, not services.
pub(super) const MOST_KEYS: usize = 1 << 20;

/// Assigns indexes to keys, in the order of their first appearance.
#[derive(Debug, Default)]
pub struct Keys {
    names: Vec<String>,
    positions: BTreeMap<String, u32>,
}

impl Keys {
    /// Returns the index of a key; a new key gets the next index.
    pub fn position(&mut self, key: &str) -> u32 {
        if let Some(&position) = self.positions.get(key) {
            return position;
        }
        let position = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.positions.insert(key.to_owned(), position);
        self.names.push(key.to_owned());
        position
    }

    /// Returns all keys that appeared.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns whether there are more keys than any trace of services has.
    #[must_use]
    pub fn too_many(&self) -> bool {
        self.names.len() > MOST_KEYS
    }
}
