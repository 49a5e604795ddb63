//! Host overheads, noise and start-up time of a server: keys of `[engine]` for all workloads, and of a workload's own
//! `engine` table, which overrides them key by key.

use super::reader::{KeyNeed, KeyRule, Problems, Read, SeenKind, TomlTable};
use super::rules::{Least, NumberRule};
use igniter_model::units::{Milliseconds, Nanoseconds};
use igniter_sim::{Noise, ServerSpec};

/// Value of the noise key that selects the noise in the profile.
pub(super) const NOISE_OF_PROFILE: &str = "profile";
const NOISE: NumberRule = NumberRule {
    least: Least::From(0.0),
    most: 10.0,
    unit: "",
    fix: "give the coefficient of variation of execution times around the predicted ones, such as 0.05, or take \
          the one that the profile holds for the model",
};
const OVERHEAD: NumberRule = NumberRule {
    least: Least::From(0.0),
    most: 1e4,
    unit: "ms",
    fix: "give the time that the host takes, in milliseconds",
};
const OVERHEAD_CV: NumberRule = NumberRule {
    least: Least::From(0.0),
    most: 10.0,
    unit: "",
    fix: "give the coefficient of variation of the host's time, such as 0.5",
};
const SLOWDOWN: NumberRule = NumberRule {
    least: Least::From(1.0),
    most: 100.0,
    unit: "",
    fix: "give how many times as long a batch takes while a second instance executes, 2 if they take turns at no \
          cost, or leave the key out where instances divide the SMs",
};
const STARTUP: NumberRule = NumberRule {
    least: Least::From(0.0),
    most: 1e6,
    unit: "s",
    fix: "give the time after which the server accepts work, in seconds",
};
const TABLE: KeyRule<'_> =
    KeyRule { allowed: "a table", fix: "write for example engine = { noise_cv = 0.05 }" };

super::layer::layer! {
    /// The keys of one table; absent keys leave the base unchanged.
    pub(super) struct RawServer {
        noise: Noise,
        batch_overhead: Milliseconds,
        row_overhead: Milliseconds,
        request_overhead: Milliseconds,
        request_serial: Milliseconds,
        batch_overhead_cv: f64,
        request_overhead_cv: f64,
        instance_slowdown: f64,
        startup: Nanoseconds,
    }
}

impl RawServer {
    /// Reads the keys of a server from a table that may contain others.
    pub(super) fn read_keys(t: &mut TomlTable<'_>, problems: &mut Problems<'_>) -> Self {
        let ms = |number| Milliseconds::new(number).ok();
        let mut overhead = |key| OVERHEAD.read(t, problems, key, KeyNeed::Optional).convert(ms);
        let batch_overhead = overhead("batch_overhead_ms");
        let row_overhead = overhead("row_overhead_ms");
        let request_overhead = overhead("request_overhead_ms");
        let request_serial = overhead("request_serial_ms");
        let noise = read_noise(t, problems);
        let mut cv = |key| OVERHEAD_CV.read(t, problems, key, KeyNeed::Optional);
        Self {
            noise,
            batch_overhead,
            row_overhead,
            request_overhead,
            request_serial,
            batch_overhead_cv: cv("batch_overhead_cv"),
            request_overhead_cv: cv("request_overhead_cv"),
            instance_slowdown: SLOWDOWN.read(t, problems, "instance_slowdown", KeyNeed::Optional),
            startup: STARTUP
                .read(t, problems, "startup_s", KeyNeed::Optional)
                .convert(|s| Nanoseconds::from_seconds(s).ok()),
        }
    }

    /// Reads the `engine` key of a workload; an absent key gives an empty table.
    pub(super) fn read(parent: &mut TomlTable<'_>, problems: &mut Problems<'_>) -> Self {
        let Some(field) = parent.field("engine") else { return Self::silent() };
        let Some(mut table) = field.table() else {
            let bad: Read<Noise> = field.refuse(problems, TABLE);
            return Self { noise: bad, ..Self::silent() };
        };
        let raw = Self::read_keys(&mut table, problems);
        table.finish(problems, |key| {
            ["interference", "overlap_load", "service", "pcie"]
                .contains(&key)
                .then(|| format!("write `{key}` in [engine]: it holds for all workloads"))
        });
        raw
    }

    /// Fills in the defaults.
    pub(super) fn check(self) -> Option<ServerSpec> {
        let default = ServerSpec::default();
        Some(ServerSpec {
            noise: self.noise.or(default.noise)?,
            batch_overhead: self.batch_overhead.or(default.batch_overhead)?,
            row_overhead: self.row_overhead.or(default.row_overhead)?,
            request_overhead: self.request_overhead.or(default.request_overhead)?,
            request_serial: self.request_serial.or(default.request_serial)?,
            batch_overhead_cv: self.batch_overhead_cv.or(default.batch_overhead_cv)?,
            request_overhead_cv: self.request_overhead_cv.or(default.request_overhead_cv)?,
            instance_slowdown: self.instance_slowdown.convert(|f| Some(Some(f))).or(None)?,
            startup: self.startup.or(default.startup)?,
        })
    }
}

/// Reads the noise: a number, or the word that selects the noise in the profile.
fn read_noise(t: &mut TomlTable<'_>, problems: &mut Problems<'_>) -> Read<Noise> {
    let allowed = format!("{} or \"{NOISE_OF_PROFILE}\"", NOISE.allowed());
    let rule = KeyRule { allowed: &allowed, fix: NOISE.fix };
    let kind = SeenKind::NumberOr { least: 0.0, most: NOISE.most, word: NOISE_OF_PROFILE };
    problems.note(t, "noise_cv", kind, false, rule);
    t.read(problems, "noise_cv", KeyNeed::Optional, rule, |value| match value.as_str() {
        Some(word) => (word == NOISE_OF_PROFILE).then_some(Noise::Profile),
        None => NOISE.accept(value).map(Noise::Cv),
    })
}
