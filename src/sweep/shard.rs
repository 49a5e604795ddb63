//! The part of a sweep that this process runs.

use super::SweepError;
use std::fmt;
use std::str::FromStr;

/// Shard `index` of `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    index: u32,
    count: u32,
}

/// The maximum number of shards, which is more than any cluster has.
const MOST_SHARDS: u32 = 1_000_000;

impl Shard {
    /// The whole sweep as one shard.
    pub const ALL: Self = Self { index: 0, count: 1 };

    /// Creates shard `index` (from 0) of `count`.
    ///
    /// # Errors
    /// When the index is not below the count.
    pub fn new(index: u32, count: u32) -> Result<Self, SweepError> {
        if index < count && count <= MOST_SHARDS {
            return Ok(Self { index, count });
        }
        Err(SweepError::Shard(format!(
            "shard {index}/{count}: allowed: I/N with I from 0 to N − 1, N at most {MOST_SHARDS}; fix: count \
             shards from 0"
        )))
    }

    /// Returns the index, from 0.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// Returns the number of shards.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.count
    }

    /// Returns the name of the folder, such as `shard-00003-of-00010`.
    #[must_use]
    pub fn folder(self) -> String {
        format!("shard-{:05}-of-{:05}", self.index, self.count)
    }

    /// Returns the shard that the name of a folder stands for.
    #[must_use]
    pub fn of_folder(name: &str) -> Option<Self> {
        let (index, count) = name.strip_prefix("shard-")?.split_once("-of-")?;
        Self::new(index.parse().ok()?, count.parse().ok()?).ok()
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = SweepError;

    fn from_str(text: &str) -> Result<Self, SweepError> {
        let numbers = || {
            let (index, count) = text.split_once('/')?;
            Some((index.trim().parse().ok()?, count.trim().parse().ok()?))
        };
        let (index, count) = numbers().ok_or_else(|| {
            SweepError::Shard(format!("shard {text:?}: allowed: I/N, such as 0/8 … 7/8"))
        })?;
        Self::new(index, count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_and_their_folders_have_names() {
        let shard: Shard = "1/3".parse().unwrap();
        assert_eq!(
            (shard.to_string(), shard.folder()),
            ("1/3".into(), "shard-00001-of-00003".into())
        );
        assert_eq!(Shard::of_folder("shard-00001-of-00003"), Some(shard));
        for bad in ["3/3", "1", "a/b", "-1/2", "0/0"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }
}
