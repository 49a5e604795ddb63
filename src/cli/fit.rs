//! `igniter fit`

use super::CommandOutcome;
use super::files::{check_writable, write_file};
use super::model_args::{FitModelArgs, contradicting};
use super::output;
use crate::accuracy::{AccuracyReport, accuracy};
use crate::fit::{CoefficientsFile, FitData, FitReport, IgniterFile, SoloUse, fit_predictor};
use crate::predictor::contention::ContentionCoefficients;
use crate::profile::{self, read_colocated, read_solo_table};
use anyhow::bail;
use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
struct FitJson<'a> {
    #[serde(flatten)]
    coefficients: &'a CoefficientsFile,
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy: Option<AccuracyReport>,
}

pub(super) fn run(args: &FitModelArgs) -> anyhow::Result<CommandOutcome> {
    if let Some(path) = &args.output {
        check_writable(path)?;
    }
    let runs = args.colocated.as_deref().map(read_colocated).transpose()?;
    let solo = args.solo.as_deref().map(read_solo_table).transpose()?;
    let mut profile = profile::load(&args.profile)?;
    if let Some(path) = &args.kernels {
        profile::read_kernels(path, &mut profile)?;
    }
    let mut data = FitData::of(&profile);
    if let Some(runs) = &runs {
        data = data.with_colocated(runs);
    }
    if let Some(solo) = &solo {
        let solo_use =
            if args.solo_while_fitting { SoloUse::WhileFitting } else { SoloUse::Everywhere };
        data = data.with_solo(solo, solo_use);
    }
    data.pressure = args.pressure.map(Into::into);
    let other = args.constants_of.as_deref().map(constants_of).transpose()?;
    if let Some(other) = &other {
        data = data.with_colocated(&[]);
        data.other = Some(other);
    }
    let notes = contradicting(&profile.models, Some(data.solo), data.colocated, args.strict)?;
    let (predictor, file) = fit_predictor(&args.predictor, &data)?;
    let report = match &runs {
        Some(runs) => Some(accuracy(predictor.as_ref(), runs, None)?),
        None => None,
    };
    if let Some(path) = &args.output {
        write_file(path, &file.to_json())?;
    }
    if args.print.json {
        output::print_json(&FitJson { coefficients: &file, accuracy: report })?;
    } else if !args.print.quiet {
        let mut text = match &file {
            CoefficientsFile::Igniter(file) => igniter(file),
            _ => described(file.name(), file.report().expect("all others have a report")),
        };
        if let Some(report) = report {
            text += "\n\non the co-located runs that were given";
            if file.report().is_some() {
                text += " (the fit saw them: on others expect more)";
            }
            text += ":\n";
            text += &super::accuracy::described(&report);
        }
        for note in notes {
            text += &format!("\nwarning: {note}");
        }
        if let Some(path) = &args.output {
            text += &format!("\n\nwrote {}", path.display());
        }
        output::print(&text)?;
    }
    Ok(CommandOutcome::Done)
}

/// Reads the coefficients of another GPU kind.
pub(super) fn constants_of(path: &Path) -> anyhow::Result<ContentionCoefficients> {
    match CoefficientsFile::read(path)? {
        CoefficientsFile::Contention(file) => Ok(file.coefficients),
        file => bail!(
            "{}: holds coefficients of predictor {}; constants of co-locations are those of contention",
            path.display(),
            file.name()
        ),
    }
}

/// Formats iGniter's coefficients, which have residuals for each model instead of a report.
fn igniter(file: &IgniterFile) -> String {
    let rows = file.models.iter().map(|m| {
        let (c, r, v) = (&m.coefficients, &m.active_time_residuals, &m.validity);
        let mut row = vec![c.name.to_string()];
        row.extend(c.k.iter().map(|k| format!("{k:.4}")));
        row.push(format!("{:.5}", c.alpha_cache));
        row.push(format!("{:.2} W + {:.4}", c.power[1], c.power[0]));
        row.push(format!("{:.2} % + {:.4}", c.l2[1], c.l2[0]));
        row.push(format!("{:.2} %", r.mape_pct));
        row.push(format!("{:.1} %", r.max_pct));
        row.push(format!("{}-{}", v.batch[0], v.batch[1]));
        row.push(format!("{}-{} %", v.sm_pct[0], v.sm_pct[1]));
        row
    });
    let header = [
        "model",
        "k1",
        "k2",
        "k3",
        "k4",
        "k5",
        "α_cache",
        "power per image/s",
        "L2 per image/s",
        "error",
        "max",
        "batches",
        "SMs",
    ];
    let hw = &file.hardware;
    format!(
        "predictor igniter: α_f {:.4} MHz/W, α_sch {:.6} ms, β_sch {:.6} ms\n{}\n\
         error: active time on the fitted points; batches, SMs: the measured range",
        hw.alpha_f_mhz_per_w,
        hw.alpha_sch_ms_per_kernel,
        hw.beta_sch_ms_per_kernel,
        output::table(&header, rows),
    )
}

/// Describes a fit: its data, the terms that it found, and its assumptions.
fn described(predictor: &str, report: &FitReport) -> String {
    let data = &report.data;
    let mut text = format!(
        "predictor {predictor}, fitted to {} solo points, {} self-pairs, {} kernel lists, {} solo table \
         rows, {} co-located runs\n",
        data.solo_points,
        data.self_pairs,
        data.kernel_lists,
        data.solo_table_rows,
        data.colocated_runs
    );
    let terms = report.terms.iter().map(|t| {
        vec![
            t.term.clone(),
            format!("{:.5}", t.value),
            t.standard_error.map_or_else(String::new, |e| format!("± {e:.5}")),
            t.unit.clone(),
            if t.origin.is_determined() { "measured" } else { "not measured on this GPU" }
                .to_owned(),
        ]
    });
    text += &output::table(&["term", "value", "std. error", "unit", "origin"], terms);
    let residuals = report.solo_residuals.iter().map(|m| {
        let r = &m.gpu_time;
        vec![m.model.to_string(), format!("{:.2}", r.mape_pct), format!("{:.1}", r.max_pct)]
    });
    text += "\n\nGPU time alone, error on the fitted points\n";
    text += &output::table(&["model", "mean %", "max %"], residuals);
    for pair in &report.correlations {
        text += &format!(
            "\ncorrelated: {} and {} ({:+.2})",
            pair.terms[0], pair.terms[1], pair.correlation
        );
    }
    for note in &report.notes {
        text += &format!("\nnote: {note}");
    }
    text
}
