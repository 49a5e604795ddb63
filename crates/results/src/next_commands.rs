//! Follow-up commands to suggest to the reader: the command of a run with another aim, keeping the flags that define
//! what is run.

use crate::STRATEGY_LOOKS;

/// Flags of `simulate` and `compare` without a value; all others have one.
pub const ALONE: [&str; 5] =
    ["--json", "--quiet", "--prediction-error", "--replicas", "--requests"];

/// Flags that a new command does not keep: it names its own strategies, and the others do not change results.
const LEFT_OUT: [&str; 10] = [
    "--strategy",
    "--strategies",
    "--output",
    "--threads",
    "--json",
    "--quiet",
    "--requests",
    "--requests-format",
    "--trace-out",
    "--trace-window",
];

/// Flags that `frontier` also has.
pub const OF_FRONTIER: [&str; 5] = ["--profile", "--predictor", "--seed", "--set", "--replicas"];

/// Flags that `frontier` takes as a key of the scenario instead.
const AS_KEY: [(&str, &str); 6] = [
    ("--margin", "plan.margin_pct"),
    ("--attainment", "plan.attainment_pct"),
    ("--confidence", "plan.confidence_pct"),
    ("--process-limit", "plan.process_limit"),
    ("--search-rounds", "plan.search_rounds"),
    ("--time-limit", "plan.time_limit_s"),
];

/// Quotes a word of a command line for a shell.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A parsed command line of `simulate`, `compare` or `check`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct NextCommands {
    scenario: Option<String>,
    /// Flags by their long names, with their values.
    flags: Vec<(String, Vec<String>)>,
}

impl NextCommands {
    /// Parses a command line, word by word, starting with the program; other commands are not parsed.
    pub(super) fn of(command: &[String]) -> Self {
        let mut again = Self::default();
        let known = |word: &String| matches!(word.as_str(), "simulate" | "compare" | "check");
        if !command.get(1).is_some_and(known) {
            return again;
        }
        let mut words = command[2..].iter().map(String::as_str).peekable();
        while let Some(word) = words.next() {
            if let Some(name) = word.strip_prefix("--") {
                let (name, mut values) = match name.split_once('=') {
                    Some((name, value)) => (format!("--{name}"), vec![value.to_owned()]),
                    None => (word.to_owned(), Vec::new()),
                };
                if values.is_empty() && !ALONE.contains(&name.as_str()) {
                    values.extend(words.next().map(str::to_owned));
                }
                // Plan files are listed one after the other.
                while name == "--plan" && words.peek().is_some_and(|word| !word.starts_with('-')) {
                    values.extend(words.next().map(str::to_owned));
                }
                again.flags.push((name, values));
            } else if let Some(letters) = word.strip_prefix('-') {
                // None of these short flags is kept; the last letter may have its value in the next word.
                let taking = letters.find(|letter| letter != 'q');
                if taking.is_some_and(|at| at + 1 == letters.len()) {
                    words.next();
                }
            } else {
                again.scenario.get_or_insert_with(|| word.to_owned());
            }
        }
        if again.scenario.is_none() {
            // The command-line grammar reads a scenario after `--plan FILE` as another plan.
            let plans = again.flags.iter_mut().find(|(name, _)| name == "--plan");
            let last = plans.filter(|(_, files)| files.len() > 1).map(|(_, files)| files);
            again.scenario = last.and_then(|files| files.pop_if(|file| file.ends_with(".toml")));
        }
        again
    }

    /// Returns the scenario or a placeholder; `None` if plan files replace it.
    fn scenario(&self) -> Option<String> {
        match &self.scenario {
            Some(scenario) => Some(scenario.clone()),
            None if self.has("--plan") => None,
            None => Some("SCENARIO".to_owned()),
        }
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|(name, _)| name == flag)
    }

    /// Returns the value of a flag, if it is a number.
    pub(super) fn number(&self, flag: &str) -> Option<f64> {
        let (_, values) = self.flags.iter().find(|(name, _)| name == flag)?;
        values.first()?.parse().ok()
    }

    /// Returns a command that compares `first`, the first strategy of the run, with others, with additional flags.
    pub(super) fn compare(&self, first: &str, others: &[&str], more: &[&str]) -> String {
        let mut words = vec!["igniter".to_owned(), "compare".to_owned()];
        words.extend(self.scenario());
        for (name, values) in &self.flags {
            let replaced = more.first().is_some_and(|more| more == name && *more != "--set");
            if !LEFT_OUT.contains(&name.as_str()) && !replaced {
                add(&mut words, name, values);
            }
        }
        let known = STRATEGY_LOOKS.contains(&first) && !self.has("--plan");
        let others = others.iter().copied().filter(|name| STRATEGY_LOOKS.contains(name));
        let named = known.then_some(first).into_iter().chain(others);
        let named: Vec<&str> = named.collect();
        if !named.is_empty() {
            words.extend(["--strategies".to_owned(), named.join(",")]);
        }
        words.extend(more.iter().map(|word| (*word).to_owned()));
        shell(&words)
    }

    /// Returns a command for the frontier of a strategy; `None` if that command cannot reproduce what was simulated.
    pub(super) fn frontier(&self, first: &str) -> Option<String> {
        if self.has("--truth") || self.scenario().is_none() {
            return None;
        }
        let mut words = vec!["igniter".to_owned(), "frontier".to_owned()];
        words.extend(self.scenario());
        for (name, values) in &self.flags {
            let value = || values.first().map_or("", String::as_str).trim_end_matches('%');
            let set = |key: &str, value: &str| vec![format!("{key}={}", value.trim())];
            if OF_FRONTIER.contains(&name.as_str()) {
                add(&mut words, name, values);
            } else if name == "--prediction-error" {
                add(&mut words, "--set", &set("prediction_error", "{draw=\"uncertainty\"}"));
            } else if let Some((_, key)) = AS_KEY.iter().find(|(flag, _)| flag == name) {
                add(&mut words, "--set", &set(key, value()));
            }
        }
        if STRATEGY_LOOKS.contains(&first) {
            words.extend(["--strategies".to_owned(), first.to_owned()]);
        }
        Some(shell(&words))
    }
}

