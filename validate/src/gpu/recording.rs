//! A GPU that replays the recorded data of a real one: for tests, and to inspect another machine's data.

use super::{DriverFacts, GpuError, GpuFacts, GpuProbe, GpuSample, Inventory};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The recorded answers of a driver, as stored in a JSON file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    machine: DriverFacts,
    gpus: Vec<GpuFacts>,
    /// Samples by GPU index, replayed in order and then again from the first.
    samples: BTreeMap<u32, Vec<GpuSample>>,
    #[serde(skip)]
    given: BTreeMap<u32, usize>,
}

impl Recording {
    /// Reads a recording.
    ///
    /// # Errors
    /// When the file cannot be read or is not a recording.
    pub fn read(path: &Path) -> Result<Self, GpuError> {
        let failed = |reason: String| GpuError::NoDriver {
            reason: format!("the recording {}: {reason}", path.display()),
        };
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        serde_json::from_str(&text).map_err(|error| failed(error.to_string()))
    }
}

impl GpuProbe for Recording {
    fn machine(&self) -> Result<DriverFacts, GpuError> {
        Ok(self.machine.clone())
    }

    fn inventory(&self) -> Result<Inventory, GpuError> {
        Ok(Inventory { gpus: self.gpus.clone(), silent: Vec::new() })
    }

    fn sample(&mut self, gpu: u32) -> Result<GpuSample, GpuError> {
        let samples = self.samples.get(&gpu).filter(|samples| !samples.is_empty());
        let Some(samples) = samples else {
            let (what, reason) = ("sample".to_owned(), "the recording has none".to_owned());
            return Err(GpuError::NoAnswer { gpu, what, reason });
        };
        let given = self.given.entry(gpu).or_insert(0);
        let sample = samples[*given % samples.len()];
        *given += 1;
        Ok(sample)
    }
}
