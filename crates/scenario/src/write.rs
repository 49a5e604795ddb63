//! Writes a checked scenario as text: the resolved form, with every default written out.

use super::batching::{TIMEOUT_ACTIONS, TRITON_RELEASES};
use super::control::OVERSUBSCRIPTIONS;
use super::raw::{INTERFERENCES, LINKS, PERCENTILES, SERVICES};
use super::server::NOISE_OF_PROFILE;
use super::write_arrival::arrival_table;
use super::{ProfileChoice, Scenario, ScenarioWorkload};
use igniter_model::predictor::ErrorDraw;
use igniter_model::units::Nanoseconds;
use igniter_plan::{Margin, Replicas};
use igniter_sim::{
    BatchingSpec, ControllerSpec, Fault, FaultKind, FaultyGpu, GsliceSpec, LoadOverlap, Noise,
    ServerSpec, ShadowSpec, TritonRelease,
};
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
    writeln!(out, "pcie = {}", quote(word(&LINKS, engine.pcie)))?;
    controller(scenario.control.controller, out)?;
    scenario.control.faults.iter().try_for_each(|f| fault(f, out))?;

    let plan = scenario.plan;
    writeln!(out, "\n[plan]")?;
    match plan.margin {
        Margin::Percent(margin) => writeln!(out, "margin_pct = {}", number(margin))?,
        Margin::Predictor => writeln!(out, "margin_pct = \"predictor\"")?,
    }
    writeln!(out, "headroom_pct = {}", number(plan.throughput_headroom_pct))?;
    if plan.replicas != Replicas::ByStrategy {
        writeln!(out, "replicas = {}", plan.replicas == Replicas::Allowed)?;
    }
    writeln!(out, "attainment_pct = {}", number(plan.attainment_pct))?;
    writeln!(out, "confidence_pct = {}", number(plan.confidence_pct))?;
    writeln!(out, "process_limit = {}", plan.process_limit)?;
    match plan.time_limit_s {
        Some(limit) => writeln!(out, "time_limit_s = {}", number(limit))?,
        None => writeln!(out, "search_rounds = {}", plan.search_rounds)?,
    }

    if let Some(spec) = &scenario.replan {
        super::replan::write(spec, out)?;
    }

    if !scenario.display.is_empty() {
        // Quoting rules for keys differ from those for values.
        let table = toml::to_string(&scenario.display).expect("words are TOML");
        write!(out, "\n[display]\n{table}")?;
    }

    for ScenarioWorkload { workload, slo_x_solo, arrival, batching, server } in &scenario.workloads
    {
        writeln!(out, "\n[[workload]]")?;
        writeln!(out, "name = {}", quote(workload.name.as_str()))?;
        writeln!(out, "model = {}", quote(workload.model.as_str()))?;
        match slo_x_solo {
            Some(factor) => writeln!(out, "slo_x_solo = {}", number(*factor))?,
            None => writeln!(out, "slo_ms = {}", number(workload.slo.get()))?,
        }
        writeln!(out, "rate_rps = {}", number(workload.rate.get()))?;
        writeln!(out, "arrival = {}", arrival_table(arrival))?;
        writeln!(out, "batching = {}", batching_table(batching))?;
        writeln!(out, "engine = {}", server_table(server))?;
    }
    Ok(())
}

fn controller(controller: ControllerSpec, out: &mut String) -> fmt::Result {
    let seconds = |time: Nanoseconds| number(time.as_seconds());
    let ms = |time: Nanoseconds| number(time.as_ms());
    writeln!(out, "\n[controller]")?;
    match controller {
        ControllerSpec::None => writeln!(out, "kind = \"none\""),
        ControllerSpec::Shadow(ShadowSpec { period, extra_pct, switch }) => {
            writeln!(out, "kind = \"shadow\"")?;
            writeln!(out, "period_s = {}", seconds(period))?;
            writeln!(out, "extra_pct = {}", number(extra_pct))?;
            writeln!(out, "switch_ms = {}", ms(switch))
        }
        ControllerSpec::Gslice(spec) => {
            let GsliceSpec { period, reconfigure, oversubscription, fresh_start } = spec;
            writeln!(out, "kind = \"gslice\"")?;
            writeln!(out, "period_s = {}", seconds(period))?;
            writeln!(out, "reconfigure_ms = {}", ms(reconfigure))?;
            let oversubscription = word(&OVERSUBSCRIPTIONS, oversubscription);
            writeln!(out, "oversubscription = {}", quote(oversubscription))?;
            writeln!(out, "fresh_start = {fresh_start}")
        }
    }
}

