//! A strategy that is an external program: it reads one JSON document on stdin and writes a plan to stdout.

use super::{RunError, Study};
use crate::domain::Plan;
use crate::plan::{foreign_plan, foreign_request};
use crate::results::Stopwatch;
use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Maximum length of an answer, in bytes.
const LONGEST: u64 = 64 << 20;

/// An external program that makes plans.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandStrategy {
    name: String,
    words: Vec<String>,
    timeout_s: f64,
}

impl CommandStrategy {
    /// Makes a strategy from a command: the program and its arguments, separated by spaces. The program must deliver a
    /// plan within `timeout_s` seconds. The strategy is named after the program's file, without folder and extension.
    ///
    /// # Errors
    /// When the command is empty, or the timeout is not above 0 and at most 86400 s.
    pub fn new(command: &str, timeout_s: f64) -> Result<Self, RunError> {
        let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        let error =
            |message: String| RunError::StrategyCommand { command: command.to_owned(), message };
        let last_file = |word: &&String| std::path::Path::new(word).extension().is_some();
        // In `python3 strategies/mine.py`, the name of the script matters, not that of the interpreter.
        let named = words.iter().find(last_file).or(words.first());
        let named = named.ok_or_else(|| error("names no program".to_owned()))?;
        if !(timeout_s > 0.0 && timeout_s <= 86_400.0) {
            return Err(error(format!(
                "timeout of {timeout_s} s; allowed: above 0, at most 86400 (--strategy-timeout)"
            )));
        }
        let stem = std::path::Path::new(named).file_stem();
        let name = stem.map_or_else(|| named.clone(), |stem| stem.to_string_lossy().into_owned());
        Ok(Self { name, words, timeout_s })
    }

    /// Returns the name under which the plans of the strategy are listed.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends the request and reads the answer.
    fn answer(&self, request: Vec<u8>) -> Result<serde_json::Value, String> {
        let started = Command::new(&self.words[0])
            .args(&self.words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = started.map_err(|error| {
            format!("cannot be started: {error}; check the path and that it may be executed")
        })?;
        let outcome = self.converse(&mut child, request);
        if outcome.is_err() {
            // The program may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
        let text = outcome?;
        serde_json::from_slice(&text).map_err(|error| {
            let start = String::from_utf8_lossy(&text[..text.len().min(200)]).into_owned();
            format!("printed no JSON document: {error}; its output begins with {start:?}")
        })
    }

    fn converse(&self, child: &mut Child, request: Vec<u8>) -> Result<Vec<u8>, String> {
        let (mut stdin, stdout) =
            (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        // The request is written in a thread of its own: a program may answer before it has read everything, or not
        // read at all.
        thread::spawn(move || stdin.write_all(&request));
        let (sender, read) = mpsc::channel();
        thread::spawn(move || {
            let mut text = Vec::new();
            let done = stdout.take(LONGEST + 1).read_to_end(&mut text).map(|_| text);
            let _ = sender.send(done);
        });
        let watch = Stopwatch::start();
        let late = || format!("gave no plan within {} s (--strategy-timeout)", self.timeout_s);
        let text: io::Result<Vec<u8>> =
            read.recv_timeout(Duration::from_secs_f64(self.timeout_s)).map_err(|_| late())?;
        let text = text.map_err(|error| format!("its output cannot be read: {error}"))?;
        if text.len() as u64 > LONGEST {
            return Err(format!("printed more than {LONGEST} bytes"));
        }
        loop {
            match child.try_wait().map_err(|error| error.to_string())? {
                Some(status) if status.success() => return Ok(text),
                Some(status) => return Err(format!("failed ({status}); what it said is above")),
                None if watch.seconds() > self.timeout_s => return Err(late()),
                None => thread::sleep(Duration::from_millis(1)),
            }
        }
    }
}

impl Study {
    /// Plans the scenario with an external program; `docs/strategy-command.schema.json` describes both documents.
    ///
    /// # Errors
    /// When the program cannot be started, fails, takes too long, or prints a plan that is invalid or cannot run.
    pub fn plan_by_command(&self, strategy: &CommandStrategy) -> Result<Plan, RunError> {
        let (predictors, options) = (self.predictors(), self.scenario().plan);
        let request = foreign_request(self.workloads(), &predictors, &options, true);
        let request = serde_json::to_vec(&request).expect("a document of texts and numbers");
        let answer = strategy.answer(request).map_err(|message| RunError::StrategyCommand {
            command: strategy.words.join(" "),
            message,
        })?;
        let plan = foreign_plan(&strategy.name, answer, self.workloads(), &predictors)?;
        self.legal(&plan)?;
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Overrides;
    use std::path::Path;

    fn planned(script: &str, timeout_s: f64) -> Result<Plan, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine.sh");
        std::fs::write(&file, script).unwrap();
        let study =
            Study::load(Path::new("scenarios/motivating-3.toml"), &Overrides::default()).unwrap();
        let command = CommandStrategy::new(&format!("sh {}", file.display()), timeout_s);
        let command = command.map_err(|error| error.to_string())?;
        assert_eq!(command.name(), "mine");
        study.plan_by_command(&command).map_err(|error| error.to_string())
    }

    #[test]
    fn a_program_plans() {
        let plan = planned(
            r#"cat >/dev/null; echo '{"gpus": [
                {"placements": [{"workload": "W1", "batch": 4, "sm_pct": 50}]},
                {"placements": [{"workload": "W2", "batch": 4, "sm_pct": 50}, {"workload": "W3", "batch": 4, "sm_pct": 50}]}]}'"#,
            60.0,
        );
        let plan = plan.unwrap();
        assert_eq!((plan.strategy.as_str(), plan.gpus.len()), ("mine", 2));
        assert!(plan.placements().all(|(_, placement)| placement.predicted.is_some()));
    }

    #[test]
    fn what_is_wrong_with_a_program_is_said() {
        let none = |script: &str, timeout_s: f64| planned(script, timeout_s).unwrap_err();
        assert!(none("exit 3", 60.0).contains("exit status: 3"));
        assert!(none("exec sleep 60", 0.2).contains("gave no plan within 0.2 s"));
        assert!(none("echo a plan", 60.0).contains("no JSON document"));
        assert!(none("echo '{}'", 60.0).contains("lacks the list gpus"));
        let twice = r#"echo '{"gpus": [{"placements": [{"workload": "W1", "batch": 4, "sm_pct": 60}, {"workload": "W2", "batch": 4, "sm_pct": 60}]}]}'"#;
        assert!(none(twice, 60.0).contains("cannot run"));
        assert!(none("", 0.0).contains("allowed: above 0"));
    }
}
