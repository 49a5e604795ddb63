//! GPUs that are being filled, for greedy and local search.

use super::super::shares::{PendingWorkload, ShareFitter, total};
use super::types::Type;

/// A GPU that is being filled.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Bin {
    /// Its members; `workload` is the index of the type.
    pub seats: Vec<PendingWorkload>,
    /// The sum of their shares, in units.
    pub used: u32,
}

/// Tries to add workloads to GPUs; keeps its buffers.
pub(crate) struct Packer<'p> {
    pub fitter: ShareFitter<'p>,
    trial: Vec<PendingWorkload>,
    best: Vec<PendingWorkload>,
}

impl<'p> Packer<'p> {
    pub(crate) fn new(fitter: ShareFitter<'p>) -> Self {
        Self { fitter, trial: Vec::new(), best: Vec::new() }
    }

    /// Returns the units in use after adding one more workload of a type, with the batch size for which they are
    /// fewest; `None` when there is no room. [`Self::take`] then applies the addition.
    pub(crate) fn try_add(&mut self, bin: &Bin, of: usize, kind: &Type) -> Option<u32> {
        self.try_add_within(bin, of, kind, self.fitter.whole())
    }

    /// Does the same as [`Self::try_add`], with at most `most` units in use.
    pub(crate) fn try_add_within(
        &mut self,
        bin: &Bin,
        of: usize,
        kind: &Type,
        most: u32,
    ) -> Option<u32> {
        let mut least = None;
        let mut most = most;
        for sized in &kind.options {
            if bin.used + sized.least.get() > most {
                break;
            }
            self.trial.clone_from(&bin.seats);
            self.trial.push(PendingWorkload { workload: of, sized: *sized, share: sized.least });
            if self.fitter.grow_to(&mut self.trial, most) {
                let used = total(&self.trial).get();
                least = Some(used);
                most = used - 1;
                std::mem::swap(&mut self.trial, &mut self.best);
            }
        }
        least
    }

    /// Applies the last successful try to the bin for which it was made.
    pub(crate) fn take(&mut self, bin: &mut Bin, used: u32) {
        std::mem::swap(&mut bin.seats, &mut self.best);
        bin.used = used;
    }
}
