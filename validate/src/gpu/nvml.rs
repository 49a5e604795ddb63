//! NVIDIA's management library, through the `nvml-wrapper` crate.

use super::{DriverFacts, GpuError, GpuFacts, GpuProbe, GpuSample, Inventory, MigDevice};
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::enums::device::SampleValue;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id::NVML_FI_DEV_POWER_INSTANT;
use nvml_wrapper::{Device, Nvml as Library};
use std::ffi::OsStr;

/// Paths of the library. The first name belongs to development packages; containers and machines with a
/// mounted driver have the others.
const PLACES: [&str; 5] = [
    "libnvidia-ml.so",
    "libnvidia-ml.so.1",
    "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",
    "/usr/local/nvidia/lib64/libnvidia-ml.so.1",
    "/usr/lib64/libnvidia-ml.so.1",
];

/// The driver of this machine.
#[derive(Debug)]
pub struct Nvml {
    library: Library,
    /// Whether each GPU reports its instantaneous power.
    instant_power: Vec<bool>,
}

impl Nvml {
    /// Loads the library.
    ///
    /// # Errors
    /// When there is none, or the driver does not answer.
    pub fn load() -> Result<Self, GpuError> {
        let mut reason = String::new();
        for place in PLACES {
            match Library::builder().lib_path(OsStr::new(place)).init() {
                Ok(library) => {
                    let count = library.device_count().unwrap_or(0);
                    let instant_power = vec![true; count as usize];
                    return Ok(Self { library, instant_power });
                }
                // The error of a driver that exists but does not answer is more useful than that of a missing
                // file.
                Err(NvmlError::LibloadingError(error)) if reason.is_empty() => {
                    reason = error.to_string();
                }
                Err(NvmlError::LibloadingError(_)) => {}
                Err(error) => reason = error.to_string(),
            }
        }
        Err(GpuError::NoDriver { reason })
    }

    fn device(&self, gpu: u32) -> Result<Device<'_>, GpuError> {
        self.library.device_by_index(gpu).map_err(|error| no_answer(gpu, "device", &error))
    }
}

fn no_answer(gpu: u32, what: &str, error: &NvmlError) -> GpuError {
    GpuError::NoAnswer { gpu, what: what.to_owned(), reason: error.to_string() }
}

/// Returns the number of CUDA cores of one SM, by compute capability (CUDA C++ Programming Guide, "Compute
/// Capabilities").
fn cores_per_sm(major: i32, minor: i32) -> Option<u32> {
    match (major, minor) {
        (6 | 8, 0) | (7, _) => Some(64),
        (5, _) | (6, 1 | 2) | (8, 6..) | (9..=12, _) => Some(128),
        _ => None,
    }
}

fn milli(value: u32) -> f64 {
    f64::from(value) / 1e3
}

fn facts(index: u32, device: &Device<'_>) -> Result<GpuFacts, NvmlError> {
    let capability = device.cuda_compute_capability().ok();
    let sms = capability.as_ref().and_then(|capability| {
        let per_sm = cores_per_sm(capability.major, capability.minor)?;
        Some(device.num_cores().ok()? / per_sm)
    });
    Ok(GpuFacts {
        index,
        // Without a UUID no process could be told to use this GPU.
        uuid: device.uuid()?,
        name: device.name().unwrap_or_else(|_| "a GPU without a name".to_owned()),
        sms,
        compute_capability: capability.map(|c| format!("{}.{}", c.major, c.minor)),
        memory_bytes: device.memory_info().ok().map(|memory| memory.total),
        max_sm_clock_mhz: device.max_clock_info(Clock::SM).ok(),
        power_limit_w: device.enforced_power_limit().ok().map(milli),
        default_power_limit_w: device.power_management_limit_default().ok().map(milli),
        compute_mode: device.compute_mode().ok().map(|mode| format!("{mode:?}")),
        mig: device.mig_mode().ok().map(|mode| mode.current != 0),
        pcie_generation: device.max_pcie_link_gen().ok(),
        pcie_width: device.max_pcie_link_width().ok(),
        mig_devices: mig_devices(device),
    })
}

