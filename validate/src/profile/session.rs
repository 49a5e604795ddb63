//! Groups runs by the servers that they need, because starting servers takes longer than a run.

use super::{ProfileRun, RunMember};

/// Servers that run at the same time, and the runs that they serve one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileSession {
    /// The members, with one server for each.
    pub servers: Vec<RunMember>,
    /// The runs, each with the positions of its servers in the order of its members.
    pub runs: Vec<(ProfileRun, Vec<usize>)>,
}

impl ProfileSession {
    /// Removes the servers of a model with a batch size, whatever their shares; returns the runs that needed one.
    pub fn leave_out(&mut self, broken: &RunMember) -> Vec<ProfileRun> {
        let needs = |run: &ProfileRun| {
            run.members.iter().any(|m| m.model == broken.model && m.batch == broken.batch)
        };
        let left_out = self.runs.extract_if(.., |(run, _)| needs(run)).map(|(run, _)| run);
        let left_out = left_out.collect();
        self.trim();
        left_out
    }

    /// Removes servers that no run needs.
    pub fn trim(&mut self) {
        let runs: Vec<ProfileRun> = self.runs.drain(..).map(|(run, _)| run).collect();
        self.servers.clear();
        for run in runs {
            let (servers, positions) = join(&self.servers, &run);
            self.servers = servers;
            self.runs.push((run, positions));
        }
    }
}

/// Groups runs into sessions, in order: a session grows for as long as it needs no more than `most` servers. Servers
/// of other runs idle meanwhile. A repetition gets servers of its own, since reused servers would repeat too little.
#[must_use]
pub fn sessions(runs: &[ProfileRun], most: usize) -> Vec<ProfileSession> {
    let mut all: Vec<ProfileSession> = Vec::new();
    for run in runs {
        let joined = all.last_mut().is_some_and(|last| {
            let repeats = last.runs.first().is_some_and(|(first, _)| first.repeat != run.repeat);
            let (servers, positions) = join(&last.servers, run);
            let fits = !repeats && servers.len() <= most;
            if fits {
                last.servers = servers;
                last.runs.push((run.clone(), positions));
            }
            fits
        });
        if !joined {
            let (servers, positions) = join(&[], run);
            all.push(ProfileSession { servers, runs: vec![(run.clone(), positions)] });
        }
    }
    all
}

/// Returns the servers with the additional ones that a run needs, and the positions of all servers that it needs.
fn join(servers: &[RunMember], run: &ProfileRun) -> (Vec<RunMember>, Vec<usize>) {
    let mut servers = servers.to_vec();
    let mut positions: Vec<usize> = Vec::new();
    for member in &run.members {
        let free = |(i, known): &(usize, &RunMember)| *known == member && !positions.contains(i);
        let found = servers.iter().enumerate().find(free).map(|(i, _)| i);
        positions.push(found.unwrap_or_else(|| {
            servers.push(member.clone());
            servers.len() - 1
        }));
    }
    (servers, positions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use igniter::domain::ModelName;
    use igniter::units::{BatchSize, SmUnits};

    fn run(models: &str, repeat: u32) -> ProfileRun {
        let member = |model: char| RunMember {
            model: ModelName::new(&model.to_string()).unwrap(),
            batch: BatchSize::new(4).unwrap(),
            units: SmUnits::new(10),
        };
        ProfileRun { members: models.chars().map(member).collect(), repeat }
    }

    #[test]
    fn servers_are_shared_until_there_are_too_many() {
        let runs = ["a", "b", "ab", "aa", "cab", "bb"].map(|models| run(models, 0));
        let all = sessions(&runs, 3);
        let text = |session: &ProfileSession| -> String {
            session.servers.iter().map(|server| server.model.as_str()).collect()
        };
        // a, b, then a second a; c would be a fourth. b twice beside c and a would be four again.
        assert_eq!(all.iter().map(text).collect::<Vec<_>>(), ["aba", "cab", "bb"]);
        assert_eq!(all[0].runs[3], (runs[3].clone(), vec![0, 2]));
        assert_eq!(all[0].runs[2].1, [0, 1]);
        assert_eq!(sessions(&runs, 8).len(), 1);
        // A run that needs more than that gets them all the same.
        assert_eq!(sessions(&runs[4..5], 2)[0].servers.len(), 3);
    }

    #[test]
    fn what_cannot_start_takes_only_its_own_runs_along() {
        let runs = ["a", "b", "ab", "c", "cc"].map(|models| run(models, 0));
        let mut session = sessions(&runs, 8).swap_remove(0);
        let broken = RunMember { units: SmUnits::new(20), ..runs[0].members[0].clone() };
        assert_eq!(session.leave_out(&broken), [runs[0].clone(), runs[2].clone()]);
        let expected = sessions(&[runs[1].clone(), runs[3].clone(), runs[4].clone()], 8);
        assert_eq!([session.clone()], *expected);
        let other = RunMember { batch: BatchSize::new(8).unwrap(), ..broken };
        assert!(session.leave_out(&other).is_empty());
        assert_eq!([session], *expected);
    }

    #[test]
    fn a_repetition_has_servers_of_its_own() {
        let runs = [run("a", 0), run("a", 1), run("b", 1), run("a", 2)];
        let lengths: Vec<usize> = sessions(&runs, 8).iter().map(|s| s.runs.len()).collect();
        assert_eq!(lengths, [1, 2, 1]);
    }
}
