//! A section of any page: a verdict, charts, tables. Differences, capacities and frontiers are shown this way.

use super::charts::Chart;
use super::{Cell, FileValues, FoundPage, PageSource, Provenance, SortableTable};
use crate::diff::{Chance, Diff, Difference};
use crate::results::{Bars, LineChart, short};

/// Maximum number of groups of bars in a chart of differences.
const GROUPS: usize = 40;

/// The section about one table.
#[derive(Debug, Clone, Default)]
pub struct PagePart {
    /// The heading.
    title: String,
    /// The verdict in one line; empty for none.
    pub(super) verdict: String,
    /// Further notes.
    pub(super) notes: Vec<String>,
    charts: Vec<(Chart, String)>,
    tables: Vec<SortableTable>,
}

impl PagePart {
    /// Returns whether its charts show the same as the figures of the folder.
    pub(super) fn replaces_figures(&self) -> bool {
        self.title == FRONTIER
    }
}

/// The heading of a frontier.
const FRONTIER: &str = "Frontier";

pub(super) fn write(page: &mut FoundPage, parts: &[PagePart]) {
    // A part with only text is in the summary.
    let shown = parts.iter().filter(|part| !part.charts.is_empty() || !part.tables.is_empty());
    for (index, part) in shown.enumerate() {
        page.section(&format!("part{index}"), &part.title);
        for (chart, caption) in &part.charts {
            page.chart(chart.clone(), caption);
        }
        for table in &part.tables {
            page.table(table);
        }
        page.end_section();
    }
}

impl<'a> PageSource<'a> {
    /// Returns the page that compares two folders side by side.
    #[must_use]
    pub fn of_diff(diff: &Diff) -> Self {
        let [a, b] = &diff.names;
        PageSource {
            title: format!("{a} and {b}"),
            parts: vec![of_diff(diff)],
            provenance: Provenance {
                command: ["igniter", "diff", a, b].map(str::to_owned).to_vec(),
                ..Provenance::default()
            },
            ..PageSource::default()
        }
    }
}

/// The limit of the bars of changes, in percent: a far longer one would hide all others.
const LONGEST: f64 = 200.0;

fn cut(percent: f64) -> f64 {
    percent.clamp(-LONGEST, LONGEST)
}

fn of_diff(diff: &Diff) -> PagePart {
    let changed = diff.changed();
    let meaning = |row: &Difference| match row.is_better() {
        None => "",
        Some(true) => "better",
        Some(false) => "worse",
    };
    let chance = |row: &Difference| match row.chance() {
        Chance::Beyond => "beyond chance",
        Chance::Within => "within chance",
        Chance::Unknown => "not known",
    };
    let cells = |row: &&Difference| -> Vec<Cell> {
        vec![
            row.of.as_str().into(),
            row.workload.as_deref().unwrap_or("").into(),
            row.what.as_str().into(),
            row.a.into(),
            row.b.into(),
            row.change().into(),
            row.percent().into(),
            meaning(row).into(),
            chance(row).into(),
        ]
    };
    let columns =
        ["of", "workload", "what", "A", "B", "change B − A", "change (%)", "B is", "chance"];
    let table = |title: &str, rows: Vec<Vec<Cell>>| SortableTable {
        title: title.to_owned(),
        columns: columns.map(str::to_owned).to_vec(),
        rows,
        note: None,
    };
    let all: Vec<&Difference> = diff.rows.iter().collect();
    let mut charts = Vec::new();
    // One chart of what differs most often, such as P99.
    let mut names: Vec<&str> = Vec::new();
    for row in changed.iter().filter(|row| row.percent().is_some()) {
        if !names.contains(&row.what.as_str()) {
            names.push(&row.what);
        }
    }
    for what in names.iter().take(4) {
        let own: Vec<&&Difference> =
            changed.iter().filter(|row| row.what == *what && row.percent().is_some()).collect();
        if own.len() < 2 {
            continue;
        }
        let group = |row: &&&Difference| {
            row.workload.as_ref().map_or_else(|| row.of.clone(), |w| format!("{} {w}", row.of))
        };
        let bars = Bars {
            groups: own.iter().take(GROUPS).map(group).collect(),
            series: vec![(
                "B against A".to_owned(),
                own.iter().take(GROUPS).map(|r| r.percent().map(cut)).collect(),
            )],
            y: "change (%)".to_owned(),
            ..Bars::default()
        };
        let shown = if own.len() > GROUPS {
            format!("The {GROUPS} largest changes")
        } else {
            "Changes".to_owned()
        };
        let long = own.iter().take(GROUPS).any(|r| r.percent().is_some_and(|p| p.abs() > LONGEST));
        let cut = match long {
            true => format!(" Bars end at {LONGEST} %; the table has the numbers."),
            false => String::new(),
        };
        charts.push((Chart::Bars(bars), format!("{shown} of {what} from A to B.{cut}")));
    }
    let mut notes = vec![format!("A is {}, B is {}.", diff.names[0], diff.names[1])];
    notes.extend(diff.notes.iter().cloned());
    PagePart {
        title: "Differences".to_owned(),
        verdict: diff.verdict(),
        notes,
        charts,
        tables: vec![
            table("What differs", changed.iter().map(cells).collect()),
            table("All numbers", all.iter().map(cells).collect()),
        ],
    }
}

