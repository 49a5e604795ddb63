//! Which part of a sweep this process does.

use super::SweepError;
use std::fmt;
use std::str::FromStr;

/// Shard `index` of `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    index: u32,
    count: u32,
}

/// More shards than any cluster has.
const MOST_SHARDS: u32 = 1_000_000;

impl Shard {
    /// All of a sweep.
    pub const ALL: Self = Self { index: 0, count: 1 };

    /// Shard `index` (from 0) of `count`.
    ///
    /// # Errors
    /// When the index is not below the count.
    pub fn new(index: u32, count: u32) -> Result<Self, SweepError> {
        if index < count && count <= MOST_SHARDS {
            return Ok(Self { index, count });
        }
        Err(SweepError::Shard(format!(
            "shard {index}/{count}: allowed: I/N with I from 0 to N − 1, N at most {MOST_SHARDS}; fix: count \
             shards from 0"
        )))
    }

    /// Its number, from 0.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// How many shards there are.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.count
    }

    /// The name of its folder, such as `shard-00003-of-00010`.
    #[must_use]
    pub fn folder(self) -> String {
        format!("shard-{:05}-of-{:05}", self.index, self.count)
    }

    /// The shard that a folder's name tells.
    #[must_use]
    pub fn of_folder(name: &str) -> Option<Self> {
        let (index, count) = name.strip_prefix("shard-")?.split_once("-of-")?;
        Self::new(index.parse().ok()?, count.parse().ok()?).ok()
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = SweepError;

    fn from_str(text: &str) -> Result<Self, SweepError> {
        let numbers = || {
            let (index, count) = text.split_once('/')?;
            Some((index.trim().parse().ok()?, count.trim().parse().ok()?))
        };
        let (index, count) = numbers().ok_or_else(|| {
            SweepError::Shard(format!("shard {text:?}: allowed: I/N, such as 0/8 … 7/8"))
        })?;
        Self::new(index, count)
    }
}

/// A batch system whose array tasks number themselves.
struct Array {
    name: &'static str,
    /// Variables that hold the index, the first one that is set counts.
    index: &'static [&'static str],
    /// The index of the first task, as the documentation and the script of `scripts/` have it.
    first: u32,
}

const ARRAYS: [Array; 4] = [
    Array { name: "Slurm", index: &["SLURM_ARRAY_TASK_ID"], first: 0 },
    Array { name: "Kubernetes", index: &["JOB_COMPLETION_INDEX"], first: 0 },
    Array { name: "PBS", index: &["PBS_ARRAY_INDEX", "PBS_ARRAYID"], first: 0 },
    // Elements of LSF arrays count from 1; outside an array LSF sets 0.
    Array { name: "LSF", index: &["LSB_JOBINDEX"], first: 1 },
];

/// Finds the shard: the one asked for, or the task of a job array that this process runs in.
///
/// `env` looks up an environment variable. With `count` (`--shards N`) the environment only has to tell the
/// index, which is right also where one task is submitted again alone. Without it, only a Slurm array that
/// visibly is `0-(N−1)` is taken for N shards; anything else is refused, since a guess would silently do too
/// much or too little: `--array=2,4` has a count of 2, and a task that is submitted again alone has 1.
///
/// # Errors
/// When the shard is none, or cannot be told from the environment.
pub fn find_shard(
    asked: Option<Shard>,
    count: Option<u32>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Shard, SweepError> {
    if let Some(shard) = asked {
        return Ok(shard);
    }
    let number = |name: &str| -> Result<Option<u32>, SweepError> {
        let Some(text) = env(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        text.trim().parse().map(Some).map_err(|_| {
            SweepError::Shard(format!(
                "{name}={text}: allowed: a whole number; fix: give the shard with --shard I/N"
            ))
        })
    };
    let mut found: Vec<(&Array, &str, u32)> = Vec::new();
    for array in &ARRAYS {
        for name in array.index {
            match number(name)? {
                // Outside an array LSF sets 0.
                Some(index) if index >= array.first => {
                    found.push((array, name, index - array.first));
                    break;
                }
                _ => {}
            }
        }
    }
    let explicit = "say which shard this is with --shard I/N (--shard 0/1 for everything)";
    match (found.as_slice(), count) {
        ([], None) => Ok(Shard::ALL),
        ([], Some(_)) => Err(SweepError::Shard(format!(
            "--shards: no variable of a job array is set (SLURM_ARRAY_TASK_ID, JOB_COMPLETION_INDEX, \
             PBS_ARRAY_INDEX, LSB_JOBINDEX); fix: {explicit}"
        ))),
        ([(_, _, index)], Some(count)) => Shard::new(*index, count),
        ([(array, _, index)], None) if array.name == "Slurm" => {
            let names = ["COUNT", "MIN", "MAX", "STEP"].map(|n| format!("SLURM_ARRAY_TASK_{n}"));
            let [count, min, max, step] = names.each_ref().map(|name| number(name));
            let whole = (count?, min?, max?, step?.or(Some(1)));
            if let (Some(count), Some(0), Some(max), Some(1)) = whole
                && max.checked_add(1) == Some(count)
            {
                return Shard::new(*index, count);
            }
            Err(SweepError::Shard(format!(
                "the Slurm array of this task is not 0-(N−1), so the number of shards is unknown; allowed: \
                 sbatch --array=0-7 for 8 shards; fix: give their number with --shards N (right also when \
                 single tasks are submitted again), or {explicit}"
            )))
        }
        ([(array, name, _)], None) => Err(SweepError::Shard(format!(
            "{name} is set, so this is a task of a {} job array, which does not say how many there are; fix: \
             give their number with --shards N, or {explicit}",
            array.name
        ))),
        (several, _) => {
            let names: Vec<&str> = several.iter().map(|(_, name, _)| *name).collect();
            Err(SweepError::Shard(format!("{} are all set; fix: {explicit}", names.join(" and "))))
        }
    }
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
    fn an_explicit_shard_wins() {
        let env = |_: &str| Some("5".to_owned());
        let shard = find_shard(Some("1/3".parse().unwrap()), None, &env).unwrap();
        assert_eq!(
            (shard.to_string(), shard.folder()),
            ("1/3".into(), "shard-00001-of-00003".into())
        );
        assert_eq!(Shard::of_folder("shard-00001-of-00003"), Some(shard));
        for bad in ["3/3", "1", "a/b", "-1/2", "0/0"] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }
}
