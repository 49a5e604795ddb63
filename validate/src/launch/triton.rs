//! Finds Triton on this machine, and determines its release.

use super::LaunchError;
use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

/// A release of Triton, as in `24.10`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    year: u16,
    month: u8,
}

/// Flags by the release that introduced them: the flags that a server supports show how old it is.
const FLAGS: [(&str, Release); 12] = [
    ("--backend-config", Release::new(20, 8)),
    ("--buffer-manager-thread-count", Release::new(21, 2)),
    ("--host-policy", Release::new(21, 6)),
    ("--rate-limit", Release::new(21, 9)),
    ("--trace-count", Release::TRACE_LEVELS),
    ("--http-address", Release::HTTP_ADDRESS),
    ("--disable-auto-complete-config", Release::AUTO_COMPLETE),
    ("--cache-config", Release::new(23, 3)),
    ("--trace-config", Release::TRACE_CONFIG),
    ("--model-load-retry-count", Release::new(24, 1)),
    ("--enable-peer-access", Release::new(24, 6)),
    ("--http-max-input-size", Release::new(25, 6)),
];

impl Release {
    /// The release that introduced `--http-address`; earlier servers listen on all addresses.
    pub(super) const HTTP_ADDRESS: Self = Self::new(22, 4);
    /// The release that introduced `--disable-auto-complete-config`; earlier servers complete configurations
    /// only when asked to.
    pub(super) const AUTO_COMPLETE: Self = Self::new(22, 7);
    /// The release that introduced `--trace-level=TIMESTAMPS`; earlier levels are called MIN and MAX.
    pub(super) const TRACE_LEVELS: Self = Self::new(22, 2);
    /// The release that introduced `--trace-config`.
    pub(super) const TRACE_CONFIG: Self = Self::new(23, 4);

    /// Creates a release, as in `24.10`.
    #[must_use]
    pub const fn new(year: u16, month: u8) -> Self {
        Self { year, month }
    }

    /// Returns the release of an NVIDIA image, from its tag; `None` where the tag does not name one.
    #[must_use]
    pub fn of_image(image: &str) -> Option<Self> {
        let (_, tag) = image.rsplit_once(':')?;
        let (year, rest) = tag.split_once('.')?;
        let month: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let (year, month) = (year.parse().ok()?, month.parse().ok()?);
        ((20..=99).contains(&year) && (1..=12).contains(&month)).then(|| Self::new(year, month))
    }

    /// Returns a lower bound on the release of a program, from the flags that it supports. `None` where it
    /// lists none.
    #[must_use]
    pub fn of_program(program: &Path) -> Option<Self> {
        static KNOWN: LazyLock<Mutex<BTreeMap<PathBuf, Option<Release>>>> =
            LazyLock::new(Mutex::default);
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        *known.entry(program.to_owned()).or_insert_with(|| {
            let output = Command::new(program).arg("--help").stdin(Stdio::null()).output().ok()?;
            let [out, errors] =
                [output.stdout, output.stderr].map(|b| String::from_utf8_lossy(&b).into_owned());
            Self::of_help(&(out + &errors))
        })
    }

    fn of_help(text: &str) -> Option<Self> {
        let known = |flag: &str| {
            text.match_indices(flag).any(|(at, _)| {
                !text[at + flag.len()..]
                    .starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-')
            })
        };
        FLAGS.iter().filter(|(flag, _)| known(flag)).map(|(_, release)| *release).max()
    }

    /// Returns why this release does not run on GPUs of a compute capability, and a suggested fix; `None`
    /// where it does, or where this is unknown. From NVIDIA's release notes.
    #[must_use]
    pub fn unfit(self, compute_capability: &str) -> Option<(String, String)> {
        let (major, minor) = compute_capability.split_once('.')?;
        let capability: (u32, u32) = (major.parse().ok()?, minor.parse().ok()?);
        let (first, last) = match capability {
            (..=5, _) => (Self::new(20, 1), Self::new(20, 3)),
            (6, _) => (Self::new(20, 1), Self::new(24, 12)),
            (7, 0..=4) => (Self::new(20, 1), Self::new(24, 12)),
            (7, _) => (Self::new(20, 1), Self::new(99, 12)),
            (8, 0..=8) => (Self::new(20, 7), Self::new(99, 12)),
            (8, _) | (9, _) => (Self::new(22, 9), Self::new(99, 12)),
            _ => (Self::new(25, 1), Self::new(99, 12)),
        };
        if (first..=last).contains(&self) {
            return None;
        }
        let fix = if self < first {
            format!(
                "use {first} or later, such as nvcr.io/nvidia/tritonserver:{}-py3",
                first.max(Self::new(24, 9))
            )
        } else {
            let best = if capability.0 == 7 { Self::new(24, 9) } else { last };
            format!(
                "use {last} or earlier (TensorRT plans for Volta: 24.09 or earlier), such as \
                     nvcr.io/nvidia/tritonserver:{best}-py3"
            )
        };
        Some((
            format!("this release does not support compute capability {compute_capability}"),
            fix,
        ))
    }
}

