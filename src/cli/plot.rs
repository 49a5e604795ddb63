//! `igniter plot`: draws figures only from the files of a sweep or of a comparison.

use super::files::is_folder;
use super::names::{display, no_such_name};
use super::sweep_args::{FormatArg, LookArgs, PlotArgs, PlotKind};
use super::{CommandOutcome, output};
use crate::figures::{
    Figure, FigureFormat, HeatPanel, LinePanel, Sheet, SweepMark, SweepSeries, comparison_figures,
    heat_figure, line_figure, pareto_figure, write_figures_as,
};
use crate::results::{
    Comparison, Existing, Identity, Manifest, OutputDir, PointTable, STAGES, read_comparison,
};
use anyhow::{bail, ensure};
use std::collections::BTreeMap;

pub(super) fn run(args: &PlotArgs) -> anyhow::Result<CommandOutcome> {
    let manifest = Manifest::start(super::command_line());
    check(args)?;
    is_folder(&args.dir)?;
    let sheet = sheet(&args.look)?;
    let compared = args.dir.join("comparison.json").is_file();
    let figures = match compared {
        true => sheet.draw(|| of_comparison(args))?,
        false => vec![sheet.draw(|| of_sweep(args))?],
    };
    let output = args.result.output.as_ref();
    let path = output.unwrap_or(&args.dir).clone();
    let same = output.is_none() || path.canonicalize().ok() == args.dir.canonicalize().ok();
    let mut dir = match same {
        true => OutputDir::open(&path, Existing::Keep),
        false => OutputDir::open_for(&path, Existing::Keep, &Identity::new(&manifest, None)),
    }?;
    let formats: Vec<FigureFormat> = args.look.format.iter().map(|one| (*one).into()).collect();
    output::tell_undrawn(&figures)?;
    let files = write_figures_as(&mut dir, &figures, &formats)?;
    let table = if compared { "comparison.json" } else { "points.csv" };
    let names = files.iter().flat_map(|file| {
        formats.iter().map(move |one| format!("{}.{}", file.stem, one.extension()))
    });
    finish(dir, manifest, args, table, same.then(|| names.collect()))?;
    let ends: Vec<String> = formats.iter().map(|one| format!(".{}", one.extension())).collect();
    if args.result.print.json {
        let names: Vec<String> = (files.iter())
            .flat_map(|file| ends.iter().map(move |end| format!("{}{end}", file.stem)))
            .collect();
        output::print_json(&names)?;
    } else if !args.result.print.quiet {
        for file in files {
            let stem = path.join(&file.stem);
            output::print(&format!("{}{}: {}", stem.display(), ends.join(", "), file.caption))?;
        }
    }
    Ok(CommandOutcome::Done)
}

/// Redraws the figures of a comparison from its tables.
fn of_comparison(args: &PlotArgs) -> anyhow::Result<Vec<Figure>> {
    let sweeps_only = [
        ("--x", args.x.is_some()),
        ("--y", args.y.is_some()),
        ("--rows", args.rows.is_some()),
        ("--panels", args.panels.is_some()),
        ("--only", !args.only.is_empty()),
        ("--name", args.name.is_some()),
        ("--kind", args.kind.is_some()),
        ("--log", args.log),
    ];
    if let Some((flag, _)) = sweeps_only.iter().find(|(_, given)| *given) {
        bail!(
            "{flag} is for sweeps, and {} holds a comparison; choose its figures with --figures, such as p99,plan",
            args.dir.display()
        );
    }
    let mut comparison = read_comparison(&args.dir)?;
    check_names(args, comparison_names(&comparison))?;
    if !args.look.order.is_empty() {
        let mut ordered = Vec::new();
        for name in &args.look.order {
            let found = comparison.strategies.iter().find(|result| result.strategy == *name);
            let Some(found) = found else {
                let known: Vec<&str> =
                    comparison.strategies.iter().map(|result| result.strategy.as_str()).collect();
                bail!(
                    "--order {name}: the comparison has no such strategy; it has {}",
                    known.join(", ")
                );
            };
            ordered.push(found.clone());
        }
        comparison.strategies = ordered;
    }
    let mut figures = comparison_figures(&comparison)?;
    if !args.figures.is_empty() {
        let known: Vec<String> = figures.iter().map(|figure| figure.stem.clone()).collect();
        for name in &args.figures {
            ensure!(
                known.iter().any(|stem| stem.starts_with(name.as_str())),
                "--figures {name}: there is no such figure; there are {}",
                known.join(", ")
            );
        }
        figures.retain(|f| args.figures.iter().any(|name| f.stem.starts_with(name.as_str())));
    }
    Ok(figures)
}

