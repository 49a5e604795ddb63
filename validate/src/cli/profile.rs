//! `validate profile`: measure a profile that `igniter fit` accepts.

use super::Outcome;
use super::output::{Progress, print};
use crate::launch::LaunchArgs;
use crate::life;
use crate::profile::{Grid, Journal, assemble, measure_run, read_runs, units as units_of};
use anyhow::{Context, bail};
use clap::Args;
use igniter::domain::{GpuKindName, ModelName};
use igniter::profile::{load, profile_files};
use igniter::units::{BatchSize, Nanoseconds, SmUnits};
use std::path::PathBuf;

/// The flags of `validate profile`.
#[derive(Debug, Args)]
pub(super) struct ProfileCommand {
    /// The profile to start from: the constants of the GPU, and all that serving cannot tell (kernels, idle
    /// times, L2 utilisation), stay as they are there; emulated models take its predictor's times
    #[arg(long, value_name = "KIND|PATH", default_value = "v100")]
    from: String,
    /// The predictor of emulated models
    #[arg(long, value_name = "NAME")]
    predictor: Option<String>,
    /// The name of the GPU kind [default: the folder's]
    #[arg(long, value_name = "NAME")]
    kind: Option<String>,
    /// The models, separated by commas [default: all of --from]
    #[arg(long, value_name = "MODEL", value_delimiter = ',')]
    model: Vec<String>,
    /// The batch sizes of the solo grid
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,16,32")]
    batches: Vec<u32>,
    /// The SM shares of the solo grid, in percent; rounded to what the GPU can allocate
    #[arg(long, value_name = "PCT", value_delimiter = ',', default_value = "10,50,100")]
    shares: Vec<f64>,
    /// Measure no pairs of models
    #[arg(long)]
    no_pairs: bool,
    /// Also measure the runs that this CSV file lists (run,member,model,batch,sm_pct), with any number of
    /// members, as `igniter design -o FILE` writes them
    #[arg(long, value_name = "FILE")]
    runs: Option<PathBuf>,
    /// How long each point is measured, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    seconds: f64,
    /// The folder of the profile; a campaign that was interrupted goes on where it was
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// Only list what would be measured
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    launch: LaunchArgs,
    /// No progress on stderr, nothing on stdout; errors are still printed
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn run(args: &ProfileCommand) -> anyhow::Result<Outcome> {
    let base = load(&args.from)?;
    let grid = grid(args, &base)?;
    let mut runs = grid.runs();
    if let Some(path) = &args.runs {
        let listed = read_runs(path, &base)?;
        runs.extend(listed.into_iter().filter(|run| !grid.runs().contains(run)));
    }
    if args.dry_run {
        let lines = runs.iter().map(|run| {
            let member = |m: &crate::profile::RunMember| {
                let share = m.units.to_percent(base.kind.units).map_or(0.0, |share| share.get());
                format!("{}:{}:{share}", m.model, m.batch)
            };
            run.members.iter().map(member).collect::<Vec<_>>().join(" ")
        });
        print(&lines.collect::<Vec<_>>().join("\n"))?;
        return Ok(Outcome::Done);
    }
    let name = match &args.kind {
        Some(name) => name.clone(),
        None => args.output.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    };
    let kind = GpuKindName::new(&name).context("--kind")?;
    let duration = Nanoseconds::from_seconds(args.seconds).context("--seconds")?;
    let devices = args.launch.devices()?;
    std::fs::create_dir_all(&args.output)
        .with_context(|| format!("cannot use {}", args.output.display()))?;
    let mut journal = Journal::open(&args.output.join("journal.jsonl"))?;
    let progress = Progress::new(args.quiet);
    for (i, run) in runs.iter().enumerate() {
        if journal.find(run).is_some() {
            continue;
        }
        if life::interrupted() {
            return Err(life::Interrupted.into());
        }
        let names: Vec<String> =
            run.members.iter().map(|m| format!("{} b{}", m.model, m.batch)).collect();
        progress.at(&format!("{} of {}: {}", i + 1, runs.len(), names.join(" + ")));
        let source = (args.from.as_str(), args.predictor.as_deref());
        let result = measure_run(source, run, &args.launch, &devices, duration)
            .with_context(|| format!("point {} of {}", i + 1, runs.len()))?;
        journal.add(run.clone(), result).context("cannot write the journal")?;
    }
    let source = format!(
        "Measured with `validate profile` ({} models, {} s for each point) through Triton: solo points and \
         co-locations. Constants of the GPU, kernels, idle times, L2 utilisation, self-pairs and co-location \
         points, and without a GPU power and clock, are those of {}: {}",
        args.launch.models, args.seconds, args.from, base.source
    );
    let profile = assemble(&base, kind, &source, &runs, &journal)?;
    for (name, text) in profile_files(&profile) {
        let mut file = tempfile::NamedTempFile::new_in(&args.output)?;
        std::io::Write::write_all(&mut file, text.as_bytes())?;
        let path = args.output.join(name);
        file.persist(&path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if !args.quiet {
        let folder = args.output.display();
        print(&format!("{} points; fit it with: igniter fit {folder}", runs.len()))?;
    }
    Ok(Outcome::Done)
}

fn grid(args: &ProfileCommand, base: &igniter::profile::Profile) -> anyhow::Result<Grid> {
    let known: Vec<&ModelName> = base.models.iter().map(|model| &model.name).collect();
    let mut models: Vec<ModelName> = Vec::new();
    for name in &args.model {
        let Some(model) = known.iter().find(|model| model.as_str() == name) else {
            let known: Vec<&str> = known.iter().map(|model| model.as_str()).collect();
            bail!("--model {name}: {} has {}", args.from, known.join(", "));
        };
        models.push((*model).clone());
    }
    if models.is_empty() {
        models = known.into_iter().cloned().collect();
    }
    let batches = args.batches.iter().map(|&batch| BatchSize::new(batch));
    let units = base.kind.units;
    let mut shares: Vec<SmUnits> = Vec::new();
    for &share in &args.shares {
        let Some(rounded) = units_of(share, units) else {
            bail!("--shares {share}: allowed: above 0, at most 100");
        };
        if !shares.contains(&rounded) {
            shares.push(rounded);
        }
    }
    Ok(Grid {
        models,
        batches: batches.collect::<Result<_, _>>().context("--batches")?,
        shares,
        half: SmUnits::new((units.get() / 2).max(1)),
        pairs: !args.no_pairs,
    })
}
