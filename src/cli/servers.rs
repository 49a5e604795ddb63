//! `igniter servers`

use super::Outcome;
use super::model_args::ServersArgs;
use super::output;
use crate::results::{Existing, Manifest, OutputDir};
use crate::servers::{Assumed, SectionErrors, Servers, compare, read_sections};

pub(super) fn run(args: &ServersArgs) -> anyhow::Result<Outcome> {
    let mut manifest = Manifest::start(std::env::args().collect());
    let sections = read_sections(&args.offline, &args.online)?;
    let chosen: Vec<_> = sections
        .into_iter()
        .filter(|s| args.only.as_ref().is_none_or(|o| s.name.contains(o)))
        .collect();
    let assumed = Assumed {
        instance_slowdown: args.instance_slowdown,
        gather_ms: args.gather_ms,
        triton: args.triton.clone(),
        ..Assumed::default()
    };
    let dir =
        args.output.as_deref().map(|path| OutputDir::open(path, Existing::Replace)).transpose()?;
    let found = compare(&chosen, &assumed)?;
    if let Some(mut dir) = dir {
        for path in [&args.offline, &args.online] {
            manifest.input(path, &std::fs::read(path)?);
        }
        dir.write("servers.csv", |file| {
            let mut table = csv::Writer::from_writer(file);
            for row in &found.rows {
                table.serialize(row).map_err(std::io::Error::other)?;
            }
            table.flush()
        })?;
        let json = serde_json::to_string_pretty(&found)? + "\n";
        dir.write("servers.json", |file| file.write_all(json.as_bytes()))?;
        manifest.stop();
        dir.finish(manifest)?;
    }
    if args.print.json {
        output::print_json(&found)?;
    } else if !args.print.quiet {
        let mut text = described(&found);
        if let Some(path) = &args.output {
            text += &format!("\n\nwrote {}", path.display());
        }
        output::print(&text)?;
    }
    Ok(Outcome::Done)
}

fn described(found: &Servers) -> String {
    let row = |e: &SectionErrors| {
        let mut row = vec![e.of.clone(), e.n.to_string()];
        row.extend(
            [e.throughput, e.mean, e.p99]
                .map(|d| format!("{:.1} ({:+.1})", d.mape_pct, d.bias_pct)),
        );
        row
    };
    let header = ["mean |error| % (bias %)", "rows", "throughput", "mean latency", "P99 latency"];
    let mut text = output::table(&header, found.errors.iter().map(row));
    let assumed = &found.assumed;
    text += &format!(
        "\nassumed: Triton {}, two instances take {} times as long as one, {} ms to gather a request",
        assumed.triton, assumed.instance_slowdown, assumed.gather_ms
    );
    for (section, reason) in &found.skipped {
        text += &format!("\nleft out: {section}: {reason}");
    }
    text
}
