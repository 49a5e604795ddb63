//! Writing the files of a comparison.

use super::tables::ValidationResult;
use super::text::report_markdown;
use igniter::figures::{validation_figures, write_figures};
use igniter::results::{OutputDir, or_empty, write_latencies};

/// Writes `comparison.json`, `comparison.csv`, `hand_overs.csv` where plans followed each other, `cdf.csv`,
/// `latency_series.csv`, figures and `report.md`.
///
/// # Errors
/// When a figure cannot be drawn, or a file cannot be written.
pub fn write_comparison(dir: &mut OutputDir, comparison: &ValidationResult) -> anyhow::Result<()> {
    dir.write("comparison.json", |file| {
        serde_json::to_writer_pretty(&mut *file, comparison)?;
        file.write_all(b"\n")
    })?;
    dir.write("comparison.csv", |file| {
        let mut writer = csv::Writer::from_writer(file);
        write_rows(&mut writer, comparison).map_err(std::io::Error::other)?;
        writer.flush()
    })?;
    if !comparison.hand_overs.is_empty() {
        dir.write("hand_overs.csv", |file| {
            let mut writer = csv::Writer::from_writer(file);
            for row in &comparison.hand_overs {
                writer.serialize(row).map_err(std::io::Error::other)?;
            }
            writer.flush()
        })?;
    }
    write_latencies(dir, &comparison.arms)?;
    let figures = validation_figures(&comparison.arms, &comparison.shown)?;
    let figures = write_figures(dir, &figures)?;
    let figures: Vec<(String, String)> =
        figures.into_iter().map(|figure| (figure.stem, figure.caption)).collect();
    let report = report_markdown(comparison, &figures);
    dir.write("report.md", |file| file.write_all(report.as_bytes()))?;
    Ok(())
}

fn write_rows<W: std::io::Write>(
    writer: &mut csv::Writer<W>,
    comparison: &ValidationResult,
) -> csv::Result<()> {
    writer.write_record([
        "workload",
        "model",
        "gpu",
        "batch",
        "sm_pct",
        "slo_ms",
        "arm",
        "requests",
        "throughput_rps",
        "mean_ms",
        "p50_ms",
        "p90_ms",
        "p99_ms",
        "slo_violation_pct",
        "mean_batch",
        "full_batch_ms",
        "late_p99_ms",
    ])?;
    for row in &comparison.rows {
        let arms = [
            ("simulated", &row.simulated, Some(row.hosted_batch_ms), None),
            ("measured", &row.measured, row.measured_batch_ms, Some(row.late_p99_ms)),
        ];
        for (arm, summary, full_batch_ms, late) in arms {
            writer.write_record([
                row.workload.to_string(),
                row.model.to_string(),
                row.gpu.to_string(),
                row.batch.to_string(),
                row.sm_pct.to_string(),
                row.slo_ms.to_string(),
                arm.to_owned(),
                summary.requests.to_string(),
                summary.throughput_rps.to_string(),
                or_empty(summary.mean_ms),
                or_empty(summary.p50_ms),
                or_empty(summary.p90_ms),
                or_empty(summary.p99_ms),
                or_empty(summary.slo_violation_pct),
                or_empty(summary.mean_batch),
                or_empty(full_batch_ms),
                or_empty(late),
            ])?;
        }
    }
    Ok(())
}
