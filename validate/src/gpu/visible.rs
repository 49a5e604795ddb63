//! The GPUs that a CUDA program would see in this environment.

use super::{GpuFacts, Inventory, MigDevice};

/// A GPU, or a slice of one.
#[derive(Debug, Clone, PartialEq)]
pub struct VisibleGpu {
    pub gpu: GpuFacts,
    /// The slice of the GPU; `None`: the whole GPU.
    pub slice: Option<MigDevice>,
}

impl VisibleGpu {
    /// Returns the UUID by which `CUDA_VISIBLE_DEVICES` refers to it.
    #[must_use]
    pub fn uuid(&self) -> &str {
        self.slice.as_ref().map_or(&self.gpu.uuid, |slice| &slice.uuid)
    }

    /// Returns its number of SMs.
    #[must_use]
    pub fn sms(&self) -> Option<u32> {
        self.slice.as_ref().map_or(self.gpu.sms, |slice| slice.sms)
    }
}

/// Returns the GPUs in the order in which CUDA counts them. `list` is `CUDA_VISIBLE_DEVICES`, `order` is
/// `CUDA_DEVICE_ORDER`. For a GPU that is divided into MIG slices, the slices are listed instead of the whole
/// GPU.
///
/// As in CUDA, all entries after one that names no GPU are hidden.
///
/// # Errors
/// When numbers do not identify GPUs unambiguously, or the first entry names none; the error is text.
pub fn visible(
    inventory: &Inventory,
    list: Option<&str>,
    order: Option<&str>,
) -> Result<Vec<VisibleGpu>, String> {
    let all: Vec<VisibleGpu> = inventory.gpus.iter().flat_map(choices).collect();
    // On a machine without GPUs the list has no effect.
    let Some(list) = list.filter(|_| !inventory.gpus.is_empty() || !inventory.silent.is_empty())
    else {
        return Ok(all);
    };
    let mut chosen: Vec<VisibleGpu> = Vec::new();
    for entry in list.split(',').map(str::trim) {
        // The usual ways to hide all GPUs.
        if entry.is_empty() || entry == "-1" || entry.eq_ignore_ascii_case("NoDevFiles") {
            break;
        }
        let found: Vec<&VisibleGpu> = match entry.parse::<u32>() {
            Ok(number) => of_number(inventory, number, order)?
                .map(|gpu| all.iter().filter(|choice| choice.gpu.uuid == gpu.uuid).collect())
                .unwrap_or_default(),
            Err(_) => all.iter().filter(|choice| named(choice, entry)).collect(),
        };
        // Where an entry names a whole GPU that is divided into slices, CUDA shows the first slice.
        let Some(first) = found.first() else {
            if chosen.is_empty() {
                let known: Vec<&str> = all.iter().map(VisibleGpu::uuid).collect();
                let silent = inventory.silent.iter().map(|(_, error)| format!("; {error}"));
                return Err(format!(
                    "CUDA_VISIBLE_DEVICES={list}: {entry:?} names no GPU that answers here (there are {}{})",
                    known.join(", "),
                    silent.collect::<String>()
                ));
            }
            break;
        };
        chosen.push((*first).clone());
    }
    Ok(chosen)
}

fn choices(gpu: &GpuFacts) -> Vec<VisibleGpu> {
    if gpu.mig != Some(true) {
        return vec![VisibleGpu { gpu: gpu.clone(), slice: None }];
    }
    let slice = |slice: &MigDevice| VisibleGpu { gpu: gpu.clone(), slice: Some(slice.clone()) };
    gpu.mig_devices.iter().map(slice).collect()
}

/// Returns whether an entry names a GPU. A UUID may be shortened, as long as it identifies only one GPU.
fn named(choice: &VisibleGpu, entry: &str) -> bool {
    choice.uuid().starts_with(entry)
        || (entry.starts_with("GPU-") && choice.gpu.uuid.starts_with(entry))
}

