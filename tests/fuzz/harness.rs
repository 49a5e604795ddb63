//! Our own fuzzer, for a stable toolchain: inputs of a kept corpus (`fuzz/corpus`), changed at random.
//!
//! A few hundred executions of each target belong to every run of the tests. `IGNITER_FUZZ_SECONDS=60` fuzzes each target
//! for a minute instead, `IGNITER_FUZZ_SEED` begins elsewhere. Inputs whose outcome is new (another message, another shape
//! of what was read) are changed further. A panic, an execution of more than ten seconds, and one that takes more than
//! half a gigabyte fail; the input is left in `target/fuzz-failures`, from where it belongs into the corpus.

use peak_alloc::PeakAlloc;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Executions of each target where no time is given.
const FEW: u64 = 400;
/// The longest that an execution may take.
const HANG: Duration = Duration::from_secs(10);
/// The most memory that an execution may take beyond what was there before, in MB.
const MOST_MB: f32 = 512.0;
/// Inputs grow no longer, in bytes: few of them to the first, most to the second. Short ones are fast.
const LONGEST: [usize; 2] = [1 << 16, 1 << 11];
/// How many inputs with outcomes of their own are kept to be changed further.
const MOST_KEPT: usize = 1 << 13;

/// What numbers, words and structure of the readers are made of.
const DICTIONARY: [&str; 70] = [
    "0",
    "-1",
    "1e308",
    "-1e308",
    "1e-308",
    "NaN",
    "inf",
    "18446744073709551615",
    "4294967295",
    "9223372036854775807",
    "0.1",
    "1e10",
    "1e18",
    "1700157423500000000",
    "2024-05-10 00:00:00+00:00",
    ",",
    ";",
    "\t",
    "|",
    "\"",
    "\n",
    "\r\n",
    "\u{feff}",
    "#",
    "sep=;",
    "arrival_s",
    "workload",
    "timestamp",
    "TIMESTAMP",
    "Timestamp",
    "Model",
    "end_timestamp",
    "duration",
    "func",
    "app",
    "type",
    "SUBMIT",
    "HashFunction",
    "Gamma",
    "Weibull",
    "{",
    "}",
    "[",
    "]",
    ":",
    "null",
    "true",
    "[[",
    "]]",
    "version = 1",
    "[[workload]]",
    "[[gpu]]",
    "[[axis]]",
    "[[fault]]",
    "[[phase]]",
    "kind = \"v100\"",
    "rate_rps = \"trace\"",
    "arrival = { process = \"gamma\", cv = 4 }",
    "extends",
    "values",
    "range",
    "linear",
    "log",
    "zip",
    "latin",
    "workload.*.slo_ms",
    "\u{202e}",
    "\0",
    "\u{1f}\u{8b}",
    "{\"a\":",
];

/// A generator of random numbers (xorshift64*): the tests need no good one.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % (n.max(1) as u64)).unwrap_or(0)
    }
}

