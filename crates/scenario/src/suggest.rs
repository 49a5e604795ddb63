//! "Did you mean …?" for misspelt keys and values.

pub(super) use igniter_model::domain::nearest;