fn of_sweep(args: &PlotArgs) -> anyhow::Result<Figure> {
    ensure!(
        args.figures.is_empty(),
        "--figures is for comparisons; choose that of a sweep with --kind"
    );
    let mut table = PointTable::read(&args.dir)?;
    check_names(args, table.arms())?;
    for only in &args.only {
        let Some((column, value)) = only.split_once('=') else {
            bail!("--only {only}: allowed: COLUMN=VALUE, such as cv=4");
        };
        table = table.only(column.trim(), value.trim())?;
    }
    ensure!(!table.is_empty(), "no points are left to draw");
    let mut figure = match args.kind.unwrap_or(PlotKind::Attainment) {
        PlotKind::Attainment => lines(&table, args, "attainment_pct", "attainment")?,
        PlotKind::Cost => lines(&table, args, "cost_per_hour", "cost")?,
        PlotKind::Heatmap => heat(&table, args)?,
        PlotKind::Pareto => pareto(&table, args)?,
    };
    // For example, that an axis changes only some of the workloads.
    for note in table.notes() {
        figure.caption += &format!(" {note}");
    }
    Ok(figure)
}

/// Returns the names that appear in the figures of a comparison.
fn comparison_names(comparison: &Comparison) -> Vec<String> {
    let mut names: Vec<String> = STAGES.iter().map(|(name, _)| (*name).to_owned()).collect();
    for result in &comparison.strategies {
        names.push(result.strategy.clone());
        for workload in &result.workloads {
            names.extend([workload.workload.to_string(), workload.model.to_string()]);
        }
    }
    names
}

/// Rejects a display name for something that does not appear in the figures.
fn check_names(args: &PlotArgs, known: Vec<String>) -> anyhow::Result<()> {
    let names = display(&args.look.display)?;
    match names.keys().find(|name| !known.contains(name)) {
        Some(unknown) => Err(no_such_name(unknown, &known)),
        None => Ok(()),
    }
}

/// Returns the lines of a table in the requested order.
fn arms(table: &PointTable, args: &PlotArgs) -> anyhow::Result<Vec<String>> {
    let all = table.arms();
    for name in &args.look.order {
        ensure!(
            all.contains(name),
            "--order {name}: the sweep has no such line; it has {}",
            all.join(", ")
        );
    }
    Ok(if args.look.order.is_empty() { all } else { args.look.order.clone() })
}

/// The allowed widths in inches, height factors, and font sizes in points.
const WIDTHS: std::ops::RangeInclusive<f64> = 1.5..=30.0;
const HEIGHTS: std::ops::RangeInclusive<f64> = 0.3..=5.0;
const SIZES: std::ops::RangeInclusive<f64> = 4.0..=24.0;

fn sheet(look: &LookArgs) -> anyhow::Result<Sheet> {
    let within = |flag: &str, value: f64, range: &std::ops::RangeInclusive<f64>| {
        let (from, to) = (range.start(), range.end());
        ensure!(range.contains(&value), "{flag} {value}: allowed: {from} to {to}");
        Ok(())
    };
    let own = Sheet::default();
    let width = look.width.unwrap_or(own.column_in);
    within("--width", width, &WIDTHS)?;
    within("--height", look.height, &HEIGHTS)?;
    within("--font-size", look.font_size, &SIZES)?;
    // Text of twice the size needs twice the width.
    let room = width / look.font_size;
    ensure!(
        room >= MIN_ROOM,
        "--width {width} with --font-size {}: the text would not fit; allowed: a width of at least {:.1} in",
        look.font_size,
        MIN_ROOM * look.font_size
    );
    let display = display(&look.display)?;
    Ok(Sheet {
        column_in: width,
        both_columns_in: look.width.unwrap_or(own.both_columns_in),
        font_pt: look.font_size,
        height: look.height,
        titles: !look.no_titles,
        x_label: look.x_label.clone(),
        y_label: look.y_label.clone(),
        display,
    })
}

/// Minimum width in inches for each point of font size.
const MIN_ROOM: f64 = 0.25;

impl From<FormatArg> for FigureFormat {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Svg => Self::Svg,
            FormatArg::Png => Self::Png,
            FormatArg::Pdf => Self::Pdf,
            FormatArg::Pgf => Self::Pgf,
        }
    }
}

