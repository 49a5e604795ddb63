//! Kernel lists: the kernels that a model launches for one batch, as a profiler exports them.

use super::csv_rows::{CsvRow, CsvRows};
use super::fields::{batch, csv_field, model_of, positive, share};
use super::read::read_file;
use super::{KernelLaunch, Profile, ProfileError};
use crate::units::{Bytes, Milliseconds};
use std::path::Path;

const REQUIRED: [&str; 10] = [
    "model",
    "batch",
    "sm_pct",
    "duration_us_median",
    "grid_x",
    "grid_y",
    "grid_z",
    "threads_per_block",
    "regs_per_thread",
    "smem_bytes",
];
const OPTIONAL: [&str; 3] = ["kernel_idx", "gap_before_us_median", "name"];

/// Reads `model,batch,sm_pct[,kernel_idx],duration_us_median[,gap_before_us_median],grid_x,grid_y,grid_z,
/// threads_per_block,regs_per_thread,smem_bytes[,name]` into the models of a profile. There is one row for each kernel,
/// in launch order; all kernels of a model are recorded at the same batch size and share.
///
/// # Errors
/// When the file cannot be read or a value in it is unusable: the error names file, line and column.
pub fn read_kernels(path: &Path, profile: &mut Profile) -> Result<(), ProfileError> {
    parse_kernels(path, &read_file(path)?, profile)
}

/// Parses the text of a file for [`read_kernels`].
pub(super) fn parse_kernels(
    path: &Path,
    text: &str,
    profile: &mut Profile,
) -> Result<(), ProfileError> {
    for model in &mut profile.models {
        model.kernel_list.clear();
    }
    for row in CsvRows::parse(path, text, &REQUIRED, &OPTIONAL)?.rows() {
        let microseconds = positive(&row, "duration_us_median")?.get();
        let blocks =
            ["grid_x", "grid_y", "grid_z"].into_iter().try_fold(1_u32, |product, column| {
                Ok(product.saturating_mul(count(&row, column, 1, 1 << 24)?))
            })?;
        if blocks > 1 << 24 {
            return Err(row.error("grid_x", "grid_x · grid_y · grid_z must be at most 2^24"));
        }
        let launch = KernelLaunch {
            batch: batch(&row)?,
            sm: share(&row)?,
            duration: Milliseconds::new(microseconds / 1000.0)
                .map_err(|e| row.error("duration_us_median", e))?,
            blocks,
            threads_per_block: count(&row, "threads_per_block", 1, 1024)?,
            registers_per_thread: count(&row, "regs_per_thread", 0, 255)?,
            shared_memory: Bytes::new(u64::from(count(&row, "smem_bytes", 0, 1 << 20)?)),
            name: row.text("name").to_owned(),
        };
        let list = &mut model_of(&row, profile)?.kernel_list;
        if list.first().is_some_and(|first| (first.batch, first.sm) != (launch.batch, launch.sm)) {
            return Err(row.error(
                "batch",
                "all kernels of a model must be recorded at the same batch and sm_pct",
            ));
        }
        list.push(launch);
    }
    Ok(())
}

fn count(row: &CsvRow<'_>, column: &str, low: u32, high: u32) -> Result<u32, ProfileError> {
    let number: u32 = row.whole(column, "a whole number")?;
    if (low..=high).contains(&number) {
        Ok(number)
    } else {
        Err(row.error(column, format!("must be from {low} to {high}")))
    }
}

/// Returns the kernel lists as CSV text that [`read_kernels`] can read.
pub(super) fn write_kernels(profile: &Profile) -> String {
    let mut text = [&REQUIRED[..], &["name"]].concat().join(",") + "\n";
    for model in &profile.models {
        for k in &model.kernel_list {
            text += &format!(
                "{},{},{},{},{},1,1,{},{},{},{}\n",
                csv_field(model.name.as_str()),
                k.batch,
                k.sm,
                k.duration.get() * 1000.0,
                k.blocks,
                k.threads_per_block,
                k.registers_per_thread,
                k.shared_memory.get(),
                csv_field(&k.name),
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "model,batch,sm_pct,duration_us_median,grid_x,grid_y,grid_z,\
                          threads_per_block,regs_per_thread,smem_bytes,name\n";

    fn parse(rows: &str) -> Result<Profile, String> {
        let mut profile = super::super::load("v100").unwrap();
        parse_kernels(Path::new("kernels.csv"), &format!("{HEADER}{rows}"), &mut profile)
            .map_err(|e| e.to_string())?;
        Ok(profile)
    }

    #[test]
    fn a_launch_is_read() {
        let profile = parse("alexnet,16,20,2500,3,4,5,256,128,4096,conv\n").unwrap();
        let kernel = &profile.models[0].kernel_list[0];
        assert_eq!(kernel.blocks, 60);
        assert!((kernel.duration.get() - 2.5).abs() < 1e-12);
        assert_eq!(kernel.name, "conv");
    }

    #[test]
    fn errors_name_file_line_and_column() {
        let bad = parse("alexnet,16,20,2500,3,4,5,2048,128,4096,conv\n").unwrap_err();
        assert_eq!(bad, "kernels.csv:2: threads_per_block = \"2048\": must be from 1 to 1024");
        let mixed = "alexnet,16,20,1,1,1,1,32,0,0,a\nalexnet,1,20,1,1,1,1,32,0,0,b\n";
        assert!(parse(mixed).unwrap_err().starts_with("kernels.csv:3: batch"));
        assert!(parse("vgg,1,20,1,1,1,1,32,0,0,a\n").unwrap_err().contains("kernels.csv:2: model"));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let profile = parse("alexnet,16,20,2500,3,4,5,256,128,4096,conv\n").unwrap();
        let files = super::super::profile_files(&profile);
        let text = &files.iter().find(|(name, _)| *name == "kernels.csv").unwrap().1;
        let mut again = super::super::load("v100").unwrap();
        parse_kernels(Path::new("kernels.csv"), text, &mut again).unwrap();
        assert_eq!(again, profile);
    }
}
