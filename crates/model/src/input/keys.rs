//! The keys of a trace.

use std::collections::BTreeMap;

/// No trace may have more: a column with another word on each row tells requests apart, and not services.
pub(super) const MOST_KEYS: usize = 1 << 20;

/// Gives keys their positions, in the order of their first appearance.
#[derive(Debug, Default)]
pub struct Keys {
    names: Vec<String>,
    positions: BTreeMap<String, u32>,
}

impl Keys {
    /// The position of a key, which is a new one if it was not met before.
    pub fn position(&mut self, key: &str) -> u32 {
        if let Some(&position) = self.positions.get(key) {
            return position;
        }
        let position = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.positions.insert(key.to_owned(), position);
        self.names.push(key.to_owned());
        position
    }

    /// All that were met.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether there are more than any trace of services has.
    #[must_use]
    pub fn too_many(&self) -> bool {
        self.names.len() > MOST_KEYS
    }
}
