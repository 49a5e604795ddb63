//! Fuzzes every reader of the library by [`harness`]; those of `validate` are in its own tests.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::disallowed_types, reason = "how long an execution takes is what is tested")]

mod harness;
#[path = "../../fuzz/targets.rs"]
mod targets;

macro_rules! targets {
    ($($name:ident)*) => { $( #[test] fn $name() {
        let name = stringify!($name);
        harness::fuzz(name, |bytes| targets::run(name, bytes), targets::clean);
    } )* };
}

targets! { packed table trace counts rates scenario sweep coefficients plan results shard profile import servers }

#[test]
fn every_target_is_fuzzed_here_and_by_cargo_fuzz() {
    let manifest = harness::root().join("fuzz/Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    for (name, _) in targets::TARGETS {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        harness::corpus(name);
    }
}