impl Default for Release {
    /// Returns the release that is assumed of a server that does not state it: a current one.
    fn default() -> Self {
        Self::new(25, 12)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.year, self.month)
    }
}

/// Returns whether an image is NVIDIA's own, which has no PyTorch for its Python backend.
pub(super) fn is_nvidias(image: &str) -> bool {
    image.starts_with("nvcr.io/nvidia/tritonserver:")
}

/// Returns whether a container program is rootless podman.
pub(super) fn is_rootless_podman(program: &Path) -> bool {
    let asked = Command::new(program)
        .args(["info", "--format", "{{.Host.Security.Rootless}}"])
        .stdin(Stdio::null())
        .output();
    // Docker has no such field, and reports an error.
    asked.is_ok_and(|output| {
        output.status.success() && String::from_utf8_lossy(&output.stdout).trim() == "true"
    })
}

/// The variable that names the server program.
const VARIABLE: &str = "VALIDATE_TRITON";

/// Searches for the server program: the given path, `VALIDATE_TRITON`, the place where
/// `scripts/setup_triton.sh` installs it (below the current folder), the folder `triton` beside this program,
/// `PATH`, and its place in NVIDIA's images.
///
/// # Errors
/// When it is in none of these places, or not at the given one.
pub fn find_triton(given: Option<&Path>) -> Result<PathBuf, LaunchError> {
    let said = given.map(Path::to_owned).or_else(|| env::var_os(VARIABLE).map(PathBuf::from));
    let places = said.map_or_else(usual_places, |path| vec![path]);
    places
        .iter()
        .find(|place| place.is_file())
        .map(|found| std::path::absolute(found).unwrap_or_else(|_| found.clone()))
        .ok_or_else(|| LaunchError::NoTriton {
            looked: places
                .iter()
                .map(|place| place.display().to_string())
                .collect::<Vec<_>>()
                .join(", "),
        })
}

fn usual_places() -> Vec<PathBuf> {
    let mut places = vec![PathBuf::from(".triton/tritonserver")];
    if let Some(folder) = env::current_exe().ok().as_deref().and_then(Path::parent) {
        places.push(folder.join("triton/tritonserver"));
    }
    places.extend(in_path("tritonserver"));
    places.push("/opt/tritonserver/bin/tritonserver".into());
    places
}

/// Searches for a program in `PATH`.
#[must_use]
pub fn in_path(program: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_known_by_its_tag_or_its_flags() {
        let of = Release::of_image;
        assert_eq!(of("nvcr.io/nvidia/tritonserver:21.07-py3"), Some(Release::new(21, 7)));
        assert_eq!(of("registry:5000/triton:24.10"), Some(Release::new(24, 10)));
        assert_eq!((of("igniter-triton"), of("triton:latest"), of("a:1.2.3")), (None, None, None));
        let help = "Usage: tritonserver [options]\n  --host-policy <a>\n  --http-port <n>\n";
        assert_eq!(Release::of_help(help), Some(Release::new(21, 6)));
        let help = format!("{help}  --http-address <a>\n  --trace-config <a>\n");
        assert_eq!(Release::of_help(&help), Some(Release::new(23, 4)));
        // A longer flag is another one.
        assert_eq!(Release::of_help("--rate-limit-resource"), None);
        assert!(Release::new(21, 7) < Release::HTTP_ADDRESS);
        assert_eq!(Release::new(21, 7).to_string(), "21.07");
    }

    #[test]
    fn gpus_and_releases_have_to_fit() {
        let unfit = |year, month, capability| Release::new(year, month).unfit(capability);
        // The artifact's: V100 with 21.07; a V100 is too old for images of today, an H100 too new for 21.07.
        assert_eq!(unfit(21, 7, "7.0"), None);
        assert!(unfit(25, 6, "7.0").unwrap().1.contains("24.09"));
        assert!(unfit(21, 7, "9.0").unwrap().1.contains("22.09 or later"));
        assert_eq!(
            (unfit(24, 10, "9.0"), unfit(24, 10, "8.6"), unfit(24, 10, "7.5")),
            (None, None, None)
        );
        assert!(unfit(24, 10, "12.0").is_some() && unfit(25, 1, "12.0").is_none());
        assert_eq!(unfit(24, 10, "?"), None);
    }
}
