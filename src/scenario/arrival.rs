//! The `arrival` key of a workload.

use super::Defaults;
use super::reader::{Need, Problems, Read, Rule, Table, quoted};
use super::rules::{Least, NumberRule};
use super::suggest::nearest;
use crate::workload::ArrivalSpec;
use std::path::{Path, PathBuf};
use toml::de::DeValue;

/// Every process with the keys that it alone has.
const PROCESSES: [(&str, &[&str]); 4] =
    [("constant", &[]), ("poisson", &[]), ("gamma", &["cv"]), ("trace", &["path", "column"])];

const CV: NumberRule = NumberRule {
    least: Least::From(0.01),
    most: 100.0,
    unit: "",
    fix: "give the standard deviation of the gaps divided by their mean, such as cv = 4 (1 is Poisson)",
};
const TABLE: Rule<'_> = Rule {
    allowed: "a table with the key `process`",
    fix: "write for example arrival = { process = \"poisson\" }",
};
const PATH: Rule<'_> = Rule {
    allowed: "the path of a CSV file, relative to the scenario file",
    fix: "write for example path = \"../traces/day.csv\"",
};
const COLUMN: Rule<'_> = Rule {
    allowed: "the name of a column of the trace file, 1 to 64 characters",
    fix: "write for example column = \"arrival_s\" (times in seconds since the start)",
};

/// Reads the `arrival` key of a workload or of the whole scenario; paths are relative to `folder`.
pub(super) fn read(
    parent: &mut Table<'_>,
    problems: &mut Problems<'_>,
    folder: &Path,
) -> Read<ArrivalSpec> {
    let Some(field) = parent.field("arrival") else { return Read::Absent };
    let Some(mut table) = field.table() else { return field.refuse(problems, TABLE) };
    let words: Vec<&str> = PROCESSES.iter().map(|&(word, _)| word).collect();
    let Some(process) = table.field("process") else {
        let rule = Rule { allowed: &quoted(&words), fix: "add it, such as process = \"poisson\"" };
        table.missing(problems, "process", rule);
        return Read::Bad;
    };
    let spec = match process.value.as_str() {
        Some("constant") => Some(ArrivalSpec::Constant),
        Some("poisson") => Some(ArrivalSpec::Poisson),
        Some("gamma") => {
            let cv = CV.read(&mut table, problems, "cv", Need::Required);
            cv.given().map(|cv| ArrivalSpec::Gamma { cv })
        }
        Some("trace") => read_trace(&mut table, problems, folder),
        other => {
            let fix = match other.and_then(|word| nearest(word, &words)) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "write one of them, in quotes".to_owned(),
            };
            // Which other keys are right depends on the process, so they are not looked at.
            return process.refuse(problems, Rule { allowed: &quoted(&words), fix: &fix });
        }
    };
    table.finish(problems, |key| {
        let (process, _) = PROCESSES.iter().find(|(_, keys)| keys.contains(&key))?;
        Some(format!("remove it: it belongs to process = \"{process}\""))
    });
    spec.map_or(Read::Bad, |spec| Read::Given(spec, field.place))
}

fn read_trace(
    table: &mut Table<'_>,
    problems: &mut Problems<'_>,
    folder: &Path,
) -> Option<ArrivalSpec> {
    let path = table.read(problems, "path", Need::Required, PATH, text::<4096>);
    let column = table.read(problems, "column", Need::Optional, COLUMN, text::<64>);
    let (path, column) = (path.given(), column.or(Defaults::default().trace_column.to_owned()));
    Some(ArrivalSpec::Trace { path: resolve(folder, &path?), column: column? })
}

/// A path of the file as seen from where the program runs.
pub(super) fn resolve(folder: &Path, path: &str) -> PathBuf {
    folder.join(path)
}

fn text<const LONGEST: usize>(value: &DeValue<'_>) -> Option<String> {
    let text = value.as_str()?;
    let fits = !text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}
