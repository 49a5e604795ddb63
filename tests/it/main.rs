//! The integration tests, one binary: compiled and linked once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod arrivals;
mod bad_input;
mod common;
mod control;
mod deploy;
mod determinism;
mod docs;
mod engines;
mod folders;
mod interrupt;
mod kinds;
mod manifests;
mod noise;
mod pages;
mod planners;
mod plans;
mod properties;
mod real_triton;
mod reference_accuracy;
mod reference_contention;
mod reference_fit;
mod reference_plans;
mod refine;
mod scenarios;
mod study;
mod sweep;
mod theory;
mod triton_rules;
mod truth;