/// Returns the existing slices; the driver's count includes all possible ones.
fn mig_devices(device: &Device<'_>) -> Vec<MigDevice> {
    if !device.mig_mode().is_ok_and(|mode| mode.current != 0) {
        return Vec::new();
    }
    let possible = device.mig_device_count().unwrap_or(0);
    let slice = |index| {
        let slice = device.mig_device_by_index(index).ok()?;
        let attributes = slice.attributes().ok();
        Some(MigDevice {
            uuid: slice.uuid().ok()?,
            sms: attributes.map(|attributes| attributes.multiprocessor_count),
            memory_bytes: slice.memory_info().ok().map(|memory| memory.total),
        })
    };
    (0..possible).filter_map(slice).collect()
}

/// Returns the instantaneous power; `power_usage` is an average over a second on most GPUs since Ampere.
fn instant_power_w(device: &Device<'_>) -> Option<f64> {
    let values = device.field_values_for(&[FieldId(NVML_FI_DEV_POWER_INSTANT)]).ok()?;
    match values.into_iter().next()?.ok()?.value.ok()? {
        SampleValue::U32(milliwatts) => Some(milli(milliwatts)),
        SampleValue::U64(milliwatts) => u32::try_from(milliwatts).ok().map(milli),
        SampleValue::F64(milliwatts) => Some(milliwatts / 1e3),
        SampleValue::I64(_) => None,
    }
}

impl GpuProbe for Nvml {
    fn machine(&self) -> Result<DriverFacts, GpuError> {
        let failed = |error: NvmlError| GpuError::NoDriver { reason: error.to_string() };
        let version = |cuda: i32| format!("{}.{}", cuda / 1000, cuda % 1000 / 10);
        Ok(DriverFacts {
            driver: self.library.sys_driver_version().map_err(failed)?,
            cuda: self.library.sys_cuda_driver_version().map_or_else(|_| "?".to_owned(), version),
        })
    }

    fn inventory(&self) -> Result<Inventory, GpuError> {
        let count = self
            .library
            .device_count()
            .map_err(|error| GpuError::NoDriver { reason: error.to_string() })?;
        let mut inventory = Inventory::default();
        for index in 0..count {
            let found = self.device(index).and_then(|device| {
                facts(index, &device).map_err(|error| no_answer(index, "facts", &error))
            });
            match found {
                Ok(facts) => inventory.gpus.push(facts),
                Err(error) => inventory.silent.push((index, error)),
            }
        }
        Ok(inventory)
    }

    fn sample(&mut self, gpu: u32) -> Result<GpuSample, GpuError> {
        let tells_instant = self.instant_power.get(gpu as usize).copied().unwrap_or(false);
        let device = self.device(gpu)?;
        let instant = if tells_instant { instant_power_w(&device) } else { None };
        let busy = device.utilization_rates().ok();
        let sample = GpuSample {
            power_w: instant.or_else(|| device.power_usage().ok().map(milli)),
            sm_clock_mhz: device.clock_info(Clock::SM).ok(),
            busy_pct: busy.as_ref().map(|busy| busy.gpu),
            memory_busy_pct: busy.as_ref().map(|busy| busy.memory),
            energy_mj: device.total_energy_consumption().ok(),
            temperature_c: device.temperature(TemperatureSensor::Gpu).ok(),
            throttle: device.current_throttle_reasons().ok().map(|reasons| reasons.bits()),
        };
        if instant.is_none()
            && let Some(tells) = self.instant_power.get_mut(gpu as usize)
        {
            *tells = false;
        }
        Ok(sample)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sms_follow_from_cores() {
        // V100: 5,120 cores, 80 SMs; A100: 6,912, 108; L4: 7,424, 58; H100: 16,896, 132.
        for (capability, cores, sms) in
            [((7, 0), 5120, 80), ((8, 0), 6912, 108), ((8, 9), 7424, 58), ((9, 0), 16896, 132)]
        {
            assert_eq!(cores_per_sm(capability.0, capability.1).map(|per| cores / per), Some(sms));
        }
        assert_eq!(cores_per_sm(99, 0), None);
    }

    /// On a machine with a driver this asks the real library.
    #[test]
    fn the_library_answers_or_says_why_not() {
        match Nvml::load() {
            Err(error) => assert!(error.to_string().contains("cannot be used: "), "{error}"),
            Ok(mut nvml) => {
                assert!(!nvml.machine().unwrap().driver.is_empty());
                for gpu in nvml.inventory().unwrap().gpus {
                    assert!(gpu.uuid.starts_with("GPU-"), "{gpu:?}");
                    assert!(nvml.sample(gpu.index).unwrap().power_w.is_some());
                }
            }
        }
    }
}
