//! Parsing of times in files.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The unit or notation of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimeUnit {
    /// Detected from the first value: date and time, a number of seconds, or Unix time in s, ms, µs or ns.
    #[default]
    Auto,
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
    Minutes,
    /// Date and time, with or without an offset from UTC (without one: UTC).
    Date,
}

/// The greatest valid time, in seconds: 300 years. A later time means that the unit is not the assumed one.
pub(super) const MOST_S: f64 = 1e10;

/// The start of 2020 in Unix time, in seconds. Times relative to it are small enough for a float to resolve
/// nanoseconds.
const YEAR_2020: i64 = 1_577_836_800;

impl TimeUnit {
    /// All units, each with its name.
    pub const ALL: [(&'static str, Self); 7] = [
        ("auto", Self::Auto),
        ("s", Self::Seconds),
        ("ms", Self::Milliseconds),
        ("us", Self::Microseconds),
        ("ns", Self::Nanoseconds),
        ("min", Self::Minutes),
        ("date", Self::Date),
    ];

    /// Returns the name of the unit.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, unit)| *unit == self).map_or("", |(word, _)| word)
    }

    /// Returns the unit with this name.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == word).map(|(_, unit)| *unit)
    }

    /// Returns the length of the unit in seconds.
    pub(super) fn seconds(self) -> f64 {
        match self {
            Self::Auto | Self::Seconds | Self::Date => 1.0,
            Self::Milliseconds => 1e-3,
            Self::Microseconds => 1e-6,
            Self::Nanoseconds => 1e-9,
            Self::Minutes => 60.0,
        }
    }

    /// Returns the number of these units in a second, or 1 for a unit that is not shorter than a second.
    fn per_second(self) -> i64 {
        match self {
            Self::Milliseconds => 1_000,
            Self::Microseconds => 1_000_000,
            Self::Nanoseconds => 1_000_000_000,
            Self::Auto | Self::Seconds | Self::Date | Self::Minutes => 1,
        }
    }
}

/// The way to read the times of a file, as determined by the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeReader {
    pub(super) unit: TimeUnit,
    /// Whether times count from 1970.
    pub(super) unix: bool,
    /// Whether the unit was guessed.
    pub(super) guessed: bool,
    /// Whether numbers may have a decimal comma.
    pub(super) comma: bool,
}

impl TimeReader {
    /// Determines how times are read from the first time of a file; `None` where it is not a time.
    pub(super) fn of(text: &str, unit: TimeUnit, comma: bool) -> Option<Self> {
        let number = number(text, comma).map(f64::abs);
        // The years 2010 to 2035.
        let unix = |unit: TimeUnit| {
            let seconds = number.map(|number| number * unit.seconds());
            seconds.is_some_and(|seconds| (1.26e9..2.05e9).contains(&seconds))
        };
        if unit != TimeUnit::Auto {
            return Some(Self {
                unit,
                unix: unit != TimeUnit::Date && unix(unit),
                guessed: false,
                comma,
            });
        }
        if number.is_none() {
            date_time(text)?;
            return Some(Self { unit: TimeUnit::Date, unix: false, guessed: false, comma });
        }
        let units = [
            TimeUnit::Seconds,
            TimeUnit::Milliseconds,
            TimeUnit::Microseconds,
            TimeUnit::Nanoseconds,
        ];
        let found = units.into_iter().find(|found| unix(*found));
        let unit = found.unwrap_or(TimeUnit::Seconds);
        Some(Self { unit, unix: found.is_some(), guessed: unit != TimeUnit::Seconds, comma })
    }

    /// Returns a time in seconds: as in the file, or since 2020 for dates and Unix times.
    pub(super) fn seconds(self, text: &str) -> Option<f64> {
        match self.unit {
            TimeUnit::Date => date_time(text),
            unit if self.unix => {
                // Whole numbers of Unix time have more digits than a float can hold.
                #[expect(clippy::cast_precision_loss, reason = "small after the subtraction")]
                match text.parse::<i64>() {
                    Ok(whole) => {
                        let year_2020 = match unit {
                            TimeUnit::Minutes => YEAR_2020 / 60,
                            _ => YEAR_2020 * unit.per_second(),
                        };
                        Some(whole.checked_sub(year_2020)? as f64 * unit.seconds())
                    }
                    Err(_) => Some(number(text, self.comma)? * unit.seconds() - YEAR_2020 as f64),
                }
            }
            TimeUnit::Seconds | TimeUnit::Auto => number(text, self.comma),
            unit => Some(number(text, self.comma)? * unit.seconds()),
        }
    }
}

/// Parses a finite number, with a decimal comma where `comma` allows it.
pub(crate) fn number(text: &str, comma: bool) -> Option<f64> {
    let number: Result<f64, _> = text.parse();
    let number = number.or_else(|error| match text.split_once(',') {
        Some((whole, part)) if comma && !part.contains(',') => format!("{whole}.{part}").parse(),
        _ => Err(error),
    });
    number.ok().filter(|number| number.is_finite())
}

/// Parses a date and time as seconds since 2020.
fn date_time(text: &str) -> Option<f64> {
    let stamp: Timestamp = match text.parse() {
        Ok(stamp) => stamp,
        Err(_) => text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp(),
    };
    // Whole seconds and their fraction are converted separately: together they would not fit into the 53 bits of a
    // float.
    let from_2020 = stamp.as_second() - YEAR_2020;
    #[expect(clippy::cast_precision_loss, reason = "dates are far below 2^53 seconds")]
    Some(from_2020 as f64 + f64::from(stamp.subsec_nanosecond()) * 1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_time_shows_the_unit() {
        for (text, unit, unix, seconds) in [
            ("0.5", TimeUnit::Seconds, false, 0.5),
            ("0,5", TimeUnit::Seconds, false, 0.5),
            ("1700157423.5", TimeUnit::Seconds, true, 122_320_623.5),
            ("1700157423500", TimeUnit::Milliseconds, true, 122_320_623.5),
            ("1700157423500000", TimeUnit::Microseconds, true, 122_320_623.5),
            ("1700157423500000000", TimeUnit::Nanoseconds, true, 122_320_623.5),
            ("2023-11-16 17:57:03.5", TimeUnit::Date, false, 122_320_623.5),
            ("2023-11-16T18:57:03.500000000+01:00", TimeUnit::Date, false, 122_320_623.5),
        ] {
            let clock = TimeReader::of(text, TimeUnit::Auto, true).unwrap();
            assert_eq!((clock.unit, clock.unix), (unit, unix), "{text}");
            assert!((clock.seconds(text).unwrap() - seconds).abs() < 1e-6, "{text}");
        }
        assert_eq!(TimeReader::of("yesterday", TimeUnit::Auto, true), None);
        let given = TimeReader::of("2500", TimeUnit::Milliseconds, false).unwrap();
        assert_eq!(given.seconds("2500"), Some(2.5));
        // Unix times in minutes, whole and with a fraction.
        let minutes = TimeReader::of("26297281", TimeUnit::Minutes, false).unwrap();
        assert!(minutes.unix);
        assert_eq!(
            (minutes.seconds("26297281"), minutes.seconds("26297281.5")),
            (Some(60.0), Some(90.0))
        );
        // A microsecond apart, in ns since 1970.
        let clock = TimeReader::of("1700157423500000000", TimeUnit::Auto, false).unwrap();
        let at = |text: &str| clock.seconds(text).unwrap();
        let gap = at("1700157423500001000") - at("1700157423500000000");
        assert!((gap - 1e-6).abs() < 5e-8, "{gap}");
    }
}
