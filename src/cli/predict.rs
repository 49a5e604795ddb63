//! `igniter predict`

use super::CommandOutcome;
use super::model_args::PredictArgs;
use super::output;
use crate::domain::ModelName;
use crate::predictor::{ErrorBounds, Lead, Member, Predictor, Uncertainty, check_prediction};
use crate::run::load_predictor;
use crate::units::{BatchSize, SmPercent};
use anyhow::{Context, bail};
use serde::Serialize;

#[derive(Serialize)]
struct PredictJson {
    predictor: &'static str,
    members: Vec<MemberDocument>,
    power_w: f64,
    power_demand_w: f64,
    clock_mhz: f64,
    total_sm_pct: f64,
    /// The error bounds of the predicted latencies; absent where the predictor has none.
    uncertainty: Option<UncertaintyDocument>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct UncertaintyDocument {
    level: f64,
    two_sided_pct: f64,
    one_sided_pct: f64,
    extrapolated: bool,
    /// Whether the bounds were calibrated with co-locations measured on this GPU kind.
    calibrated: bool,
}

#[derive(Serialize)]
struct MemberDocument {
    model: ModelName,
    batch: BatchSize,
    sm_pct: SmPercent,
    latency_ms: f64,
    gpu_ms: f64,
    load_ms: f64,
    feedback_ms: f64,
    throughput_rps: f64,
    /// The two-sided error bound of the latency in percent; absent where the predictor has none.
    two_sided_pct: Option<f64>,
    one_sided_pct: Option<f64>,
    /// The longer of the two times: `gpu`, or `launch` where the host launches kernels more slowly than the GPU runs
    /// them.
    lead: Option<Lead>,
}

/// Returns the largest uncertainty of all members.
fn largest(uncertainties: &[Uncertainty]) -> Option<UncertaintyDocument> {
    let most = |of: fn(&Uncertainty) -> f64| uncertainties.iter().map(of).fold(0.0, f64::max);
    let first = uncertainties.first()?;
    Some(UncertaintyDocument {
        level: ErrorBounds::LEVEL,
        two_sided_pct: most(|u| u.two_sided_pct),
        one_sided_pct: most(|u| u.one_sided_pct),
        extrapolated: first.extrapolated,
        calibrated: uncertainties.iter().all(|u| u.calibrated),
    })
}

pub(super) fn run(args: &PredictArgs) -> anyhow::Result<CommandOutcome> {
    let profile = args.predictor.profile.as_deref().unwrap_or("v100");
    let loaded = load_predictor(profile, args.predictor.predictor.as_deref(), None)?;
    let predictor = loaded.predictor.as_ref();
    let members = args
        .members
        .iter()
        .map(|text| parse_member(text, predictor))
        .collect::<anyhow::Result<Vec<Member>>>()?;
    let prediction = predictor.predict(&members);
    let mut warnings = Vec::new();
    for (member, text) in members.iter().zip(&args.members) {
        let name = &predictor.models()[member.model.index()];
        if let Some(v) = loaded.file.validity(name) {
            let batch_ok = (v.batch[0]..=v.batch[1]).contains(&member.batch);
            if !batch_ok || !(v.sm_pct[0]..=v.sm_pct[1]).contains(&member.sm.get()) {
                warnings.push(format!(
                    "{text} is extrapolated: {name} was measured with batches {}-{} and {}-{} % of the SMs",
                    v.batch[0], v.batch[1], v.sm_pct[0], v.sm_pct[1]
                ));
            }
        }
    }
    let total_sm_pct: f64 = members.iter().map(|m| m.sm.get()).sum();
    if total_sm_pct > 100.0 {
        warnings.push(match predictor.name() {
            "contention" => format!(
                "the shares add up to {total_sm_pct} %: everybody is taken to get its fair part of the SMs, which was \
                 verified for copies of one model without shares of their own"
            ),
            name => format!("the shares add up to {total_sm_pct} %, for which {name} was not made"),
        });
    }
    if members.len() > 1 && !predictor.assumed().is_empty() {
        warnings.push(format!("not measured on this GPU: {}", predictor.assumed().join("; ")));
    }
    check_prediction(predictor, &members, &prediction)?;
    let uncertainties: Vec<Uncertainty> =
        (0..members.len()).filter_map(|i| predictor.uncertainty(&members, i)).collect();
    let document = PredictJson {
        predictor: predictor.name(),
        members: members
            .iter()
            .zip(&prediction.members)
            .enumerate()
            .map(|(i, (member, p))| MemberDocument {
                model: predictor.models()[member.model.index()].clone(),
                batch: member.batch,
                sm_pct: member.sm,
                latency_ms: p.latency_ms(),
                gpu_ms: p.gpu_ms,
                load_ms: p.load_ms,
                feedback_ms: p.feedback_ms,
                throughput_rps: p.throughput_rps,
                two_sided_pct: uncertainties.get(i).map(|u| u.two_sided_pct),
                one_sided_pct: uncertainties.get(i).map(|u| u.one_sided_pct),
                lead: uncertainties.get(i).map(|u| u.lead),
            })
            .collect(),
        power_w: prediction.power_w,
        power_demand_w: prediction.power_demand_w,
        clock_mhz: prediction.clock_mhz,
        total_sm_pct,
        uncertainty: largest(&uncertainties),
        warnings,
    };
    if args.print.json {
        output::print_json(&document)?;
    } else if !args.print.quiet {
        output::print(&described(&document))?;
    }
    Ok(CommandOutcome::Done)
}

fn parse_member(text: &str, predictor: &dyn Predictor) -> anyhow::Result<Member> {
    let parts: Vec<&str> = text.split(':').collect();
    let [model, batch, sm] = parts[..] else {
        bail!("{text:?} must be model:batch:sm_pct, as in alexnet:4:10");
    };
    let name = ModelName::new(model)?;
    let model = predictor.model_id(&name).with_context(|| {
        let known: Vec<&str> = predictor.models().iter().map(|m| m.as_str()).collect();
        format!("{text:?}: no model {name} in the profile, which has: {}", known.join(", "))
    })?;
    let number = || batch.parse().ok().and_then(|n: u32| BatchSize::new(n).ok());
    let batch = number().with_context(|| {
        format!("{text:?}: the batch size {batch:?} must be a whole number from 1")
    })?;
    let share = || sm.parse().ok().and_then(|s: f64| SmPercent::new(s).ok());
    let sm = share().filter(|sm| sm.get() <= 100.0).with_context(|| {
        format!("{text:?}: the SM share {sm:?} must be above 0 and at most 100")
    })?;
    Ok(Member { model, batch, sm })
}

fn described(document: &PredictJson) -> String {
    // A predictor without error bounds has no columns for them.
    let uncertain = document.uncertainty.is_some();
    let rows = document.members.iter().map(|m| {
        let mut row = vec![
            m.model.to_string(),
            m.batch.to_string(),
            format!("{} %", m.sm_pct),
            format!("{:.3}", m.latency_ms),
            format!("{:.3}", m.load_ms),
            format!("{:.3}", m.gpu_ms),
            format!("{:.3}", m.feedback_ms),
            format!("{:.1}", m.throughput_rps),
        ];
        if let (Some(two_sided), Some(lead)) = (m.two_sided_pct, m.lead) {
            let led_by = if lead == Lead::Launch { "launching" } else { "the GPU" };
            row.extend([format!("{two_sided:.1}"), led_by.to_owned()]);
        }
        row
    });
    let mut header = vec![
        "model",
        "batch",
        "SMs",
        "latency ms",
        "load ms",
        "GPU ms",
        "feedback ms",
        "throughput /s",
    ];
    if uncertain {
        header.extend(["± %", "led by"]);
    }
    let mut text = output::table(&header, rows);
    text += &format!(
        "\npower {:.1} W (demand {:.1} W), clock {:.0} MHz",
        document.power_w, document.power_demand_w, document.clock_mhz
    );
    if let Some(u) = &document.uncertainty {
        text += &format!(
            "\nuncertainty of each latency ({:.0} %): ±{:.1} %, at most +{:.1} %{}{}",
            u.level * 100.0,
            u.two_sided_pct,
            u.one_sided_pct,
            if u.extrapolated { "; extrapolated" } else { "" },
            if u.calibrated { "" } else { "; not measured on this GPU" },
        );
    }
    for warning in &document.warnings {
        text += &format!("\nwarning: {warning}");
    }
    text
}
