//! The profiles that are built into the binary, and the lookup of profiles by name.

use super::read::{ProfileTexts, parse_profile, read_profile};
use super::{Profile, ProfileError};
use std::path::{Path, PathBuf};

/// The GPU kinds whose profiles are built in.
pub const BUILTIN_KINDS: &[&str] = &["v100"];

/// Loads a profile by folder or by name.
///
/// A folder with that path takes precedence; then `profiles/<name>` below the current folder; then
/// the built-in profile of that name.
///
/// # Errors
/// When none of them exists, or when the one that is found cannot be read.
pub fn load(name_or_path: &str) -> Result<Profile, ProfileError> {
    let candidates = [PathBuf::from(name_or_path), Path::new("profiles").join(name_or_path)];
    for folder in candidates {
        if folder.join("profile.toml").is_file() {
            return read_profile(&folder);
        }
        if folder.is_dir() && folder.components().count() > 1 {
            return Err(ProfileError::file(&folder, "holds no profile.toml"));
        }
    }
    match name_or_path {
        "v100" => parse_profile(&v100()),
        _ => Err(ProfileError::Unknown {
            name: name_or_path.to_owned(),
            known: BUILTIN_KINDS.join(", "),
        }),
    }
}

fn v100() -> ProfileTexts {
    ProfileTexts {
        folder: PathBuf::from("(built-in)/v100"),
        profile_toml: include_str!("../../../../profiles/v100/profile.toml").to_owned(),
        solo_csv: include_str!("../../../../profiles/v100/solo.csv").to_owned(),
        self_pairs_csv: Some(include_str!("../../../../profiles/v100/self_pairs.csv").to_owned()),
        colocation_csv: Some(include_str!("../../../../profiles/v100/colocation.csv").to_owned()),
        kernels_csv: None,
        colocated_csv: None,
        solo_table_csv: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_profile_is_complete() {
        let profile = parse_profile(&v100()).unwrap();
        assert_eq!(profile.models.len(), 4);
        assert!(profile.models.iter().all(|m| m.solo.len() == 9 && m.self_pair.is_some()));
        assert_eq!(profile.colocation.len(), 5);
    }
}
