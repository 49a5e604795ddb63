//! The offline table of a model as a predictor for the engine.

use super::constants::PublishedServer;
use super::{Section, ServersError};
use crate::domain::{GpuKind, GpuKindName, ModelId, ModelName};
use crate::predictor::{CoLocationPrediction, Member, MemberPrediction, Predictor};
use crate::units::{BatchSize, Bytes, Dollars, Megahertz, SmUnits, UnitError, Watts};

/// The name of the only GPU kind, model and workload of a simulation.
pub(super) const NAME: &str = "published";
/// Two times of an offline table that differ by less than this part form a plateau.
const PLATEAU: f64 = 0.05;
/// If the time grows by more than this factor up to a plateau, all batch sizes in between take as long as the plateau.
const STEP: f64 = 1.3;

/// The execution time of each batch size. Times between measured sizes are interpolated linearly, or lie on plateaus
/// where the engine pads batches to the next size for which it was built.
#[derive(Debug, Clone)]
pub(super) struct OfflineCurve {
    kind: GpuKind,
    models: [ModelName; 1],
    /// (Requests, ms), by size.
    points: Vec<(f64, f64)>,
    /// Number of rows of one request, where a batch is padded to the next power of two rows.
    pads_to: Option<f64>,
}

impl OfflineCurve {
    /// Makes the curve from the static batches of a section on a server.
    pub(super) fn of(section: &Section, server: &PublishedServer) -> Result<Self, ServersError> {
        let unit = |source: UnitError| ServersError::Unit { section: section.name.clone(), source };
        let kind = GpuKind {
            name: GpuKindName::new(NAME).expect("a name"),
            units: SmUnits::new(1),
            max_clock: Megahertz::new(1.0).map_err(unit)?,
            power_cap: Watts::new(1.0).map_err(unit)?,
            idle_power: Watts::new(0.0).map_err(unit)?,
            pcie_bytes_per_ms: 1.0,
            memory: None,
            price_per_hour: Dollars::ZERO,
            noise_cv: std::collections::BTreeMap::new(),
            mps: crate::domain::SmSharing::default(),
        };
        let measured: Vec<(f64, f64)> = section
            .offline
            .iter()
            .map(|o| (o.batch, server.execution * o.execution_ms + server.shared_ms))
            .collect();
        Ok(Self {
            kind,
            models: [ModelName::new(NAME).expect("a name")],
            points: padded(measured),
            pads_to: server.pads.then_some(section.rows),
        })
    }

    /// Returns the time of a batch in ms.
    fn time_ms(&self, batch: f64) -> f64 {
        let batch = match self.pads_to {
            Some(rows) => libm::exp2((libm::log2(batch * rows) - 1e-9).ceil()) / rows,
            None => batch,
        };
        let after = self.points.partition_point(|(size, _)| *size < batch);
        let (last, first) = (self.points[self.points.len() - 1], self.points[0]);
        if after == self.points.len() {
            return last.1 * batch / last.0;
        }
        let (size, time) = self.points[after];
        if after == 0 {
            return first.1;
        }
        let (size_before, time_before) = self.points[after - 1];
        time_before + (time - time_before) * (batch - size_before) / (size - size_before)
    }

    /// Returns the part of the longest measured time that is proportional to the batch size, from 0 to 1: the work of
    /// the GPU, not of the host.
    pub(super) fn proportional(section: &Section) -> f64 {
        let (Some(first), Some(last)) = (section.offline.first(), section.offline.last()) else {
            return 1.0;
        };
        let (b0, b1) = (first.batch, last.batch);
        let grown = (last.execution_ms - first.execution_ms) / last.execution_ms;
        (grown * b1 / (b1 - b0)).clamp(0.0, 1.0)
    }
}

