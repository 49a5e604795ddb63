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
mod first_steps;
mod folders;
mod follow;
mod foreign;
mod interrupt;
mod kinds;
mod manifests;
mod measurements;
mod noise;
mod outputs;
mod pages;
mod planners;
mod plans;
mod properties;
mod queueing;
mod real_triton;
mod reference_a100;
mod reference_accuracy;
mod reference_contention;
mod reference_fit;
mod reference_plans;
mod refine;
mod replan;
mod replan_targets;
mod reported;
mod same_numbers;
mod scenarios;
mod servers;
mod study;
mod sweep;
mod theory;
mod triton_rules;
mod truth;
