//! Import of tables of measurements that others publish and that are not profiles yet.
//!
//! | columns | content | result |
//! |---|---|---|
//! | `model,batch,sm_pct,latency_ms,neighbour,neighbour_batch,neighbour_sm_pct` | pairs of which one side was timed | runs with one latency each, and the solo latencies |
//! | `mig_gpcs,model,batch,copies,latency_ms` | copies of one model without shares, on a whole GPU (7) or in one of its MIG slices | a profile with a slice for each size, and the runs |
//! | `model,batch,sm_pct,latency_ms` | models alone | a profile |

use super::csv_rows::{CsvRow, CsvRows};
use super::datasheet::{datasheet, known};
use super::fields::{batch, positive, share};
use super::{
    ColocatedMember, ColocatedRun, Imported, ProfileError, SoloRow, SoloTable, write_colocated,
    write_solo_table,
};
use crate::domain::{GpuKindName, ModelName};
use crate::units::{BatchSize, Milliseconds, SmPercent};
use std::collections::BTreeSet;
use std::path::Path;

/// The maximum number of processes that a GPU runs at once.
const MOST_COPIES: usize = 1000;

/// The number of compute slices into which MIG divides an A100 and its successors.
const PARTS: u32 = 7;

const ONE_SIDED: &[&str] =
    &["model", "batch", "sm_pct", "latency_ms", "neighbour", "neighbour_batch", "neighbour_sm_pct"];
const ONE_SIDED_OPTIONAL: &[&str] =
    &["throughput_img_s", "solo_ms", "slowdown", "session", "gpu_bound"];
const COPIES: &[&str] = &["mig_gpcs", "model", "batch", "copies", "latency_ms"];
const COPIES_OPTIONAL: &[&str] =
    &["throughput_per_copy_img_s", "published_latency_ms", "solo_ms", "slowdown"];

/// Imports a table, whose header determines the format. `kind` names the GPU kind, and `session` selects a session of a
/// file that holds several.
///
/// # Errors
/// When a value is unusable (with file, line and column), when a file holds several sessions and none was selected, or
/// when a profile is to be made for a kind without known published numbers.
pub(super) fn import_table(
    path: &Path,
    text: &str,
    kind: &GpuKindName,
    session: Option<&str>,
) -> Result<Imported, ProfileError> {
    let header = CsvRows::names(text);
    let has = |column: &str| header.iter().any(|name| name == column);
    if has("neighbour") {
        one_sided(path, text, session)
    } else if has("mig_gpcs") {
        copies(path, text, kind)
    } else {
        let table = super::tables::parse_solo_table(path, text)?;
        let source = format!("imported from {}", path.display());
        let files = vec![
            ("profile.toml".to_owned(), profile_toml(path, kind, &table, &source)?),
            ("solo.csv".to_owned(), write_solo_table(&table)),
            ("solo_table.csv".to_owned(), write_solo_table(&table)),
        ];
        Ok(Imported::Folder { files, note: assumptions() })
    }
}

fn assumptions() -> String {
    "Published numbers of the GPU kind stand in profile.toml; idle power and price are assumptions, and nobody \
     counted kernels: correct what you know."
        .to_owned()
}

fn name(row: &CsvRow<'_>, column: &str) -> Result<ModelName, ProfileError> {
    ModelName::new(row.text(column)).map_err(|e| row.error(column, e))
}

fn one_sided(path: &Path, text: &str, session: Option<&str>) -> Result<Imported, ProfileError> {
    let table = CsvRows::parse(path, text, ONE_SIDED, ONE_SIDED_OPTIONAL)?;
    let sessions: BTreeSet<&str> = table.rows().map(|row| table.text_of(&row, "session")).collect();
    let sessions: Vec<&str> = sessions.into_iter().collect();
    if sessions.len() > 1 && session.is_none() {
        return Err(ProfileError::file(
            path,
            format!(
                "holds the sessions {}, which need not agree: choose one with --session NAME",
                sessions.join(", ")
            ),
        ));
    }
    if let Some(wanted) = session.filter(|wanted| !sessions.contains(wanted)) {
        return Err(ProfileError::file(
            path,
            format!("has no session {wanted:?}; it has: {}", sessions.join(", ")),
        ));
    }
    let mut solo = SoloTable::default();
    let mut runs = Vec::new();
    for row in table.rows() {
        if session.is_some_and(|wanted| row.text("session") != wanted) {
            continue;
        }
        let member = |model: &str, batch: BatchSize, sm: SmPercent, latency| {
            Ok::<_, ProfileError>(ColocatedMember {
                model: name(&row, model)?,
                batch,
                sm,
                latency,
                std: None,
            })
        };
        let (own_batch, own_share) = (batch(&row)?, share(&row)?);
        let size: u32 = row.whole("neighbour_batch", "a whole number from 1 to 1024")?;
        let size = BatchSize::new(size).map_err(|e| row.error("neighbour_batch", e))?;
        let neighbour_share: SmPercent = row.quantity("neighbour_sm_pct")?;
        let latency = positive(&row, "latency_ms")?;
        let own = member("model", own_batch, own_share, Some(latency))?;
        if !row.text("solo_ms").is_empty() {
            add_solo(&mut solo, &own.model, own_batch, own_share, positive(&row, "solo_ms")?);
        }
        runs.push(ColocatedRun {
            run: runs.len() as u64,
            members: vec![own, member("neighbour", size, neighbour_share, None)?],
            makespan: None,
        });
    }
    Ok(Imported::Tables { solo, colocated: runs })
}