fn check(args: &PlotArgs) -> anyhow::Result<()> {
    let target = args.target;
    ensure!(target > 0.0 && target <= 100.0, "--target {target}: allowed: above 0, at most 100");
    if let Some(name) = &args.name {
        let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\']);
        ensure!(plain, "--name {name:?}: allowed: a file name without folders, such as load");
    }
    Ok(())
}

/// Finishes the folder. A folder of results keeps its manifest, which now also lists the figures (`names`).
fn finish(
    dir: OutputDir,
    mut manifest: Manifest,
    args: &PlotArgs,
    table: &str,
    names: Option<Vec<String>>,
) -> anyhow::Result<()> {
    let file = args.dir.join("manifest.json");
    if let Some(names) = names {
        manifest = Manifest::read(&file)?;
        // Figures that the run itself drew are already listed as its outputs.
        let own = |name: &String| manifest.outputs.iter().any(|output| output.path == *name);
        let added: Vec<String> = names.into_iter().filter(|name| !own(name)).collect();
        manifest.plotted.extend(added);
    } else {
        let table = args.dir.join(table);
        manifest.input(&table, &std::fs::read(&table)?);
        manifest.stop();
    }
    Ok(dir.finish(manifest)?)
}

/// Returns the requested axis, or the axis with this number from the end.
fn axis<'a>(
    asked: Option<&'a str>,
    table: &'a PointTable,
    from_end: usize,
    flag: &str,
) -> anyhow::Result<&'a str> {
    if let Some(asked) = asked {
        table.column(asked)?;
        return Ok(asked);
    }
    match table.axes().iter().rev().nth(from_end) {
        Some(axis) => Ok(axis),
        None => bail!("the sweep has {} axes; name a column with {flag}", table.axes().len()),
    }
}

fn name(args: &PlotArgs, default: &str) -> String {
    args.name.clone().unwrap_or_else(|| default.to_owned())
}

/// Returns the rows for each value of a column, or all rows together where no column is given.
fn split(table: &PointTable, column: Option<&str>) -> anyhow::Result<Vec<(String, PointTable)>> {
    let Some(column) = column else { return Ok(vec![(String::new(), table.clone())]) };
    let mut parts = Vec::new();
    for value in table.distinct(column)? {
        let title = format!("{column} = {value}");
        parts.push((title, table.only(column, &value)?));
    }
    Ok(parts)
}

fn lines(table: &PointTable, args: &PlotArgs, y: &str, stem: &str) -> anyhow::Result<Figure> {
    let x = axis(args.x.as_deref(), table, 0, "--x")?;
    let y = args.y.as_deref().unwrap_or(y);
    let mut panels = Vec::new();
    for (title, part) in split(table, args.panels.as_deref())? {
        panels.push(LinePanel { title, series: series(&part, args, x, y)? });
    }
    let target = (y.ends_with("attainment_pct")).then_some(args.target);
    let shown: Vec<&str> = [x].into_iter().chain(args.panels.as_deref()).collect();
    let averaged = table.averaged(&shown)?;
    Ok(line_figure(&name(args, stem), &panels, (x, y), &averaged, target, args.log)?)
}

/// Makes one line for each strategy. Points that share an x value are averaged, and their interval is the smallest that
/// contains all of theirs.
fn series(
    table: &PointTable,
    args: &PlotArgs,
    x: &str,
    y: &str,
) -> anyhow::Result<Vec<SweepSeries>> {
    let mut all = Vec::new();
    for arm in arms(table, args)? {
        let own = table.arm(&arm);
        let (xs, ys) = (own.numbers(x)?, own.numbers(y)?);
        let lows = own.numbers(&format!("{y}_low")).unwrap_or_else(|_| ys.clone());
        let highs = own.numbers(&format!("{y}_high")).unwrap_or_else(|_| ys.clone());
        let mut marks: Vec<(SweepMark, f64)> = Vec::new();
        for (i, x) in xs.iter().enumerate() {
            let (Some(x), Some(y)) = (*x, ys[i]) else { continue };
            let (low, high) = (lows[i].unwrap_or(y), highs[i].unwrap_or(y));
            match marks.iter_mut().find(|(mark, _)| mark.x.total_cmp(&x).is_eq()) {
                Some((mark, n)) => {
                    *n += 1.0;
                    mark.y += (y - mark.y) / *n;
                    mark.low = mark.low.min(low);
                    mark.high = mark.high.max(high);
                }
                None => marks.push((SweepMark { x, y, low, high }, 1.0)),
            }
        }
        let mut marks: Vec<SweepMark> = marks.into_iter().map(|(mark, _)| mark).collect();
        marks.sort_by(|a, b| a.x.total_cmp(&b.x));
        all.push(SweepSeries { name: arm, marks });
    }
    Ok(all)
}

