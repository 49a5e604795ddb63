//! What targets share: what came of some bytes, and a place for files.

#![allow(
    unreachable_pub,
    dead_code,
    reason = "its users are programs of their own, and none uses all of it"
)]

use std::path::{Path, PathBuf};

/// What came of some bytes, as a number that is the same for outcomes that differ in numbers and names only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outcome(pub u64);

impl Outcome {
    /// Not worth a look: the bytes are not even text.
    pub const NOTHING: Self = Self(0);

    /// A message: its words outside of quotes.
    pub fn of(message: &str) -> Self {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut quoted = false;
        for byte in message.bytes().take(400) {
            quoted ^= byte == b'"';
            if !quoted && (byte.is_ascii_alphabetic() || byte == b'\n') {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        Self(hash | 1)
    }

    /// An error, or what was read.
    pub fn result<T, E: std::fmt::Display>(
        result: &Result<T, E>,
        read: impl FnOnce(&T) -> u64,
    ) -> Self {
        match result {
            Ok(value) => Self(read(value) << 1),
            Err(error) => Self::of(&error.to_string()),
        }
    }

    /// This one and another.
    pub fn and(self, other: Self) -> Self {
        Self(self.0.rotate_left(5).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ other.0)
    }
}

/// A count, roughly.
pub fn about(count: usize) -> u64 {
    1 + u64::from(usize::BITS - count.leading_zeros())
}

/// A folder of this process in memory, where there is one.
pub fn folder() -> &'static Path {
    static FOLDER: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        base.join(format!("igniter-fuzz-{}", std::process::id()))
    });
    std::fs::create_dir_all(folder).expect("a temporary folder can be made");
    folder
}

/// Removes what the targets wrote.
pub fn clean() {
    let _ = std::fs::remove_dir_all(folder());
}

/// The bytes as a file.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    std::fs::write(&path, bytes).expect("a temporary file can be written");
    path
}