fn fault(fault: &Fault, out: &mut String) -> fmt::Result {
    let gpu = |gpu: &FaultyGpu| match gpu {
        FaultyGpu::Number(number) => format!("gpu = {number}"),
        FaultyGpu::Of(workload) => format!("workload = {}", quote(workload.as_str())),
    };
    let (kind, whom) = match &fault.what {
        FaultKind::GpuFails(which) => ("gpu-fails", gpu(which)),
        FaultKind::GpuSlows { gpu: which, factor } => {
            ("gpu-slows", format!("{}\nfactor = {}", gpu(which), number(*factor)))
        }
        FaultKind::WorkloadCrashes(workload) => {
            ("workload-crashes", format!("workload = {}", quote(workload.as_str())))
        }
    };
    writeln!(out, "\n[[fault]]\nkind = \"{kind}\"\n{whom}")?;
    writeln!(out, "at_s = {}", number(fault.at.as_seconds()))?;
    match fault.lasts {
        Some(lasts) => writeln!(out, "lasts_s = {}", number(lasts.as_seconds())),
        None => Ok(()),
    }
}

fn server_table(server: &ServerSpec) -> String {
    let ServerSpec {
        noise,
        batch_overhead,
        row_overhead,
        request_overhead,
        request_serial,
        batch_overhead_cv,
        request_overhead_cv,
        instance_slowdown,
        startup,
    } = server;
    let noise_cv = match noise {
        Noise::Cv(cv) => number(*cv),
        Noise::Profile => quote(NOISE_OF_PROFILE),
    };
    // Written only if host times vary, so that the text of other scenarios does not change.
    let cv = |key: &str, cv: f64| {
        if cv > 0.0 { format!("{key} = {}, ", number(cv)) } else { String::new() }
    };
    let serial = match request_serial.get() {
        ms if ms > 0.0 => format!("request_serial_ms = {}, ", number(ms)),
        _ => String::new(),
    };
    let slowdown = instance_slowdown
        .map_or(String::new(), |factor| format!("instance_slowdown = {}, ", number(factor)));
    format!(
        "{{ noise_cv = {noise_cv}, batch_overhead_ms = {}, row_overhead_ms = {}, request_overhead_ms = {}, \
         {serial}{}{}{slowdown}startup_s = {} }}",
        number(batch_overhead.get()),
        number(row_overhead.get()),
        number(request_overhead.get()),
        cv("batch_overhead_cv", *batch_overhead_cv),
        cv("request_overhead_cv", *request_overhead_cv),
        number(startup.as_seconds()),
    )
}

fn batching_table(batching: &BatchingSpec) -> String {
    let BatchingSpec {
        max_queue_delay,
        max_batch,
        preferred,
        instances,
        shared_thread,
        variable_shape,
        max_queue_size,
        timeout,
        timeout_action,
        completion_race,
        release,
    } = batching;
    // Written only if it is not the default, so that the text of other scenarios does not change.
    let release = match release {
        TritonRelease::Current => String::new(),
        other => format!(", triton = {}", quote(word(&TRITON_RELEASES, *other))),
    };
    let shared = if *shared_thread { "shared_thread = true, " } else { "" };
    let max_batch = max_batch.map_or(String::new(), |size| format!("max_batch = {size}, "));
    let preferred: Vec<String> = preferred.iter().map(ToString::to_string).collect();
    format!(
        "{{ max_queue_delay_ms = {}, {max_batch}preferred = [{}], instances = {instances}, {shared}\
         variable_shape = {variable_shape}, max_queue_size = {max_queue_size}, timeout_ms = {}, \
         timeout_action = {}, completion_race = {}{release} }}",
        number(max_queue_delay.get()),
        preferred.join(", "),
        number(timeout.get()),
        quote(word(&TIMEOUT_ACTIONS, *timeout_action)),
        number(*completion_race),
    )
}

/// Quotes text as a TOML string.
pub(super) fn quote(text: &str) -> String {
    Value::from(text).to_string()
}

/// Formats a TOML float: the shortest text that reads back as the same number.
pub(super) fn number(number: f64) -> String {
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
