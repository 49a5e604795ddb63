//! `igniter fit`

use super::Outcome;
use super::args::FitArgs;
use super::files::{check_writable, write_file};
use super::output;
use crate::accuracy::{AccuracyReport, accuracy};
use crate::fit::CoefficientsFile;
use crate::profile::read_colocated;
use crate::run::load_predictor;
use serde::Serialize;

#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    coefficients: &'a CoefficientsFile,
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy: Option<AccuracyReport>,
}

pub(super) fn run(args: &FitArgs) -> anyhow::Result<Outcome> {
    if let Some(path) = &args.output {
        check_writable(path)?;
    }
    let runs = args.colocated.as_deref().map(read_colocated).transpose()?;
    let loaded = load_predictor(&args.profile, "igniter", None)?;
    let report = runs.map(|runs| accuracy(loaded.predictor.as_ref(), &runs, None)).transpose()?;
    if let Some(path) = &args.output {
        write_file(path, &loaded.file.to_json())?;
    }
    if args.print.json {
        output::print_json(&Document { coefficients: &loaded.file, accuracy: report })?;
    } else if !args.print.quiet {
        let mut text = described(&loaded.file);
        if let Some(report) = report {
            text += "\n\n";
            text += &super::accuracy::described(&report);
        }
        if let Some(path) = &args.output {
            text += &format!("\n\nwrote {}", path.display());
        }
        output::print(&text)?;
    }
    Ok(Outcome::Done)
}

fn described(file: &CoefficientsFile) -> String {
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
        "predictor {}: α_f {:.4} MHz/W, α_sch {:.6} ms, β_sch {:.6} ms\n{}\n\
         error: active time on the fitted points; batches, SMs: the measured range",
        file.predictor,
        hw.alpha_f_mhz_per_w,
        hw.alpha_sch_ms_per_kernel,
        hw.beta_sch_ms_per_kernel,
        output::table(&header, rows),
    )
}
