//! The features that only the full engine supports: queue policies, varying host times, a serial path for requests, a
//! shared PCIe link, servers that take turns, controllers and faults.

use super::control::{Controller, controller};
use super::engine::SimInput;
use super::faults::{GpuFault, faults_of};
use super::prepare::ServerRun;
use super::{ControllerSpec, Oversubscription, PcieLink, SimError};
use igniter_model::units::{Milliseconds, Nanoseconds, RequestsPerSecond};

/// The features that a run uses on one GPU.
#[derive(Debug)]
pub(super) struct FullFeatures {
    pub(super) pcie: PcieLink,
    pub(super) controller: Option<Box<dyn Controller>>,
    /// In order of time.
    pub(super) faults: Vec<GpuFault>,
    /// SLO and rate of each server.
    pub(super) targets: Vec<(Milliseconds, RequestsPerSecond)>,
    /// Whether windows are reported.
    pub(super) watched: bool,
    /// Whether shares may add up to more than the whole GPU.
    pub(super) overlap: bool,
}

impl FullFeatures {
    /// Returns `None` if the run uses none of these features.
    pub(super) fn new(
        input: &SimInput<'_>,
        gpu: usize,
        servers: &[ServerRun],
    ) -> Result<Option<Self>, SimError> {
        let policies = servers.iter().any(|server| server.rules.has_policy());
        let control = input.control.filter(|control| !control.is_idle());
        let host =
            |server: &ServerRun| server.host.varies() || server.request_serial > Nanoseconds::ZERO;
        let host = servers.iter().any(host);
        let turns = servers.iter().any(|server| server.time_slot.is_some());
        let private = input.spec.pcie == PcieLink::Private;
        if control.is_none() && !policies && !host && !turns && private {
            return Ok(None);
        }
        if turns && control.is_some_and(|c| c.controller != ControllerSpec::None) {
            return Err(SimError::ControlledTurns { gpu });
        }
        let co_location = &input.plan.gpus[gpu];
        let targets = servers.iter().zip(&co_location.placements).map(|(server, placement)| {
            let workload = &input.workloads[server.workload.index()].workload;
            (workload.slo, placement.served.unwrap_or(workload.rate))
        });
        let kind = input.predictors().find(|p| p.kind().name == co_location.kind);
        let units = kind.map_or(1, |predictor| predictor.kind().units.get());
        let spec = control.map_or(ControllerSpec::None, |control| control.controller);
        Ok(Some(Self {
            pcie: input.spec.pcie,
            controller: controller(spec, servers.len(), units),
            faults: match control {
                Some(control) => faults_of(&control.faults, input, gpu, co_location)?,
                None => Vec::new(),
            },
            targets: targets.collect(),
            watched: control.is_some(),
            overlap: matches!(spec, ControllerSpec::Gslice(gslice)
                if gslice.oversubscription == Oversubscription::Overlap),
        }))
    }
}
