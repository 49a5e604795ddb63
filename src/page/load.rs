//! Reads a folder of results from any command.

use super::{
    Accuracy, Cell, EmbeddedFigure, FileValues, PagePart, PageSource, Provenance, SortableTable,
    Validation,
};
use super::{part, sweep, validation};
use crate::results::{Comparison, Manifest, ReadError, is_part, read_comparison};
use serde_json::Value;
use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

/// Maximum number of table cells in a page; beyond it, rows are left out and the page says so.
const CELLS: usize = 120_000;
/// Maximum number of cells of a sweep's means in a page: its explorer needs them all.
pub(super) const CELLS_OF_POINTS: usize = 600_000;
/// Maximum size of the pictures in a page, in bytes.
const PICTURE_BYTES: usize = 1_200_000;
/// Maximum number of single values of a JSON file that a page shows.
const VALUES: usize = 400;

/// The tables of a comparison, which charts and sections already show.
const OF_COMPARISON: [&str; 7] = [
    "summary.csv",
    "gpus.csv",
    "plan.csv",
    "cdf.csv",
    "gpu_series.csv",
    "latency_series.csv",
    "batches.csv",
];

/// The tables of plans that follow load, which have a section of their own.
const OF_FOLLOWING: [&str; 3] = ["plans.csv", "actions.csv", "windows.csv"];

/// The reason why no page can be made of a folder.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "messages name the fields")]
#[non_exhaustive]
pub enum PageError {
    /// The folder or one of its files cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    /// The tables of a comparison do not fit together.
    #[error(transparent)]
    Comparison(#[from] ReadError),
    /// A file in the folder was changed after it was written.
    #[error(
        "{} was changed since it was written, so that its page would show what no run gave; make the results again, or \
         remove manifest.json to have a page of what is there",
        .path.display()
    )]
    Changed { path: PathBuf },
    /// A run ended before it wrote its manifest.
    #[error(
        "{} holds a part of the results of a run that was killed, or that has not ended; run its command again",
        .path.display()
    )]
    Part { path: PathBuf },
    /// The folder holds nothing that can be shown.
    #[error(
        "{} holds no results; give a folder that igniter or validate wrote with -o",
        .path.display()
    )]
    Empty { path: PathBuf },
}

/// Reads the contents of a page from a folder.
///
/// # Errors
/// When the folder cannot be read, a table in it is damaged, or it holds no results.
pub fn read_source(dir: &Path) -> Result<PageSource<'static>, PageError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| PageError::Read { path, source }
    };
    let files = files_of(dir).map_err(failed(dir))?;
    let manifest = dir.join("manifest.json");
    let provenance = if manifest.exists() {
        let read = Manifest::read(&manifest).map_err(failed(&manifest))?;
        if let Some(name) = read.changed(dir) {
            return Err(PageError::Changed { path: dir.join(name) });
        }
        Provenance::from(read)
    } else if is_part(dir) {
        return Err(PageError::Part { path: dir.to_owned() });
    } else {
        Provenance::default()
    };
    let name = dir.canonicalize().ok().and_then(|p| Some(p.file_name()?.to_str()?.to_owned()));
    let mut source = PageSource {
        title: name.unwrap_or_else(|| "Results".to_owned()),
        provenance,
        ..PageSource::default()
    };
    if is_comparison(dir) {
        let comparison = read_comparison(dir)?;
        source.title.clone_from(&comparison.scenario);
        source.comparison = Some(Cow::Owned(comparison));
    }
    let rich = source.comparison.is_some();
    let follows = |c: &Cow<'_, Comparison>| {
        c.strategies.iter().any(|result| result.details.following.is_some())
    };
    let follows = source.comparison.as_ref().is_some_and(follows);
    if !rich {
        source.validation = Validation::read(dir).map_err(failed(dir))?;
        source.accuracy = Accuracy::read(dir).map_err(failed(dir))?;
        source.sweep = source.provenance.manifest.as_ref().and_then(|m| m.sweep.clone());
    }
    if let Some(facts) = &source.sweep {
        source.title.clone_from(&facts.name);
    }
    if let Some(run) = &source.validation {
        source.title.clone_from(&run.scenario);
    }
    // Leave out figures of data that charts show as well.
    let drawn = rich || source.validation.is_some() || source.accuracy.is_some();
    let (mut cells, mut pictures) = (0, 0);
    for file in &files {
        let path = dir.join(file);
        let lower = file.to_ascii_lowercase();
        let shown_above = rich && OF_COMPARISON.contains(&file.as_str())
            || follows && OF_FOLLOWING.contains(&file.as_str());
        if lower.ends_with(".csv") && !shown_above {
            if source.validation.is_some() && validation::SHOWN.contains(&file.as_str()) {
                continue;
            }
            let points = source.sweep.is_some() && file == sweep::POINTS;
            let most = if points { CELLS_OF_POINTS } else { CELLS - cells };
            let table = match points {
                true => sampled_table(&path, file, most),
                false => read_table(&path, file, most),
            };
            let table = table.map_err(failed(&path))?;
            if !points {
                cells += table.rows.len() * table.columns.len();
            }
            source.tables.push(table);
        } else if lower.ends_with(".json") && file != "manifest.json" && !rich {
            let text = std::fs::read_to_string(&path).map_err(failed(&path))?;
            // Files from other programs must not cause a failure.
            if let Ok(value) = serde_json::from_str(&text) {
                source.documents.push(document(file, &value));
            }
        } else if lower.ends_with(".svg") && !drawn {
            let svg = std::fs::read_to_string(&path).map_err(failed(&path))?;
            pictures += svg.len();
            if pictures <= PICTURE_BYTES {
                let name = file.trim_end_matches(".svg").trim_start_matches("figures/");
                source.figures.push(EmbeddedFigure { name: name.to_owned(), svg });
            } else {
                source.left_out.push(format!("{file} is not in this page: it would be too large."));
            }
        } else if lower.ends_with(".parquet") {
            source.left_out.push(format!("{file} is not in this page: it shows CSV and JSON."));
        }
    }
    source.parts = part::of_tables(&mut source.tables, &source.provenance.command);
    // A frontier has a chart that replaces its figure.
    if source.parts.iter().any(PagePart::replaces_figures) {
        source.figures.clear();
    }
    source.parts.extend(part::of_documents(&source.documents));
    let shown = source.comparison.is_some()
        || !source.parts.is_empty()
        || !source.tables.is_empty()
        || !source.figures.is_empty()
        || source.documents.iter().any(|document| !document.values.is_empty());
    if shown { Ok(source) } else { Err(PageError::Empty { path: dir.to_owned() }) }
}