/// Returns the command that shows the plans of a strategy that follow the load, with the scenario and the flags of a
/// `check` command line.
#[must_use]
pub fn replan_again(command: &[String], strategy: &str) -> String {
    let again = NextCommands::of(command);
    let mut words = vec!["igniter".to_owned(), "replan".to_owned()];
    words.extend(again.scenario());
    for (name, values) in &again.flags {
        if !LEFT_OUT.contains(&name.as_str()) {
            add(&mut words, name, values);
        }
    }
    words.extend(["--strategy".to_owned(), strategy.to_owned()]);
    shell(&words)
}

/// Appends a flag with its values; values that look like flags follow an equals sign.
fn add(words: &mut Vec<String>, name: &str, values: &[String]) {
    match values {
        [value] if value.starts_with('-') => words.push(format!("{name}={value}")),
        _ => {
            words.push(name.to_owned());
            words.extend(values.iter().cloned());
        }
    }
}

fn shell(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str) -> NextCommands {
        NextCommands::of(&text.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn words_can_be_pasted() {
        let words = ["a.toml", "two words", "it's", ""].map(quoted);
        assert_eq!(words, ["a.toml", "'two words'", "'it'\\''s'", "''"]);
    }

    #[test]
    fn what_changes_the_run_stays_and_the_rest_goes() {
        let all = again(
            "/a/igniter compare s.toml --set arrival.process=poisson --predictor=contention -qo out --seed 3 --strategies \
             ffd,igniter --threads 2 --seeds 5 --set workload.*.slo_ms=20 --margin -1 --truth solo --prediction-error",
        );
        assert_eq!(
            all.compare("ffd", &["queueing"], &[]),
            "igniter compare s.toml --set arrival.process=poisson --predictor contention --seed 3 --seeds 5 --set \
             'workload.*.slo_ms=20' --margin=-1 --truth solo --prediction-error --strategies ffd,queueing"
        );
        assert_eq!(all.frontier("ffd"), None, "frontier knows no other truth");
        let one = again(
            "igniter simulate -s gslice s.toml -oout --requests --attainment 99% --prediction-error",
        );
        assert_eq!(
            one.compare("gslice", &["queueing"], &["--headroom", "20"]),
            "igniter compare s.toml --attainment 99% --prediction-error --strategies gslice,queueing --headroom 20"
        );
        assert_eq!(
            one.frontier("gslice").unwrap(),
            "igniter frontier s.toml --set plan.attainment_pct=99 --set 'prediction_error={draw=\"uncertainty\"}' \
             --strategies gslice"
        );
    }

    #[test]
    fn plans_that_follow_load_are_shown_with_the_flags_of_the_check() {
        let typed = "igniter check day --set replan.period_s=600 -s ffd --json --headroom 5";
        let words: Vec<String> = typed.split(' ').map(str::to_owned).collect();
        assert_eq!(
            replan_again(&words, "ffd"),
            "igniter replan day --set replan.period_s=600 --headroom 5 --strategy ffd"
        );
    }

    #[test]
    fn plans_stay_with_their_scenario() {
        let given = again("igniter compare --plan a.json b.json s.toml --seed 2");
        assert_eq!(
            given.compare("igniter", &["queueing"], &[]),
            "igniter compare s.toml --plan a.json b.json --seed 2 --strategies queueing"
        );
        let alone = again("igniter compare --plan config_gpu1.json");
        assert_eq!(
            alone.compare("igniter", &["queueing"], &[]),
            "igniter compare --plan config_gpu1.json --strategies queueing"
        );
        assert_eq!(alone.frontier("igniter"), None);
        assert_eq!(
            again("igniter").compare("mine", &["queueing"], &[]),
            "igniter compare SCENARIO --strategies queueing"
        );
    }
}
