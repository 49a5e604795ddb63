//! The keys of a trace.

use std::collections::BTreeMap;

/// Gives keys their positions, in the order of their first appearance.
#[derive(Debug, Default)]
pub(super) struct Keys {
    names: Vec<String>,
    positions: BTreeMap<String, u32>,
}

impl Keys {
    pub(super) fn position(&mut self, key: &str) -> u32 {
        if let Some(&position) = self.positions.get(key) {
            return position;
        }
        let position = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.positions.insert(key.to_owned(), position);
        self.names.push(key.to_owned());
        position
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }
}