/// Returns the parts of tables that commands write; the tables that they show are removed from `tables`.
pub(super) fn of_tables(tables: &mut Vec<SortableTable>, command: &[String]) -> Vec<PagePart> {
    type Make = fn(&SortableTable, &[String]) -> Option<PagePart>;
    let known: [(&str, Make); 3] =
        [("capacity.csv", capacity), ("frontier.csv", frontier), ("study.csv", study)];
    let mut parts = Vec::new();
    for (title, make) in known {
        let Some(at) = tables.iter().position(|table| table.title == title) else { continue };
        if let Some(mut part) = make(&tables[at], command) {
            part.tables.push(tables.remove(at));
            parts.push(part);
        }
    }
    parts
}

/// Returns the parts of single values that commands write.
pub(super) fn of_documents(documents: &[FileValues]) -> Vec<PagePart> {
    let Some(bound) = documents.iter().find(|document| document.name == "bound.json") else {
        return Vec::new();
    };
    let value = |key: &str| bound.values.iter().find(|(path, _)| path == key).map(|(_, cell)| cell);
    let number = |key: &str| value(key).and_then(Cell::number);
    let words = |key: &str| value(key).map_or_else(String::new, Cell::shown);
    let verdict = match (number("gpus"), number("fractional_gpus")) {
        (Some(gpus), Some(fraction)) => {
            let cost = number("least_cost_per_hour");
            let cost = cost.map_or_else(String::new, |cost| {
                format!(", and none costs less than {cost:.2} $/h")
            });
            format!(
                "No plan uses fewer than {gpus} GPU{} ({fraction:.3} before rounding up){cost}.",
                if gpus > 1.0 { "s" } else { "" }
            )
        }
        _ => "Nothing is proven.".to_owned(),
    };
    vec![PagePart {
        title: "Bound".to_owned(),
        verdict,
        notes: vec![
            format!("It is of {}.", words("covers")),
            format!("Proof: {}: {}.", words("method"), words("note")),
        ],
        ..PagePart::default()
    }]
}

/// Access to a table by the names of its columns.
struct ColumnReader<'a>(&'a SortableTable);

impl ColumnReader<'_> {
    fn at(&self, name: &str) -> Option<usize> {
        self.0.columns.iter().position(|column| column == name)
    }

    fn number(&self, row: &[Cell], name: &str) -> Option<f64> {
        row.get(self.at(name)?)?.number()
    }

    fn text(&self, row: &[Cell], name: &str) -> String {
        self.at(name).and_then(|c| row.get(c)).map_or_else(String::new, Cell::shown)
    }

    /// Describes GPUs, cost and attainment of a row in words.
    fn plan(&self, row: &[Cell]) -> String {
        let gpus = self.number(row, "gpu_count").unwrap_or(0.0);
        format!(
            "{gpus} GPU{} for {:.2} $/h, {} % of requests within their SLO",
            if gpus > 1.0 { "s" } else { "" },
            self.number(row, "cost_per_hour").unwrap_or(0.0),
            short(self.number(row, "attainment_pct").unwrap_or(0.0)),
        )
    }
}

/// Returns the word after a flag of a command.
fn flag<'a>(command: &'a [String], name: &str) -> Option<&'a str> {
    let at = command.iter().position(|word| word == name)?;
    command.get(at + 1).map(String::as_str)
}