/// Adds the beginnings of plateaus: an engine that was built for certain batch sizes runs a smaller batch as the next
/// of these sizes.
fn padded(measured: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let mut points = Vec::with_capacity(measured.len());
    for (i, point) in measured.iter().enumerate() {
        if i > 0
            && let Some(next) = measured.get(i + 1)
        {
            let before = measured[i - 1];
            let flat = (next.1 / point.1 - 1.0).abs() < PLATEAU;
            if flat && point.1 > STEP * before.1 && point.0 > before.0 + 1.0 {
                points.push((before.0 + 1.0, point.1));
            }
        }
        points.push(*point);
    }
    points
}

impl Predictor for OfflineCurve {
    fn name(&self) -> &'static str {
        NAME
    }

    fn kind(&self) -> &GpuKind {
        &self.kind
    }

    fn models(&self) -> &[ModelName] {
        &self.models
    }

    fn max_batch(&self, _: ModelId) -> BatchSize {
        BatchSize::new(1024).expect("a size")
    }

    fn memory(&self, _: ModelId) -> Option<Bytes> {
        None
    }

    fn predict_into(&self, members: &[Member], out: &mut CoLocationPrediction) {
        out.members.clear();
        out.members.extend(members.iter().map(|member| {
            let batch = f64::from(member.batch.get());
            let gpu_ms = self.time_ms(batch);
            MemberPrediction {
                load_ms: 0.0,
                gpu_ms,
                feedback_ms: 0.0,
                throughput_rps: batch / gpu_ms * 1000.0,
            }
        }));
        out.power_demand_w = 0.0;
        out.power_w = 0.0;
        out.clock_mhz = 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_between_measured_sizes_and_on_plateaus() {
        // Built for 16, 32 and 64: 24 runs as 32, and 40 as 64.
        let points = padded(vec![
            (8.0, 3.0),
            (16.0, 4.0),
            (24.0, 8.0),
            (32.0, 8.1),
            (40.0, 16.0),
            (48.0, 16.1),
        ]);
        let model = ModelName::new(NAME).unwrap();
        let section = Section::for_tests(&[(8, 3.0), (16, 4.0), (64, 16.0)]);
        let curve = OfflineCurve {
            points,
            models: [model],
            ..OfflineCurve::of(&section, &PublishedServer::for_tests()).unwrap()
        };
        for (batch, ms) in [
            (1.0, 3.0),
            (8.0, 3.0),
            (12.0, 3.5),
            (17.0, 8.0),
            (20.0, 8.0),
            (33.0, 16.0),
            (96.0, 32.2),
        ] {
            assert!((curve.time_ms(batch) - ms).abs() < 1e-9, "{batch}: {}", curve.time_ms(batch));
        }
        // 16 ms at 64 requests, 3 at 8: 13/16 · 64/56 of it grows with the batch.
        assert!((OfflineCurve::proportional(&section) - 13.0 / 16.0 * 64.0 / 56.0).abs() < 1e-9);
        let server =
            PublishedServer { execution: 0.5, shared_ms: 1.0, ..PublishedServer::for_tests() };
        let half = OfflineCurve::of(&section, &server).unwrap();
        assert!((half.time_ms(16.0) - 3.0).abs() < 1e-9);
    }

    #[test]
    fn batches_are_padded_to_powers_of_two_rows() {
        // Requests of three rows: 16 rows are 16/3 requests.
        let mut section = Section::for_tests(&[(1, 2.0), (64, 128.0)]);
        section.rows = 3.0;
        let server = PublishedServer { pads: true, ..PublishedServer::for_tests() };
        let curve = OfflineCurve::of(&section, &server).unwrap();
        for (batch, rows) in [(1.0, 4.0), (2.0, 8.0), (3.0, 16.0), (5.0, 16.0), (6.0, 32.0)] {
            let ms = curve.time_ms(batch);
            assert!((ms - 2.0 * rows / 3.0).abs() < 1e-9, "{batch}: {ms}");
        }
        section.rows = 16.0;
        let curve = OfflineCurve::of(&section, &server).unwrap();
        for exact in [1.0, 2.0, 4.0, 64.0] {
            assert!((curve.time_ms(exact) - 2.0 * exact).abs() < 1e-9, "{exact}");
        }
    }
}
