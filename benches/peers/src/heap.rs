//! No engine at all: the standard library's heap with an event for each arrival and each end of a batch.

use crate::common::{Gpu, Histogram, merged};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Servers are numbered from here on; below are the ends of GPUs.
const SERVER: u32 = 1 << 16;

pub fn run<const SERVERS: usize>(seconds: f64, seed: u64) -> Histogram {
    let mut gpus = Gpu::<SERVERS>::all(seconds, seed);
    let mut heap = BinaryHeap::new();
    for (g, gpu) in gpus.iter_mut().enumerate() {
        for k in 0..SERVERS {
            if let Some(time) = gpu.next_arrival(k) {
                heap.push(Reverse((time, SERVER + (g * SERVERS + k) as u32)));
            }
        }
    }
    while let Some(Reverse((now, what))) = heap.pop() {
        let g = match what.checked_sub(SERVER) {
            Some(server) => {
                let (g, k) = (server as usize / SERVERS, server as usize % SERVERS);
                if let Some(end) = gpus[g].arrive(k) {
                    heap.push(Reverse((end, g as u32)));
                }
                if let Some(time) = gpus[g].next_arrival(k) {
                    heap.push(Reverse((time, what)));
                }
                continue;
            }
            None => what as usize,
        };
        if gpus[g].next_end == now
            && let Some(end) = gpus[g].end()
        {
            heap.push(Reverse((end, what)));
        }
    }
    merged(gpus.iter().map(|gpu| &gpu.latencies))
}