fn heat(table: &PointTable, args: &PlotArgs) -> anyhow::Result<Figure> {
    let x = axis(args.x.as_deref(), table, 0, "--x")?;
    // The default is the last axis that is not already on the x axis.
    let rows = match &args.rows {
        Some(rows) => axis(Some(rows), table, 0, "--rows")?,
        None => match table.axes().iter().rev().find(|axis| *axis != x) {
            Some(rows) => rows,
            None => bail!("the sweep has no axis besides {x}; name a column with --rows"),
        },
    };
    ensure!(rows != x, "the columns and the rows of a heat map are both {x}; name another --rows");
    let y = args.y.as_deref().unwrap_or("attainment_pct");
    let (columns, lines) = (table.distinct(x)?, table.distinct(rows)?);
    ensure!(
        columns.len() <= 40 && lines.len() <= 40,
        "a heat map of {} × {} values is too fine; allowed: up to 40 × 40; draw part of it with --only",
        columns.len(),
        lines.len()
    );
    let mut panels = Vec::new();
    // The strategy, which otherwise distinguishes panels, is an axis here.
    let by_strategy = [x, rows].contains(&"strategy");
    let parts: Vec<(String, PointTable)> = match by_strategy {
        true => vec![(String::new(), table.clone())],
        false => arms(table, args)?.into_iter().map(|arm| (arm.clone(), table.arm(&arm))).collect(),
    };
    table.column(y)?;
    for (arm, own) in parts {
        let mut cells = Vec::new();
        for line in &lines {
            let mut values = Vec::new();
            for column in &columns {
                // Some combinations may be missing.
                let cell = own.only(rows, line).and_then(|row| row.only(x, column));
                let found: Vec<f64> = match cell {
                    Ok(cell) => cell.numbers(y)?.into_iter().flatten().collect(),
                    Err(_) => Vec::new(),
                };
                let n = found.len() as f64;
                values.push((n > 0.0).then(|| found.iter().sum::<f64>() / n));
            }
            cells.push(values);
        }
        panels.push(HeatPanel { title: arm, cells });
    }
    let averaged = table.averaged(&[x, rows])?;
    Ok(heat_figure(&name(args, "heatmap"), &panels, (x, &columns), (rows, &lines), y, &averaged)?)
}

fn pareto(table: &PointTable, args: &PlotArgs) -> anyhow::Result<Figure> {
    let mut all = Vec::new();
    let x_name = args.x.as_deref().unwrap_or("cost_per_hour");
    let y_name = args.y.as_deref().unwrap_or("attainment_pct");
    for arm in arms(table, args)? {
        let own = table.arm(&arm);
        let (x, y) = (own.numbers(x_name)?, own.numbers(y_name)?);
        let marks = x.into_iter().zip(y).filter_map(|(x, y)| {
            let (x, y) = (x?, y?);
            Some(SweepMark { x, y, low: y, high: y })
        });
        all.push(SweepSeries { name: arm, marks: marks.collect() });
    }
    let target = y_name.ends_with("attainment_pct").then_some(args.target);
    let demands = demands(table, (x_name, y_name))?;
    Ok(pareto_figure(&name(args, "pareto"), &all, (x_name, y_name), target, &demands)?)
}

/// Groups the points by demand: all axes change the demand, except those of `[plan]`, which change how it is met.
fn demands(
    table: &PointTable,
    (x_name, y_name): (&str, &str),
) -> anyhow::Result<Vec<Vec<(f64, f64)>>> {
    let axes = table.axes().iter().filter(|axis| !axis.starts_with("plan."));
    let keys = axes.map(|axis| table.texts(axis)).collect::<Result<Vec<_>, _>>()?;
    let marks = table.numbers(x_name)?.into_iter().zip(table.numbers(y_name)?);
    let mut demands: BTreeMap<Vec<&str>, Vec<(f64, f64)>> = BTreeMap::new();
    for (row, (x, y)) in marks.enumerate() {
        if let (Some(x), Some(y)) = (x, y) {
            let key = keys.iter().map(|column| column[row].as_str()).collect();
            demands.entry(key).or_default().push((x, y));
        }
    }
    Ok(demands.into_values().collect())
}