fn capacity(table: &SortableTable, command: &[String]) -> Option<PagePart> {
    let of = ColumnReader(table);
    of.at("answer")?;
    let find = flag(command, "--find").unwrap_or("rate");
    let least = find != "rate";
    let what = match find {
        "slo" => "lowest factor of all SLOs",
        "gpus" | "cost" => "headroom of the cheapest plan (%)",
        _ => "highest factor of all rates",
    };
    let mut found: Vec<(&Vec<Cell>, f64)> =
        table.rows.iter().filter_map(|row| Some((row, of.number(row, "answer")?))).collect();
    // A search for GPUs looks for the cheapest plan; the others look for the factor.
    let key = |(row, answer): &(&Vec<Cell>, f64)| match find {
        "gpus" | "cost" => of.number(row, "cost_per_hour").unwrap_or(f64::INFINITY),
        _ if least => *answer,
        _ => -*answer,
    };
    found.sort_by(|a, b| key(a).total_cmp(&key(b)));
    let verdict = match found.first() {
        None => "No strategy meets the target at any value that was tried.".to_owned(),
        Some((row, answer)) => format!(
            "{} is best: {what} {} with {}.",
            of.text(row, "strategy"),
            short(*answer),
            of.plan(row)
        ),
    };
    let without = table.rows.len() - found.len();
    let bars = Bars {
        groups: table.rows.iter().map(|row| of.text(row, "strategy")).collect(),
        series: vec![(
            what.to_owned(),
            table.rows.iter().map(|row| of.number(row, "answer")).collect(),
        )],
        y: what.to_owned(),
        ..Bars::default()
    };
    Some(PagePart {
        title: "Capacity".to_owned(),
        verdict,
        notes: if without > 0 {
            vec![format!("{without} strategies meet the target at no value.")]
        } else {
            Vec::new()
        },
        charts: vec![(Chart::Bars(bars), format!("What was found for each strategy: {what}."))],
        tables: Vec::new(),
    })
}

fn frontier(table: &SortableTable, command: &[String]) -> Option<PagePart> {
    let of = ColumnReader(table);
    of.at("headroom_pct")?;
    let met = table.rows.iter().filter(|row| of.text(row, "met") == "true");
    let cost = |row: &&Vec<Cell>| of.number(row, "cost_per_hour").unwrap_or(f64::INFINITY);
    let verdict = met.min_by(|a, b| cost(a).total_cmp(&cost(b))).map_or_else(
        || "No plan meets the target, whatever its headroom.".to_owned(),
        |row| {
            format!(
                "The cheapest plan that meets the target is {} with {} % headroom: {}.",
                of.text(row, "strategy"),
                of.text(row, "headroom_pct"),
                of.plan(row)
            )
        },
    );
    let mut series: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for row in &table.rows {
        let pair = of.number(row, "cost_per_hour").zip(of.number(row, "attainment_pct"));
        let (name, Some(pair)) = (of.text(row, "strategy"), pair) else { continue };
        match series.iter_mut().find(|(known, _)| *known == name) {
            Some((_, points)) => points.push(pair),
            None => series.push((name, vec![pair])),
        }
    }
    for (_, points) in &mut series {
        points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    }
    let target = flag(command, "--target").and_then(|text| text.parse().ok()).unwrap_or(99.0);
    let chart = LineChart {
        dots: true,
        across: vec![(target, "target")],
        series,
        axes: ("cost ($/h)", "requests within their SLO (%)"),
        ..LineChart::default()
    };
    Some(PagePart {
        title: FRONTIER.to_owned(),
        verdict,
        notes: Vec::new(),
        charts: vec![(
            Chart::Lines(chart),
            "Cost against SLO attainment of plans with more and more headroom.".to_owned(),
        )],
        tables: Vec::new(),
    })
}

fn study(table: &SortableTable, _: &[String]) -> Option<PagePart> {
    let of = ColumnReader(table);
    let (name, split, error) = (of.at("recipe")?, of.at("held out")?, of.at("mean %")?);
    let label = |row: &Vec<Cell>| format!("{} ({})", row[name].shown(), row[split].shown());
    let best = (table.rows.iter())
        .filter_map(|row| Some((row, row[error].number()?)))
        .min_by(|a, b| a.1.total_cmp(&b.1))?;
    let bars = Bars {
        groups: table.rows.iter().map(label).collect(),
        series: vec![(
            "mean |error|".to_owned(),
            table.rows.iter().map(|row| row[error].number()).collect(),
        )],
        y: "mean |error| on unseen runs (%)".to_owned(),
        ..Bars::default()
    };
    Some(PagePart {
        title: "Study".to_owned(),
        verdict: format!("{} errs least: {} % on average on what its fit did not see.", label(best.0), short(best.1)),
        notes: Vec::new(),
        charts: vec![(Chart::Bars(bars), "The mean absolute error of each predictor on what its fit did not see; in brackets, what was held out.".to_owned())],
        tables: Vec::new(),
    })
}
