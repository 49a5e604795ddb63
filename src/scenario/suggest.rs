//! "Did you mean …?" for misspelt keys and values.

pub(super) use crate::domain::nearest;
