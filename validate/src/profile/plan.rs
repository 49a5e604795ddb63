//! The servers of a session as a plan, and its members as a predictor sees them.

use super::{BenchOptions, ProfileRun, RunMember};
use anyhow::Context;
use igniter::domain::{CoLocation, Placement, Plan, WorkloadName};
use igniter::predictor::{Member, Predictor, contention};
use igniter::run::{Overrides, Study};
use igniter::scenario::Scenario;
use igniter::units::SmUnits;
use std::fmt::Write as _;
use std::path::Path;

/// Returns a scenario and a plan with one server for each member on one GPU. Together the members may need more
/// SMs than the GPU has; those of one run do not.
pub(super) fn study_of(
    options: &BenchOptions<'_>,
    servers: &[RunMember],
) -> anyhow::Result<(Study, Plan)> {
    let profile = options.profile;
    let mut text = format!("version = 1\nduration_s = 10\n[[gpu]]\nkind = {profile:?}\n");
    for (i, member) in servers.iter().enumerate() {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "[[workload]]\nname = \"m{i}\"\nmodel = {:?}\nslo_ms = 1000\nrate_rps = 1",
            member.model.as_str()
        );
    }
    let scenario = Scenario::parse(&text, Path::new("profile.toml"))?;
    // Real models and those of --emulate need no predictor, and the profile of a new GPU may lack the data for
    // igniter's.
    let own_times = options.launch.models == "emulated" && options.launch.emulate.is_none();
    let needed = (!own_times).then(|| contention::NAME.to_owned());
    let predictor = options.predictor.map(str::to_owned).or(needed);
    let study = Study::new(scenario, &Overrides { predictor, ..Overrides::default() })?;
    let placements = servers.iter().enumerate().map(|(i, member)| Placement {
        workload: WorkloadName::new(&format!("m{i}")).expect("a short name"),
        model: member.model.clone(),
        batch: member.batch,
        sm: member.units,
        served: None,
        time_slot: None,
        predicted: None,
    });
    let gpu = CoLocation { kind: study.kind().name.clone(), placements: placements.collect() };
    let plan =
        Plan { strategy: "profile".to_owned(), gpus: vec![gpu], infeasible: vec![], bound: None };
    Ok((study, plan))
}

pub(super) fn members(run: &ProfileRun, predictor: &dyn Predictor) -> anyhow::Result<Vec<Member>> {
    let whole: SmUnits = predictor.kind().units;
    let member = |member: &RunMember| {
        let model = predictor.model_id(&member.model);
        Ok(Member {
            model: model.with_context(|| format!("no model {} is emulated", member.model))?,
            batch: member.batch,
            sm: member.units.to_percent(whole).context("a share of nothing")?,
        })
    };
    run.members.iter().map(member).collect()
}
