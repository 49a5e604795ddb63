//! No engine at all: the standard library's heap with an event for each arrival and each completion.

use crate::common::{Histogram, Station, merged};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

const ARRIVAL: u8 = 0;
const END: u8 = 1;

pub fn run(seconds: f64, seed: u64) -> Histogram {
    let mut stations = Station::all(seconds, seed);
    let mut heap = BinaryHeap::new();
    let mut sequence = 0_u64;
    let mut push = |heap: &mut BinaryHeap<_>, time: u64, kind: u8, station: usize| {
        sequence += 1;
        heap.push(Reverse((time, sequence, kind, station)));
    };
    for (i, station) in stations.iter_mut().enumerate() {
        if let Some(time) = station.next_arrival() {
            push(&mut heap, time, ARRIVAL, i);
        }
    }
    while let Some(Reverse((now, _, kind, i))) = heap.pop() {
        let station = &mut stations[i];
        let service = if kind == ARRIVAL {
            if let Some(time) = station.next_arrival() {
                push(&mut heap, time, ARRIVAL, i);
            }
            station.arrive(now)
        } else {
            station.end(now)
        };
        if let Some(service) = service {
            push(&mut heap, now + service, END, i);
        }
    }
    merged(stations.iter().map(|station| &station.latencies))
}
