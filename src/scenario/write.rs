//! Checked → text: the resolved scenario, with every default written out.

use super::raw::{INTERFERENCES, PERCENTILES, SERVICES};
use super::{ProfileChoice, Scenario, ScenarioWorkload};
use crate::plan::{Margin, Replicas};
use crate::predictor::ErrorDraw;
use crate::sim::{BatchingSpec, LoadOverlap};
use crate::workload::ArrivalSpec;
use std::fmt::{self, Write};
use toml::Value;

/// Writes a scenario in canonical form.
pub(super) fn to_toml(scenario: &Scenario) -> String {
    let mut text = String::new();
    write(scenario, &mut text).expect("writing into a String cannot fail");
    text
}

fn write(scenario: &Scenario, out: &mut String) -> fmt::Result {
    writeln!(out, "version = 1")?;
    writeln!(out, "name = {}", quote(&scenario.name))?;
    writeln!(out, "seed = {}", scenario.seed)?;
    writeln!(out, "duration_s = {}", number(scenario.duration.as_seconds()))?;
    writeln!(out, "warmup_s = {}", number(scenario.warmup.as_seconds()))?;
    writeln!(out, "cooldown_s = {}", number(scenario.cooldown.as_seconds()))?;
    writeln!(out, "percentiles = {}", quote(word(&PERCENTILES, scenario.percentiles)))?;

    match scenario.prediction_error {
        None => {}
        Some(ErrorDraw::Uncertainty) => {
            writeln!(out, "prediction_error = {{ draw = \"uncertainty\" }}")?;
        }
        Some(ErrorDraw::StdPct(std)) => {
            writeln!(out, "prediction_error = {{ std_pct = {} }}", number(std))?;
        }
    }

    for gpu in &scenario.gpus {
        writeln!(out, "\n[[gpu]]")?;
        writeln!(out, "kind = {}", quote(&gpu.profile.to_string()))?;
        if let Some(price) = gpu.price_per_hour {
            writeln!(out, "price_per_hour = {}", number(price.get()))?;
        }
    }

    let engine = scenario.engine;
    writeln!(out, "\n[engine]")?;
    writeln!(out, "interference = {}", quote(word(&INTERFERENCES, engine.interference)))?;
    writeln!(out, "overlap_load = {}", engine.overlap == LoadOverlap::Overlapped)?;
    writeln!(out, "service = {}", quote(word(&SERVICES, engine.service)))?;

    let plan = scenario.plan;
    writeln!(out, "\n[plan]")?;
    match plan.margin {
        Margin::Percent(margin) => writeln!(out, "margin_pct = {}", number(margin))?,
        Margin::Predictor => writeln!(out, "margin_pct = \"predictor\"")?,
    }
    writeln!(out, "headroom_pct = {}", number(plan.throughput_headroom_pct))?;
    writeln!(out, "replicas = {}", plan.replicas == Replicas::Allowed)?;
    writeln!(out, "process_limit = {}", plan.process_limit)?;
    match plan.time_limit_s {
        Some(limit) => writeln!(out, "time_limit_s = {}", number(limit))?,
        None => writeln!(out, "search_rounds = {}", plan.search_rounds)?,
    }

    for ScenarioWorkload { workload, arrival, batching } in &scenario.workloads {
        writeln!(out, "\n[[workload]]")?;
        writeln!(out, "name = {}", quote(workload.name.as_str()))?;
        writeln!(out, "model = {}", quote(workload.model.as_str()))?;
        writeln!(out, "slo_ms = {}", number(workload.slo.get()))?;
        writeln!(out, "rate_rps = {}", number(workload.rate.get()))?;
        writeln!(out, "arrival = {}", arrival_table(arrival))?;
        writeln!(out, "batching = {}", batching_table(batching))?;
    }
    Ok(())
}

fn arrival_table(arrival: &ArrivalSpec) -> String {
    match arrival {
        ArrivalSpec::Constant => "{ process = \"constant\" }".to_owned(),
        ArrivalSpec::Poisson => "{ process = \"poisson\" }".to_owned(),
        ArrivalSpec::Gamma { cv } => format!("{{ process = \"gamma\", cv = {} }}", number(*cv)),
        ArrivalSpec::Trace { path, column } => format!(
            "{{ process = \"trace\", path = {}, column = {} }}",
            quote(&path.to_string_lossy()),
            quote(column)
        ),
    }
}

fn batching_table(batching: &BatchingSpec) -> String {
    let BatchingSpec { max_queue_delay, max_batch, preferred, instances, variable_shape } =
        batching;
    let max_batch = max_batch.map_or(String::new(), |size| format!("max_batch = {size}, "));
    let preferred: Vec<String> = preferred.iter().map(ToString::to_string).collect();
    format!(
        "{{ max_queue_delay_ms = {}, {max_batch}preferred = [{}], instances = {instances}, \
         variable_shape = {variable_shape} }}",
        number(max_queue_delay.get()),
        preferred.join(", ")
    )
}

/// A TOML string.
fn quote(text: &str) -> String {
    Value::from(text).to_string()
}

/// A TOML float: the shortest that reads back as the same number.
fn number(number: f64) -> String {
    Value::from(number).to_string()
}

fn word<T: PartialEq + Copy>(words: &[(&'static str, T)], wanted: T) -> &'static str {
    let found = words.iter().find(|&&(_, value)| value == wanted);
    found.map(|&(word, _)| word).expect("every value of a closed enum has its word")
}

impl fmt::Display for ProfileChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(name) => name.fmt(f),
            Self::Path(path) => path.to_string_lossy().fmt(f),
        }
    }
}
