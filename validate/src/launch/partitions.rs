//! Static partitions of SMs: parsing the answers of an MPS daemon.

/// A partition of a GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuPartition {
    /// The identifier, which clients of the partition set as `CUDA_MPS_SM_PARTITION`.
    pub id: String,
    /// Number of its SMs, which no other partition uses.
    pub sms: u32,
}

/// The output of `lspart` for the only GPU of a daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionTable {
    /// Number of chunks that are in no partition.
    pub free_chunks: u32,
    /// Number of chunks that are in a partition.
    pub used_chunks: u32,
    /// Number of SMs that are in no partition.
    pub free_sms: u32,
    /// Number of SMs that are in a partition.
    pub used_sms: u32,
}

impl PartitionTable {
    /// Returns the number of chunks of the GPU.
    #[must_use]
    pub fn chunks(&self) -> u32 {
        self.free_chunks + self.used_chunks
    }

    /// Parses the output of `lspart`: two header lines, then a line for the GPU (a short UUID, free and used
    /// chunks, free and used SMs), and one for each partition. An empty cell is a dash or blank.
    ///
    /// `None` where the text is not such a table.
    #[must_use]
    pub fn read(answer: &str) -> Option<Self> {
        answer.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            words.next().filter(|word| word.starts_with("GPU-") && !word.contains('/'))?;
            let rest: Vec<&str> = words.filter(|word| *word != "-").collect();
            let numbers: Vec<u32> = rest.iter().map_while(|word| word.parse().ok()).collect();
            // The row of a partition has no free chunks.
            let [free_chunks, used_chunks, free_sms, used_sms] = *numbers.first_chunk::<4>()?;
            Some(Self { free_chunks, used_chunks, free_sms, used_sms })
        })
    }
}

/// Returns the identifier in the answer to `sm_partition add`, which is the identifier alone or a sentence
/// with it.
pub(super) fn added(answer: &str, device: &str) -> Option<String> {
    let prefix = format!("{}/", device.chars().take(8).collect::<String>());
    let start = prefix.trim_end_matches('/');
    let mut words = answer.split_whitespace();
    words.find(|word| word.starts_with(start) && word.contains('/')).map(str::to_owned)
}

/// Returns the number of chunks of a share, where it is a whole number.
///
/// # Errors
/// When it is not; the error is text.
pub(super) fn chunks(sm_pct: f64, all: u32) -> Result<u32, String> {
    let exact = sm_pct / 100.0 * f64::from(all);
    let whole = exact.round();
    if whole < 1.0 || (exact - whole).abs() > 1e-3 {
        return Err(format!(
            "{sm_pct:.3} % are {exact:.2} of the {all} chunks that this GPU has; allowed: whole chunks, of {:.4} % each",
            100.0 / f64::from(all)
        ));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to `all`")]
    Ok(whole as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DASHES: &str = "GPU         Partition  free    used    free  used  clients\n\
                                                 chunks  chunks  SMs   SMs\n\
                          GPU-1234    -          10      5       92    40    -\n\
                          GPU-1234    GPU-1234/1 -       5       -     40    Yes\n";

    #[test]
    fn both_forms_of_the_table_are_read() {
        let expected =
            PartitionTable { free_chunks: 10, used_chunks: 5, free_sms: 92, used_sms: 40 };
        assert_eq!(PartitionTable::read(DASHES), Some(expected));
        assert_eq!(PartitionTable::read(&DASHES.replace(" - ", "   ")), Some(expected));
        assert_eq!(expected.chunks(), 15);
        for no_table in ["", "Unknown command", "GPU-1 x"] {
            assert_eq!(PartitionTable::read(no_table), None, "{no_table}");
        }
    }

    #[test]
    fn both_answers_to_a_wish_are_read() {
        let uuid = "GPU-1234-5678";
        assert_eq!(added("GPU-1234-5678/7/0", uuid).unwrap(), "GPU-1234-5678/7/0");
        assert_eq!(added("Partition GPU-1234-5678/7 created", uuid).unwrap(), "GPU-1234-5678/7");
        let refused = "Failed to fulfill the requested SM partition of 30 chunks";
        assert_eq!(added(refused, uuid), None);
    }

    #[test]
    fn shares_are_whole_chunks() {
        assert_eq!(chunks(20.0, 15), Ok(3));
        assert_eq!(chunks(100.0 / 15.0, 15), Ok(1));
        assert!(chunks(37.5, 15).unwrap_err().contains("whole chunks, of 6.6667 %"));
        assert!(chunks(0.1, 15).is_err());
    }
}
