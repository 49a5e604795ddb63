//! Published data of GPU kinds, for measurements without such data.

use crate::domain::GpuKindName;

/// The published numbers of a GPU kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Datasheet {
    /// The beginning of the kind's name, by which the sheet is found.
    pub name: &'static str,
    /// Number of streaming multiprocessors.
    pub sms: u32,
    /// Highest SM clock in MHz.
    pub max_clock_mhz: f64,
    /// Board power in W.
    pub power_cap_w: f64,
    /// Bandwidth of the host link, one way, in bytes/ms: PCIe 3.0 or 4.0 with 16 lanes, less protocol overhead.
    pub pcie_bytes_per_ms: f64,
    /// Device memory in GiB (2³⁰ bytes).
    pub memory_gib: u64,
}

/// NVIDIA's data sheets, of the SXM boards where these exist, else of the PCIe boards. Longer names precede their own
/// prefixes.
const DATASHEETS: &[Datasheet] = &[
    sheet("a100-80gb", 108, 1410.0, 400.0, 24e6, 80),
    sheet("a100", 108, 1410.0, 400.0, 24e6, 40),
    sheet("h100", 132, 1980.0, 700.0, 50e6, 80),
    sheet("h200", 132, 1980.0, 700.0, 50e6, 141),
    sheet("v100", 80, 1530.0, 300.0, 12e6, 32),
    sheet("a30", 56, 1440.0, 165.0, 24e6, 24),
    sheet("a40", 84, 1740.0, 300.0, 24e6, 48),
    sheet("t4", 40, 1590.0, 70.0, 12e6, 16),
];

const fn sheet(
    name: &'static str,
    sms: u32,
    max_clock_mhz: f64,
    power_cap_w: f64,
    pcie_bytes_per_ms: f64,
    memory_gib: u64,
) -> Datasheet {
    Datasheet { name, sms, max_clock_mhz, power_cap_w, pcie_bytes_per_ms, memory_gib }
}

/// Returns the data sheet whose name is a prefix of the kind's name, ignoring case; `None` for an unknown kind.
#[must_use]
pub fn datasheet(kind: &GpuKindName) -> Option<&'static Datasheet> {
    let kind = kind.as_str().to_lowercase();
    DATASHEETS.iter().find(|sheet| kind.starts_with(sheet.name))
}

/// Returns the names that [`datasheet`] knows.
#[must_use]
pub(super) fn known() -> String {
    let names: Vec<&str> = DATASHEETS.iter().map(|sheet| sheet.name).collect();
    names.join(", ")
}