fn add_solo(
    table: &mut SoloTable,
    model: &ModelName,
    batch: BatchSize,
    sm: SmPercent,
    latency: Milliseconds,
) {
    if table.find(model, batch, sm).is_none() {
        table.rows.push(SoloRow {
            model: model.clone(),
            batch,
            sm,
            latency,
            throughput_img_s: None,
            l2_pct: None,
            dram_pct: None,
        });
    }
}

fn copies(path: &Path, text: &str, kind: &GpuKindName) -> Result<Imported, ProfileError> {
    let mut solo = SoloTable::default();
    // The runs for each number of parts of the GPU.
    let mut runs: Vec<Vec<ColocatedRun>> = vec![Vec::new(); PARTS as usize + 1];
    let whole = SmPercent::new(100.0).expect("a share");
    for row in CsvRows::parse(path, text, COPIES, COPIES_OPTIONAL)?.rows() {
        let parts: u32 = row.whole("mig_gpcs", "a whole number from 1 to 7")?;
        if !(1..=PARTS).contains(&parts) {
            return Err(row.error("mig_gpcs", "must be from 1 to 7 (the whole GPU)"));
        }
        let model = name(&row, "model")?;
        let (size, latency) = (batch(&row)?, positive(&row, "latency_ms")?);
        let number: usize = row.whole("copies", "a whole number from 1 to 1000")?;
        if !(1..=MOST_COPIES).contains(&number) {
            return Err(row.error("copies", "must be from 1 to 1000"));
        }
        let part = SmPercent::new(f64::from(parts) * 100.0 / f64::from(PARTS))
            .map_err(|e| row.error("mig_gpcs", e))?;
        let part = if parts == PARTS { whole } else { part };
        if number == 1 {
            add_solo(&mut solo, &model, size, part, latency);
            let rate = row.text("throughput_per_copy_img_s");
            if let (Some(last), false) = (solo.rows.last_mut(), rate.is_empty()) {
                last.throughput_img_s =
                    Some(row.number_in("throughput_per_copy_img_s", 0.0, f64::MAX)?);
            }
            continue;
        }
        if !row.text("solo_ms").is_empty() {
            add_solo(&mut solo, &model, size, part, positive(&row, "solo_ms")?);
        }
        let member =
            ColocatedMember { model, batch: size, sm: whole, latency: Some(latency), std: None };
        let list = &mut runs[parts as usize];
        let run = list.len() as u64;
        list.push(ColocatedRun { run, members: vec![member; number], makespan: None });
    }
    let source = format!("imported from {}", path.display());
    let mut files = vec![
        ("profile.toml".to_owned(), profile_toml(path, kind, &solo, &source)?),
        ("solo.csv".to_owned(), write_solo_table(&solo)),
        ("solo_table.csv".to_owned(), write_solo_table(&solo)),
    ];
    for (parts, runs) in runs.iter().enumerate().filter(|(_, runs)| !runs.is_empty()) {
        if parts == PARTS as usize {
            files.push(("colocated.csv".to_owned(), write_colocated(runs)));
            continue;
        }
        let folder = format!("mig-{parts}g");
        files.push((
            format!("{folder}/profile.toml"),
            format!(
                "version = 1\nkind = \"{kind}-mig-{parts}g\"\nsource = {source:?}\n\n[slice]\nof = \"..\"\n\
                 sm_pct = {}\n",
                parts as f64 * 100.0 / f64::from(PARTS)
            ),
        ));
        files.push((format!("{folder}/colocated.csv"), write_colocated(runs)));
        files.push((format!("{folder}/solo_table.csv"), in_slice(&solo, parts)));
    }
    Ok(Imported::Folder { files, note: assumptions() })
}

/// Returns the rows of a slice, with shares relative to the slice.
fn in_slice(solo: &SoloTable, parts: usize) -> String {
    let share = parts as f64 * 100.0 / f64::from(PARTS);
    let rows = solo.rows.iter().filter(|row| (row.sm.get() - share).abs() < 1e-9);
    let whole = SmPercent::new(100.0).expect("a share");
    write_solo_table(&SoloTable {
        rows: rows.map(|row| SoloRow { sm: whole, ..row.clone() }).collect(),
    })
}

/// Writes `profile.toml` for a table of models alone.
fn profile_toml(
    path: &Path,
    kind: &GpuKindName,
    table: &SoloTable,
    source: &str,
) -> Result<String, ProfileError> {
    let sheet = datasheet(kind).ok_or_else(|| {
        ProfileError::file(
            path,
            format!(
                "a profile needs the published numbers of its GPU kind, and none are known of {kind}: give --kind \
                 with a name that begins with one of {}",
                known()
            ),
        )
    })?;
    let mut text = format!(
        "version = 1\nkind = \"{kind}\"\nsource = {source:?}\n\n[gpu]\nunits = {}\nmax_clock_mhz = {:?}\n\
         power_cap_w = {:?}\nidle_power_w = {:?}\npcie_bytes_per_ms = {:?}\nmemory_bytes = {}\n\
         price_per_hour = 0.0\n",
        sheet.sms / 2,
        sheet.max_clock_mhz,
        sheet.power_cap_w,
        0.15 * sheet.power_cap_w,
        sheet.pcie_bytes_per_ms,
        sheet.memory_gib << 30,
    );
    let mut seen: Vec<&ModelName> = Vec::new();
    for row in &table.rows {
        if !seen.contains(&&row.model) {
            seen.push(&row.model);
            text += &format!("\n[[model]]\nname = {:?}\n", row.model.as_str());
        }
    }
    Ok(text)
}
