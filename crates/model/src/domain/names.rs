//! Names as users write them, and the indices that stand for them inside a run.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A name that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a {what} must be 1 to 64 characters without control or invisible characters, not {given:?}"
)]
pub struct NameError {
    what: &'static str,
    given: String,
}

/// Returns whether a character is invisible or misleading in text: control characters, line and paragraph separators,
/// marks that change the direction of text, and zero-width spaces. A name that contains one of them is not what it
/// looks like.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}'
                | '\u{feff}'
        )
}

/// Returns whether text can be a name: 1 to 64 characters, none of which [`is_hidden`].
#[must_use]
pub fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.chars().count()) && !text.chars().any(is_hidden)
}

/// Returns text from a foreign file with each [`is_hidden`] character written as an escape such as `\u{202e}`.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

macro_rules! name {
    ($(#[$meta:meta])* $name:ident, $what:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and wraps a name.
            ///
            /// # Errors
            /// When it is empty, longer than 64 characters, or holds a character that [`is_hidden`].
            pub fn new(name: &str) -> Result<Self, NameError> {
                if is_name(name) {
                    Ok(Self(name.into()))
                } else {
                    Err(NameError { what: $what, given: name.chars().take(80).collect() })
                }
            }

            /// Returns the name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(&name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name!(
    /// The name of a DNN: `alexnet`, `resnet50`, …
    ModelName, "model name"
);
name!(
    /// The name of a workload: `W1`, …
    WorkloadName, "workload name"
);
name!(
    /// The name of a GPU kind: `v100`, …
    GpuKindName, "GPU kind name"
);

macro_rules! index {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(u32);

        impl $name {
            /// Wraps a position.
            ///
            /// # Panics
            /// When the position exceeds 2³² − 1, which no input can reach.
            #[must_use]
            pub fn new(position: usize) -> Self {
                Self(u32::try_from(position).expect("fewer than 2^32 of them"))
            }

            /// Returns the position, for indexing.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

index!(
    /// A model's position in its predictor's list of models.
    ModelId
);
index!(
    /// A workload's position in the scenario.
    WorkloadId
);
index!(
    /// A GPU's position in the plan.
    GpuId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_break_a_table_are_refused() {
        assert!(WorkloadName::new("").is_err());
        assert!(WorkloadName::new("a\nb").is_err());
        assert!(WorkloadName::new(&"x".repeat(65)).is_err());
        assert_eq!(WorkloadName::new("W1").unwrap().as_str(), "W1");
    }
}
