//! The `igniter` binary.
fn main() {}
