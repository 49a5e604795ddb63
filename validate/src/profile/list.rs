//! Runs listed in a file, such as the output of `igniter design -o FILE`.

use super::{ProfileRun, RunMember};
use anyhow::{Context, anyhow, bail};
use igniter::input::{CsvTable, HeaderRule, TableError};
use igniter::profile::Profile;
use igniter::units::{BatchSize, SmUnits};
use std::path::Path;

/// Reads `run,member,model,batch,sm_pct` (other columns are ignored): consecutive rows of one `run` are
/// members that are measured together, a row by itself a model alone. Shares are rounded to what the GPU
/// kind of `base` can allocate. A run that is listed twice is measured once.
///
/// # Errors
/// When the file cannot be read, lacks a column or holds a value that cannot be used (named with file, line
/// and column), or the members of a run do not fit on one GPU.
pub fn read_runs(path: &Path, base: &Profile) -> anyhow::Result<Vec<ProfileRun>> {
    let failed = |error: TableError| match error {
        TableError::Row { line, what } => anyhow!("{}:{line}: {what}", path.display()),
        TableError::Io(error) => anyhow!("cannot read {}: {error}", path.display()),
    };
    let mut table = CsvTable::open(path, HeaderRule::Header).map_err(failed)?;
    let column = |name: &str| table.column(name).map_err(failed);
    let [run, model, batch, share] =
        [column("run")?, column("model")?, column("batch")?, column("sm_pct")?];
    let mut runs: Vec<(String, ProfileRun)> = Vec::new();
    while table.advance().map_err(failed)? {
        let at = |what: &str| format!("{}:{}: {what}", path.display(), table.line());
        let text = |index: usize| table.field(index);
        let Some(model) = base.models.iter().find(|known| known.name.as_str() == text(model))
        else {
            let known: Vec<&str> = base.models.iter().map(|model| model.name.as_str()).collect();
            bail!(at(&format!("model {:?}: the profile has {}", text(model), known.join(", "))));
        };
        let size = text(batch).parse().ok().and_then(|size| BatchSize::new(size).ok());
        let size = size.with_context(|| {
            at(&format!("batch {:?}: give a whole number of at least 1", text(batch)))
        })?;
        let units = table.number(share).and_then(|pct| units(pct, base.kind.units));
        let units = units.with_context(|| {
            at(&format!("sm_pct {:?}: allowed: above 0, at most 100", text(share)))
        })?;
        let member = RunMember { model: model.name.clone(), batch: size, units };
        match runs.last_mut() {
            Some((name, last)) if name == text(run) => last.members.push(member),
            _ => runs.push((text(run).to_owned(), ProfileRun::new(vec![member]))),
        }
        let members = &runs.last().expect("one was just added to").1.members;
        let total: u32 = members.iter().map(|member| member.units.get()).sum();
        if total > base.kind.units.get() {
            bail!(at(&format!("run {}: its members need more than 100 % of the SMs", text(run))));
        }
    }
    let mut distinct: Vec<ProfileRun> = Vec::new();
    for (_, run) in runs {
        if !distinct.contains(&run) {
            distinct.push(run);
        }
    }
    Ok(distinct)
}

/// Converts a share in percent to allocation units of a GPU with `all` units, rounded, at least one.
pub fn units(percent: f64, all: SmUnits) -> Option<SmUnits> {
    if !(percent > 0.0 && percent <= 100.0) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 100 %")]
    let rounded = (percent / 100.0 * f64::from(all.get())).round().max(1.0) as u32;
    Some(SmUnits::new(rounded))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<Vec<ProfileRun>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read_runs(file.path(), &igniter::profile::load("v100").unwrap())
    }

    #[test]
    fn a_list_as_design_writes_it() {
        let runs = read(
            "run,member,model,batch,sm_pct,why\n\
             0,0,alexnet,8,50,few runs\n0,1,vgg19,4,30,few runs\n0,2,ssd,1,20,few runs\n\
             1,0,alexnet,8,50,alone\n2,0,alexnet,8,50,alone\n",
        )
        .unwrap();
        // Twenty units of 2.5 % are 50 %; the last two rows are the same run.
        let sizes: Vec<usize> = runs.iter().map(|run| run.members.len()).collect();
        assert_eq!(sizes, [3, 1]);
        assert_eq!(runs[0].members[0].units, SmUnits::new(20));
        assert_eq!(runs[1].members, runs[0].members[..1]);
    }

    #[test]
    fn what_cannot_be_measured_is_named_with_its_line() {
        let refused = |rows: &str| read(&format!("run,member,model,batch,sm_pct\n{rows}"));
        for (rows, needle) in [
            ("0,0,bert,8,50\n", ":2: model \"bert\""),
            ("0,0,ssd,8,50\n0,1,ssd,0,50\n", ":3: batch \"0\""),
            ("0,0,ssd,8,101\n", ":2: sm_pct \"101\""),
            ("0,0,ssd,8,60\n0,1,ssd,8,50\n", ":3: run 0"),
        ] {
            let error = refused(rows).unwrap_err().to_string();
            assert!(error.contains(needle), "{error}");
        }
        assert!(read("run,model\n").unwrap_err().to_string().contains("no column \"batch\""));
    }
}
