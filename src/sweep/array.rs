//! Task numbers of job arrays, and ranks, as batch systems set them.

use super::SweepError;
use super::shard::Shard;

/// The way in which a system gives the number of tasks.
#[derive(Debug, Clone, Copy)]
enum TaskCount {
    /// The number is not given.
    Unknown,
    /// The number is in one of these variables.
    In(&'static [&'static str]),
    /// The number follows from the first and the last index, and the step. Only whole ranges from the first index on
    /// are supported, because a task that is resubmitted alone looks like a range of one.
    Range {
        count: Option<&'static str>,
        first: &'static str,
        last: &'static str,
        step: &'static str,
    },
}

/// A batch system that numbers its tasks.
#[derive(Debug)]
struct System {
    name: &'static str,
    /// Variables that hold the index; the first one that is set is used.
    index: &'static [&'static str],
    /// The index of the first task. A lower index means that there is no array.
    first: u32,
    count: TaskCount,
    /// Whether these are ranks of one job rather than tasks of an array: a single rank is not a parallel run.
    ranks: bool,
}

const fn array(name: &'static str, index: &'static [&'static str], count: TaskCount) -> System {
    System { name, index, first: 0, count, ranks: false }
}

const fn ranks(name: &'static str, index: &'static [&'static str], count: TaskCount) -> System {
    System { name, index, first: 0, count, ranks: true }
}

const SYSTEMS: [System; 15] = [
    array(
        "Slurm array",
        &["SLURM_ARRAY_TASK_ID"],
        TaskCount::Range {
            count: Some("SLURM_ARRAY_TASK_COUNT"),
            first: "SLURM_ARRAY_TASK_MIN",
            last: "SLURM_ARRAY_TASK_MAX",
            step: "SLURM_ARRAY_TASK_STEP",
        },
    ),
    array("Kubernetes job", &["JOB_COMPLETION_INDEX"], TaskCount::Unknown),
    // Torque's name differs by one underscore from the number of the parent job in OpenPBS.
    array("PBS array", &["PBS_ARRAY_INDEX", "PBS_ARRAYID"], TaskCount::Unknown),
    // Elements of LSF arrays count from 1; outside an array LSF sets 0. LSB_JOBINDEX_END is the last index, not their number.
    System { first: 1, ..array("LSF array", &["LSB_JOBINDEX"], TaskCount::Unknown) },
    System {
        first: 1,
        ..array(
            "Grid Engine array",
            &["SGE_TASK_ID"],
            TaskCount::Range {
                count: None,
                first: "SGE_TASK_FIRST",
                last: "SGE_TASK_LAST",
                step: "SGE_TASK_STEPSIZE",
            },
        )
    },
    array(
        "AWS Batch array",
        &["AWS_BATCH_JOB_ARRAY_INDEX"],
        TaskCount::In(&["AWS_BATCH_JOB_ARRAY_SIZE"]),
    ),
    ranks(
        "AWS Batch multi-node job",
        &["AWS_BATCH_JOB_NODE_INDEX"],
        TaskCount::In(&["AWS_BATCH_JOB_NUM_NODES"]),
    ),
    array("Google Batch job", &["BATCH_TASK_INDEX"], TaskCount::In(&["BATCH_TASK_COUNT"])),
    array("Cloud Run job", &["CLOUD_RUN_TASK_INDEX"], TaskCount::In(&["CLOUD_RUN_TASK_COUNT"])),
    array("Flux bulk submission", &["FLUX_JOB_CC"], TaskCount::Unknown),
    ranks("Flux job", &["FLUX_TASK_RANK"], TaskCount::In(&["FLUX_JOB_SIZE"])),
    ranks(
        "Slurm step",
        &["SLURM_PROCID"],
        TaskCount::In(&["SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"]),
    ),
    ranks("Open MPI job", &["OMPI_COMM_WORLD_RANK"], TaskCount::In(&["OMPI_COMM_WORLD_SIZE"])),
    ranks("MPI job", &["PMI_RANK", "PMIX_RANK"], TaskCount::In(&["PMI_SIZE"])),
    ranks("MVAPICH job", &["MV2_COMM_WORLD_RANK"], TaskCount::In(&["MV2_COMM_WORLD_SIZE"])),
];

/// Values of a variable that mean "no number".
const UNSET: [&str; 3] = ["", "undefined", "4294967294"];

const EXPLICIT: &str =
    "say which shard this is with --shard I/N (--shard 0/1 for everything in one process)";

/// A task found in the environment.
#[derive(Debug)]
struct Task {
    system: &'static System,
    variable: &'static str,
    /// The index from 0, for arrays that count up by one from their first index.
    index: u32,
    count: Option<u32>,
}

/// Finds the shard of this process: the requested one, or the one given by its task of a job array or its rank.
///
/// `env` looks up an environment variable. With `count` (`--shards N`) the environment only has to hold the index,
/// which is also correct where one task is resubmitted alone. Without it, the environment must hold the number of tasks
/// as well. Anything else is refused, because a guess would silently do too much or too little: a Slurm `--array=2,4`
/// has a count of 2, and a task that is resubmitted alone has 1.
///
/// # Errors
/// When the shard is invalid, or cannot be found in the environment.
pub fn find_shard(
    asked: Option<Shard>,
    count: Option<u32>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Shard, SweepError> {
    if let Some(shard) = asked {
        return Ok(shard);
    }
    let mut tasks = Vec::new();
    for system in &SYSTEMS {
        tasks.extend(task(system, env)?);
    }
    // The batch script of an array task is rank 0 of the tasks that it might start.
    if tasks.iter().any(|task| !task.system.ranks) {
        tasks.retain(|task| !task.system.ranks || task.index > 0 || task.count.is_some());
    }
    // Several variables may describe the same task: MPI libraries also set theirs in Slurm steps.
    tasks.dedup_by(|task, before| task.system.ranks && same(task, before));
    match (tasks.as_slice(), count) {
        ([], None) => Ok(Shard::ALL),
        ([], Some(_)) => {
            let names: Vec<&str> = SYSTEMS.iter().map(|system| system.index[0]).collect();
            Err(SweepError::Shard(format!(
                "--shards: no variable of a job array or rank is set ({}); fix: {EXPLICIT}",
                names.join(", ")
            )))
        }
        ([task], Some(count)) => Shard::new(task.index, count),
        ([task], None) => match task.count {
            Some(count) => Shard::new(task.index, count),
            None => Err(SweepError::Shard(unknown(task))),
        },
        (several, _) => {
            let names: Vec<String> = several
                .iter()
                .map(|task| format!("{} ({})", task.variable, task.system.name))
                .collect();
            Err(SweepError::Shard(format!("{} are all set; fix: {EXPLICIT}", names.join(" and "))))
        }
    }
}

fn same(one: &Task, other: &Task) -> bool {
    other.system.ranks && one.index == other.index && one.count == other.count
}

fn unknown(task: &Task) -> String {
    let variable = task.variable;
    match task.system.count {
        TaskCount::Range { .. } => format!(
            "the {} of this task is not a whole range from {} on, so the number of shards is unknown; allowed: \
             {}; fix: give their number with --shards N (right also when single tasks are submitted again), or \
             {EXPLICIT}",
            task.system.name,
            task.system.first,
            if task.system.first == 0 {
                "sbatch --array=0-7 for 8 shards"
            } else {
                "qsub -t 1-8 for 8 shards"
            },
        ),
        _ if task.system.ranks && task.index == 0 => format!(
            "{variable} is 0, so this may be the first of several ranks, or a batch script that is alone; fix: \
             {EXPLICIT}; in a batch script, start the ranks with srun"
        ),
        _ => format!(
            "{variable} is set, so this is one task of several ({}), and nothing says of how many; fix: give \
             their number with --shards N, or {EXPLICIT}",
            task.system.name
        ),
    }
}

/// Returns the task of one system, where the environment describes one.
fn task(
    system: &'static System,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Task>, SweepError> {
    let number = |name: &str| -> Result<Option<u32>, SweepError> {
        let text = env(name).map(|text| text.trim().to_owned());
        let Some(text) = text.filter(|text| !UNSET.contains(&text.as_str())) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| {
            SweepError::Shard(format!(
                "{name}={text}: allowed: a whole number; fix: give the shard with --shard I/N"
            ))
        })
    };
    let mut found = None;
    for variable in system.index {
        if let Some(index) = number(variable)?.and_then(|index| index.checked_sub(system.first)) {
            found = Some((*variable, index));
            break;
        }
    }
    let Some((variable, index)) = found else { return Ok(None) };
    let count = match system.count {
        TaskCount::Unknown => None,
        TaskCount::In(names) => {
            let mut count = None;
            let mut used = "";
            for name in names {
                if let (None, Some(found)) = (count, number(name)?) {
                    (count, used) = (Some(found), *name);
                }
            }
            if system.ranks && count.is_none_or(|count| count <= 1) && index == 0 {
                // One rank is not a parallel run. Rank 0 without a number of ranks means nothing.
                return Ok(None);
            }
            // A batch script is rank 0 of as many tasks as it may start, but it runs alone.
            count.filter(|_| used != "SLURM_NTASKS" || index > 0)
        }
        TaskCount::Range { count, first, last, step } => {
            let (counted, step) = (count.map(number).transpose()?.flatten(), number(step)?);
            let ends = (number(first)?, number(last)?);
            match (ends, step.unwrap_or(1)) {
                ((Some(start), Some(end)), 1) if start == system.first && end >= start => {
                    let all = end - start + 1;
                    (count.is_none() || counted == Some(all)).then_some(all)
                }
                _ => None,
            }
        }
    };
    Ok(Some(Task { system, variable, index, count }))
}

/// Returns unknown variables that look like task numbers. Where every task would do a whole sweep, the user should be
/// told about them.
pub fn unknown_numbers(variables: impl Iterator<Item = (String, String)>) -> Vec<String> {
    const ENDS: [&str; 13] = [
        "ARRAY_INDEX",
        "ARRAY_TASK_ID",
        "TASK_INDEX",
        "TASK_ID",
        "TASK_RANK",
        "WORLD_RANK",
        "_PROCID",
        "JOB_INDEX",
        // Moab, HTCondor, PALS, Nomad, and launchers for several hosts.
        "ARRAYINDEX",
        "_PROCNO",
        "RANKID",
        "ALLOC_INDEX",
        "NODE_RANK",
    ];
    let known = |name: &str| SYSTEMS.iter().any(|system| system.index.contains(&name));
    let mut found: Vec<String> = variables
        .filter(|(name, value)| {
            let alike = ENDS.iter().any(|end| name.ends_with(end)) || name == "RANK";
            alike && !known(name) && value.trim().parse::<u32>().is_ok()
        })
        .map(|(name, value)| format!("{name}={}", value.trim()))
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(count: Option<u32>, env: &[(&str, &str)]) -> Result<String, String> {
        let look =
            |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        find_shard(None, count, &look).map(|s| s.to_string()).map_err(|error| error.to_string())
    }

    fn slurm(id: &str, count: &str, min: &str, max: &str, step: &str) -> Result<String, String> {
        find(
            None,
            &[
                ("SLURM_ARRAY_TASK_ID", id),
                ("SLURM_ARRAY_TASK_COUNT", count),
                ("SLURM_ARRAY_TASK_MIN", min),
                ("SLURM_ARRAY_TASK_MAX", max),
                ("SLURM_ARRAY_TASK_STEP", step),
            ],
        )
    }

    #[test]
    fn whole_slurm_arrays_are_found() {
        assert_eq!(slurm("3", "8", "0", "7", "1").unwrap(), "3/8");
        assert_eq!(find(None, &[]).unwrap(), "0/1");
    }

    #[test]
    fn slurm_arrays_that_could_mean_anything_are_refused() {
        // --array=2,4; task 4 of 0-7 again; 0-14:2; 1-8
        for (id, count, min, max, step) in [
            ("4", "2", "2", "4", "1"),
            ("4", "1", "4", "4", "1"),
            ("4", "8", "0", "14", "2"),
            ("4", "8", "1", "8", "1"),
        ] {
            let error = slurm(id, count, min, max, step).unwrap_err();
            assert!(error.contains("--shards N"), "{error}");
        }
        assert!(slurm("x", "1", "0", "0", "1").unwrap_err().contains("SLURM_ARRAY_TASK_ID=x"));
    }

    #[test]
    fn with_their_number_any_array_gives_its_shard() {
        assert_eq!(find(Some(8), &[("SLURM_ARRAY_TASK_ID", "4")]).unwrap(), "4/8");
        assert_eq!(find(Some(8), &[("JOB_COMPLETION_INDEX", "0")]).unwrap(), "0/8");
        assert_eq!(find(Some(8), &[("PBS_ARRAY_INDEX", "7")]).unwrap(), "7/8");
        assert_eq!(find(Some(8), &[("LSB_JOBINDEX", "8")]).unwrap(), "7/8");
        assert!(find(Some(8), &[("LSB_JOBINDEX", "9")]).unwrap_err().contains("8/8"));
        assert!(find(Some(8), &[]).unwrap_err().contains("no variable of a job array"));
        for name in ["JOB_COMPLETION_INDEX", "PBS_ARRAY_INDEX", "LSB_JOBINDEX"] {
            assert!(find(None, &[(name, "1")]).unwrap_err().contains(name));
        }
        // Not in an array.
        assert_eq!(find(None, &[("LSB_JOBINDEX", "0")]).unwrap(), "0/1");
    }

    #[test]
    fn systems_that_say_how_many_tasks_there_are() {
        for (env, shard) in [
            (vec![("SGE_TASK_ID", "2"), ("SGE_TASK_FIRST", "1"), ("SGE_TASK_LAST", "4")], "1/4"),
            (vec![("AWS_BATCH_JOB_ARRAY_INDEX", "2"), ("AWS_BATCH_JOB_ARRAY_SIZE", "3")], "2/3"),
            (vec![("AWS_BATCH_JOB_NODE_INDEX", "0"), ("AWS_BATCH_JOB_NUM_NODES", "2")], "0/2"),
            (vec![("BATCH_TASK_INDEX", "0"), ("BATCH_TASK_COUNT", "5")], "0/5"),
            (vec![("CLOUD_RUN_TASK_INDEX", "1"), ("CLOUD_RUN_TASK_COUNT", "3")], "1/3"),
            (vec![("CLOUD_RUN_TASK_INDEX", "0"), ("CLOUD_RUN_TASK_COUNT", "1")], "0/1"),
            (vec![("FLUX_TASK_RANK", "3"), ("FLUX_JOB_SIZE", "4")], "3/4"),
            (vec![("SLURM_PROCID", "1"), ("SLURM_NTASKS", "4")], "1/4"),
            (vec![("SLURM_PROCID", "0"), ("SLURM_STEP_NUM_TASKS", "4")], "0/4"),
            (
                vec![
                    ("SLURM_PROCID", "1"),
                    ("SLURM_STEP_NUM_TASKS", "4"),
                    ("PMI_RANK", "1"),
                    ("PMI_SIZE", "4"),
                ],
                "1/4",
            ),
            (vec![("OMPI_COMM_WORLD_RANK", "0"), ("OMPI_COMM_WORLD_SIZE", "2")], "0/2"),
            // Alone, or no array.
            (vec![("SLURM_PROCID", "0"), ("SLURM_NTASKS", "1")], "0/1"),
            (vec![("SLURM_PROCID", "0")], "0/1"),
            (vec![("SGE_TASK_ID", "undefined")], "0/1"),
            (vec![("SLURM_ARRAY_TASK_ID", "4294967294")], "0/1"),
        ] {
            assert_eq!(find(None, &env).unwrap(), shard, "{env:?}");
        }
    }

    #[test]
    fn tasks_whose_number_is_unknown_are_refused() {
        for env in [
            vec![("AWS_BATCH_JOB_ARRAY_INDEX", "2")],
            vec![("SGE_TASK_ID", "5"), ("SGE_TASK_FIRST", "5"), ("SGE_TASK_LAST", "5")],
            vec![
                ("SGE_TASK_ID", "3"),
                ("SGE_TASK_FIRST", "1"),
                ("SGE_TASK_LAST", "5"),
                ("SGE_TASK_STEPSIZE", "2"),
            ],
            vec![("FLUX_JOB_CC", "2")],
            vec![("PMIX_RANK", "1")],
            // A batch script, or a rank: nobody knows.
            vec![("SLURM_PROCID", "0"), ("SLURM_NTASKS", "4")],
        ] {
            let error = find(None, &env).unwrap_err();
            assert!(error.contains("--shard I/N"), "{env:?}: {error}");
        }
        let script = [
            ("SLURM_ARRAY_TASK_ID", "1"),
            ("SLURM_ARRAY_TASK_COUNT", "4"),
            ("SLURM_ARRAY_TASK_MIN", "0"),
            ("SLURM_ARRAY_TASK_MAX", "3"),
            ("SLURM_PROCID", "0"),
            ("SLURM_NTASKS", "8"),
        ];
        assert_eq!(find(None, &script).unwrap(), "1/4");
        let both =
            [("SLURM_ARRAY_TASK_ID", "1"), ("SLURM_PROCID", "1"), ("SLURM_STEP_NUM_TASKS", "2")];
        assert!(find(None, &both).unwrap_err().contains("are all set"));
    }

    #[test]
    fn unknown_variables_that_look_like_numbers_of_tasks_are_found() {
        let variables = [
            ("OAR_ARRAY_INDEX", "3"),
            ("XYZ_TASK_ID", "7"),
            ("SLURM_ARRAY_TASK_ID", "1"),
            ("SESSION_TASK_ID", "abc"),
            ("HOME", "/"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let found = unknown_numbers(variables.into_iter());
        assert_eq!(found, ["OAR_ARRAY_INDEX=3", "XYZ_TASK_ID=7"]);
        let more = ["MOAB_JOBARRAYINDEX", "NOMAD_ALLOC_INDEX", "PALS_RANKID", "_CONDOR_PROCNO"];
        let given = more.iter().map(|name| ((*name).to_owned(), "2".to_owned()));
        assert_eq!(unknown_numbers(given), more.map(|name| format!("{name}=2")));
    }

    #[test]
    fn an_explicit_shard_wins() {
        let env = |_: &str| Some("5".to_owned());
        let shard = find_shard(Some("1/3".parse().unwrap()), None, &env).unwrap();
        assert_eq!(shard.to_string(), "1/3");
    }
}