/// Returns the GPU that CUDA gives a number. By default CUDA counts the fastest first, and only CUDA can tell
/// which one that is among GPUs of different kinds. NVML and `nvidia-smi` count GPUs by their position on the
/// bus.
fn of_number<'i>(
    inventory: &'i Inventory,
    number: u32,
    order: Option<&str>,
) -> Result<Option<&'i GpuFacts>, String> {
    let mut names = inventory.gpus.iter().map(|gpu| &gpu.name);
    let first = names.next();
    let one_kind = names.all(|name| Some(name) == first);
    if !one_kind && order != Some("PCI_BUS_ID") {
        return Err(format!(
            "CUDA_VISIBLE_DEVICES: the number {number} does not say which GPU is meant where they are of several kinds; \
             fix: give UUIDs (`nvidia-smi -L`), or set CUDA_DEVICE_ORDER=PCI_BUS_ID"
        ));
    }
    Ok(inventory.gpus.iter().find(|gpu| gpu.index == number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{GpuError, GpuProbe, Recording};
    use std::path::Path;

    fn two() -> Inventory {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/nvml_h200.json");
        let mut inventory = Recording::read(Path::new(path)).unwrap().inventory().unwrap();
        let mut second = inventory.gpus[0].clone();
        (second.index, second.uuid) = (1, "GPU-11111111-1".to_owned());
        inventory.gpus.push(second);
        inventory
    }

    fn seen(inventory: &Inventory, list: Option<&str>) -> Vec<String> {
        let chosen = visible(inventory, list, None).unwrap();
        chosen.iter().map(|choice| choice.uuid()[..6].to_owned()).collect()
    }

    #[test]
    fn the_list_decides_which_and_in_which_order() {
        let two = two();
        assert_eq!(seen(&two, None), ["GPU-00", "GPU-11"]);
        assert_eq!(seen(&two, Some("1")), ["GPU-11"]);
        assert_eq!(seen(&two, Some("1,0")), ["GPU-11", "GPU-00"]);
        assert_eq!(seen(&two, Some("GPU-11,GPU-00")), ["GPU-11", "GPU-00"]);
        // As CUDA: what follows an entry that is none is hidden.
        assert_eq!(seen(&two, Some("0,5,1")), ["GPU-00"]);
        assert!(seen(&two, Some("")).is_empty() && seen(&two, Some("-1")).is_empty());
        let error = visible(&two, Some("7"), None).unwrap_err();
        assert!(error.contains("\"7\" names no GPU") && error.contains("GPU-1111"), "{error}");
    }

    #[test]
    fn numbers_of_different_gpus_need_an_order() {
        let mut two = two();
        two.gpus[1].name = "NVIDIA L4".to_owned();
        let error = visible(&two, Some("0"), None).unwrap_err();
        assert!(error.contains("PCI_BUS_ID"), "{error}");
        assert_eq!(visible(&two, Some("1"), Some("PCI_BUS_ID")).unwrap()[0].gpu.index, 1);
        assert_eq!(seen(&two, Some("GPU-11")), ["GPU-11"]);
    }

    #[test]
    fn a_gpu_that_is_cut_is_its_slices_and_one_that_is_silent_hides_no_other() {
        let mut two = two();
        let slice =
            |n: u32| MigDevice { uuid: format!("MIG-{n}"), sms: Some(16), memory_bytes: None };
        two.gpus[0].mig = Some(true);
        two.gpus[0].mig_devices = vec![slice(0), slice(1)];
        let uuids = |list| -> Vec<String> {
            let chosen = visible(&two, list, None).unwrap();
            chosen.iter().map(|choice| choice.uuid().to_owned()).collect()
        };
        assert_eq!(uuids(None), ["MIG-0", "MIG-1", "GPU-11111111-1"]);
        assert_eq!(uuids(Some("MIG-1")), ["MIG-1"]);
        assert_eq!(uuids(Some("GPU-00000000")), ["MIG-0"]);
        assert_eq!(visible(&two, Some("MIG-1"), None).unwrap()[0].sms(), Some(16));
        let error =
            GpuError::NoAnswer { gpu: 0, what: "device".to_owned(), reason: "lost".to_owned() };
        let one_lost = Inventory { gpus: vec![two.gpus[1].clone()], silent: vec![(0, error)] };
        assert_eq!(seen(&one_lost, None), ["GPU-11"]);
        assert!(visible(&one_lost, Some("0"), None).unwrap_err().contains("lost"));
    }
}
