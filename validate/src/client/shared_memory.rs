//! Inputs and outputs in system shared memory, which avoids copying bodies through sockets.

use super::control::{ModelInfo, ServerClient};
use super::request::{RequestTemplate, Tensors};
use super::{ClientError, ControlError};
use crate::data::InputSample;
use std::io::Write;
use std::path::PathBuf;

/// A region that holds the inputs of all samples and one place for the outputs, which are never read.
///
/// POSIX shared memory is a file in `/dev/shm`; the file is removed when this value is dropped.
#[derive(Debug)]
pub struct SharedMemory {
    name: String,
    server: ServerClient,
    file: PathBuf,
}

impl SharedMemory {
    /// Fills a region and registers it; returns it with one request for each sample.
    ///
    /// `output_bytes` are the sizes of the outputs; empty where outputs are returned in the answer.
    ///
    /// # Errors
    /// When the region cannot be created, or the server refuses it (newer ones refuse unless started with
    /// `--allow-client-shm=true`).
    pub fn register(
        server: &ServerClient,
        model: &ModelInfo,
        name: &str,
        samples: &[InputSample],
        output_bytes: &[u64],
    ) -> anyhow::Result<(Self, Vec<RequestTemplate>)> {
        let file = PathBuf::from(format!("/dev/shm/{name}"));
        let failed =
            |source| ClientError::SharedMemory { path: file.display().to_string(), source };
        let mut end = 0;
        let mut place = |bytes: u64| {
            let start = end;
            // This alignment suits any vector instruction.
            end += bytes.next_multiple_of(64);
            (start, bytes)
        };
        let outputs: Vec<_> = output_bytes.iter().map(|&bytes| place(bytes)).collect();
        let mut content = std::fs::File::create_new(&file).map_err(failed)?;
        let region = Self { name: name.to_owned(), server: server.clone(), file: file.clone() };
        let padded = |content: &mut std::fs::File, bytes: &[u8]| {
            content.write_all(bytes)?;
            content.write_all(&vec![0; bytes.len().next_multiple_of(64) - bytes.len()])
        };
        for (_, bytes) in &outputs {
            let zeros = vec![0; usize::try_from(*bytes).unwrap_or(0)];
            padded(&mut content, &zeros).map_err(failed)?;
        }
        let mut templates = Vec::with_capacity(samples.len());
        for InputSample { tensors, shapes } in samples {
            let inputs: Vec<_> = tensors.iter().map(|tensor| place(tensor.len() as u64)).collect();
            for tensor in tensors {
                padded(&mut content, tensor).map_err(failed)?;
            }
            let tensors = Tensors::Shared { region: name, inputs: &inputs, outputs: &outputs };
            templates.push(RequestTemplate::new(server, model, shapes, &tensors)?);
        }
        server.register_shared_memory(name, &format!("/{name}"), end)?;
        Ok((region, templates))
    }

    /// Unregisters the region from the server, and removes it.
    ///
    /// # Errors
    /// When the server does not answer; the region is removed nonetheless.
    pub fn unregister(self) -> Result<(), ControlError> {
        self.server.unregister_shared_memory(&self.name)
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // If the file cannot be removed, nothing else can be done.
        let _ = std::fs::remove_file(&self.file);
    }
}