/// Changes an input in one to eight places.
fn changed(input: &[u8], others: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(8) {
        let at = random.below(bytes.len() + 1);
        let end = (at + 1 + random.below(16)).min(bytes.len());
        match random.below(9) {
            0 if !bytes.is_empty() => {
                let at = at.min(bytes.len() - 1);
                bytes[at] ^= 1 << random.below(8);
            }
            1 if !bytes.is_empty() => {
                let at = at.min(bytes.len() - 1);
                bytes[at] = u8::try_from(random.below(256)).unwrap_or(0);
            }
            2 => drop(bytes.drain(at..end)),
            3 => {
                let part = bytes[at..end].to_vec();
                let count = 1 + random.below(8);
                bytes.splice(at..at, part.repeat(count));
            }
            4 => {
                let word = DICTIONARY[random.below(DICTIONARY.len())].as_bytes().to_vec();
                bytes.splice(at..at, word);
            }
            5 => {
                // A number becomes another one.
                if let Some((from, to)) = number_after(&bytes, at) {
                    let word = DICTIONARY[random.below(15)].as_bytes().to_vec();
                    bytes.splice(from..to, word);
                }
            }
            6 => {
                let other = &others[random.below(others.len())];
                let from = random.below(other.len() + 1);
                let part = other[from..(from + 1 + random.below(64)).min(other.len())].to_vec();
                bytes.splice(at..end, part);
            }
            7 => bytes.truncate(at),
            _ => {
                let from = random.below(bytes.len() + 1);
                let part = bytes[from..(from + random.below(32)).min(bytes.len())].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
    let longest = LONGEST[usize::from(random.below(64) > 0)];
    bytes.truncate(longest.max(input.len().min(LONGEST[0])));
    bytes
}

/// The first run of digits at or after a place.
fn number_after(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let from = (at..bytes.len()).find(|i| bytes[*i].is_ascii_digit())?;
    let rest = bytes[from..].iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
    Some((from, from + rest))
}

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().find(|folder| folder.join("fuzz/corpus").is_dir()).unwrap()
}

/// The inputs that are kept for a target.
pub(crate) fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = root().join("fuzz/corpus").join(target);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let inputs: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    inputs
}

/// Keeps an input that fails.
fn keep(target: &str, input: &[u8]) -> PathBuf {
    let folder = root().join("target/fuzz-failures");
    std::fs::create_dir_all(&folder).unwrap();
    let hash = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let path = folder.join(format!("{target}-{hash:016x}"));
    std::fs::write(&path, input).unwrap();
    path
}

/// What is being executed, for the thread that watches over it.
type Present = Arc<Mutex<Option<(Instant, Vec<u8>)>>>;

fn lock(present: &Present) -> MutexGuard<'_, Option<(Instant, Vec<u8>)>> {
    present.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the process when an execution hangs: nothing else can.
fn watch(target: &'static str, present: Present) {
    std::thread::spawn(move || {
        while Arc::strong_count(&present) > 1 {
            std::thread::sleep(Duration::from_millis(500));
            if let Some((since, input)) = &*lock(&present)
                && since.elapsed() > HANG
            {
                let path = keep(target, input);
                eprintln!("{target} hangs: {}", path.display());
                std::process::exit(101);
            }
        }
    });
}

/// Executes a target on what is kept for it and on what becomes of that. `clean` removes what `run` left behind.
pub(crate) fn fuzz<O: Ord + Copy>(target: &'static str, run: impl Fn(&[u8]) -> O, clean: fn()) {
    // One at a time: memory is measured.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let time = number("IGNITER_FUZZ_SECONDS").map(Duration::from_secs);
    let mut random = Random(number("IGNITER_FUZZ_SEED").unwrap_or(1) * 2 + 0x9e37_79b9_7f4a_7c15);
    let inputs = corpus(target);
    let mut pool = inputs.clone();
    let mut outcomes = BTreeSet::new();
    let present: Present = Arc::default();
    watch(target, Arc::clone(&present));
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let (begun, mut executions, mut failures) = (Instant::now(), 0_u64, Vec::new());
    loop {
        let which = usize::try_from(executions).unwrap_or(usize::MAX);
        let input = match inputs.get(which) {
            // First all of them as they are.
            Some(input) => input.clone(),
            None => changed(&pool[random.below(pool.len())], &pool, &mut random),
        };
        *lock(&present) = Some((Instant::now(), input));
        let input = lock(&present).as_ref().map(|(_, input)| input.clone()).unwrap_or_default();
        MEMORY.reset_peak_usage();
        let before = MEMORY.current_usage_as_mb();
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&input)));
        let used = MEMORY.peak_usage_as_mb() - before;
        *lock(&present) = None;
        executions += 1;
        if let Ok(outcome) = &outcome
            && pool.len() < MOST_KEPT
            && outcomes.insert(*outcome)
            && which >= inputs.len()
        {
            pool.push(input.clone());
        }
        if let Err(panic) = outcome {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            let path = keep(target, &input);
            failures.push(format!("{}: {}", path.display(), text.unwrap_or_default()));
        } else if used > MOST_MB {
            failures.push(format!("{}: takes {used} MB", keep(target, &input).display()));
        }
        let enough = match time {
            Some(time) => begun.elapsed() >= time,
            None => executions >= FEW.max(inputs.len() as u64),
        };
        if enough || failures.len() >= 10 {
            break;
        }
    }
    std::panic::set_hook(hook);
    clean();
    eprintln!(
        "{target}: {executions} executions in {:.1} s, {} outcomes",
        begun.elapsed().as_secs_f64(),
        outcomes.len()
    );
    assert!(failures.is_empty(), "{target}:\n{}", failures.join("\n"));
}
