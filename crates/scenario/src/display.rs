//! The `[display]` table: display names for figures and tables.

use super::reader::{KeyRule, Problems, Read, TomlTable};
use igniter_model::domain::is_name;
use std::collections::BTreeMap;

const DISPLAY: KeyRule<'_> = KeyRule {
    allowed: "a table of names, each with what to call it",
    fix: "write [display] and below it for example gpulets = \"gpu-lets\"",
};
const NAME: KeyRule<'_> = KeyRule {
    allowed: "1 to 64 characters without control or invisible characters",
    fix: "write what figures shall call it, such as gpulets = \"gpu-lets\"",
};

/// Reads the table. Its keys are names of strategies, workloads, models or stages.
pub(super) fn read(
    parent: &mut TomlTable<'_>,
    problems: &mut Problems<'_>,
) -> Read<BTreeMap<String, String>> {
    let Some(field) = parent.field("display") else { return Read::Absent };
    let Some(table) = field.table() else { return field.refuse(problems, DISPLAY) };
    let place = table.place().clone();
    let (mut names, mut sound) = (BTreeMap::new(), true);
    for (name, field) in table.all() {
        let text = field.owned().and_then(|value| value.as_str().map(str::to_owned));
        match text.filter(|text| is_name(text)) {
            Some(text) => {
                names.insert(name, text);
            }
            None => {
                let _: Read<()> = field.refuse(problems, NAME);
                sound = false;
            }
        }
    }
    if sound { Read::Given(names, place) } else { Read::Bad }
}