/// Returns whether `simulate` or `compare` wrote the folder: other commands write a summary.json of another shape.
fn is_comparison(dir: &Path) -> bool {
    let strategies = |text: Vec<u8>| {
        let value: Option<Value> = serde_json::from_slice(&text).ok();
        value.is_some_and(|value| value.get("strategies").is_some_and(Value::is_array))
    };
    dir.join("cdf.csv").exists() && std::fs::read(dir.join("summary.json")).is_ok_and(strategies)
}

/// Returns the files of a folder and of its subfolders, by name, with `/` as separator.
fn files_of(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        if entry.file_type()?.is_dir() {
            for below in std::fs::read_dir(entry.path())? {
                let below = below?;
                if below.file_type()?.is_file() {
                    names.push(format!("{name}/{}", below.file_name().to_string_lossy()));
                }
            }
        } else if std::fs::metadata(entry.path()).is_ok_and(|data| data.is_file()) {
            // Reading a pipe would block.
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn read_table(path: &Path, name: &str, most_cells: usize) -> io::Result<SortableTable> {
    table_of(std::fs::File::open(path)?, name, most_cells)
}

pub(super) fn table_of(
    source: impl io::Read,
    name: &str,
    most_cells: usize,
) -> io::Result<SortableTable> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(source);
    let columns: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
    let most = most_cells / columns.len().max(1);
    let (mut records, mut total) = (Vec::new(), 0_usize);
    for record in reader.records() {
        let record = record?;
        total += 1;
        if total <= most {
            records.push(record);
        }
    }
    let mut rows: Vec<Vec<Cell>> = vec![Vec::with_capacity(columns.len()); records.len()];
    for (column, name) in columns.iter().enumerate() {
        let texts: Vec<&str> = records.iter().map(|r| r.get(column).unwrap_or_default()).collect();
        for (row, cell) in rows.iter_mut().zip(Cell::column(name, &texts)) {
            row.push(cell);
        }
    }
    let note = (total > rows.len())
        .then(|| format!("The first {} of {total} rows; {name} has all.", rows.len()));
    Ok(SortableTable { title: name.to_owned(), columns, rows, note })
}

/// Reads a table like [`read_table`] whose first column numbers points: where there are too many rows, it keeps those
/// of some points, spread evenly over all.
fn sampled_table(path: &Path, name: &str, most_cells: usize) -> io::Result<SortableTable> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(path)?;
    let columns = reader.headers()?.len().max(1);
    let (mut row, mut total) = (csv::ByteRecord::new(), 0_usize);
    while reader.read_byte_record(&mut row)? {
        total += 1;
    }
    let most = most_cells / columns;
    if total <= most {
        return read_table(path, name, most_cells);
    }
    // A number for each point that looks random but is the same each time, so that no value of the axes is preferred,
    // whatever their periods.
    let kept = |point: u64| {
        let mixed = point.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let part = (mixed >> 32) as f64 / f64::from(u32::MAX);
        part * total as f64 <= most as f64
    };
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(path)?;
    let header = reader.headers()?.clone();
    let mut sample = csv::Writer::from_writer(Vec::new());
    sample.write_record(&header)?;
    let mut count = 0;
    for record in reader.records() {
        let record = record?;
        let point = record.get(0).and_then(|text| text.parse().ok());
        if point.is_none_or(kept) {
            count += 1;
            sample.write_record(&record)?;
        }
    }
    let sample = sample.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    let mut table = table_of(sample.as_slice(), name, usize::MAX)?;
    table.note = Some(format!(
        "{count} of {total} rows: those of a sample of the points, spread evenly over all; {name} has all."
    ));
    Ok(table)
}

fn document(name: &str, value: &Value) -> FileValues {
    fn walk(path: &str, value: &Value, found: &mut Vec<(String, Cell)>) {
        match value {
            Value::Object(members) => {
                for (key, member) in members {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    walk(&path, member, found);
                }
            }
            // Lists are shown as tables.
            value => found.extend(Cell::of_json(value).map(|cell| (path.to_owned(), cell))),
        }
    }
    let mut values = Vec::new();
    walk("", value, &mut values);
    values.truncate(VALUES);
    FileValues { name: name.to_owned(), values }
}
