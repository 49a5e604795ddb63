//! desru: actions in a heap, times in seconds. Actions capture nothing, so that they need no allocation; events are taken
//! out and run without its event log.

use crate::common::{Gpu, Histogram, merged};
use desru::{Event, EventScheduler};
use std::cell::RefCell;

/// The GPUs of one workload, where actions find them.
macro_rules! engine {
    ($name:ident, $servers:literal, $($server:literal)*) => {
        pub mod $name {
            use super::*;

            thread_local! {
                static GPUS: RefCell<Vec<Gpu<$servers>>> = const { RefCell::new(Vec::new()) };
            }

            pub fn run(seconds: f64, seed: u64) -> Histogram {
                GPUS.set(Gpu::all(seconds, seed));
                let mut scheduler = EventScheduler::new();
                $(schedule_arrival::<$server>(&mut scheduler);)*
                while let Some(mut event) = scheduler.event_queue.pop() {
                    scheduler.current_time = event.time;
                    event.run(&mut scheduler);
                }
                merged(GPUS.take().iter().map(|gpu| &gpu.latencies))
            }

            fn schedule_arrival<const I: usize>(scheduler: &mut EventScheduler) {
                let time = GPUS.with_borrow_mut(|gpus| gpus[I / $servers].next_arrival(I % $servers));
                if let Some(time) = time {
                    let arrive = |scheduler: &mut EventScheduler| {
                        let end = GPUS.with_borrow_mut(|gpus| gpus[I / $servers].arrive(I % $servers));
                        schedule_end::<I>(scheduler, end);
                        schedule_arrival::<I>(scheduler);
                        None
                    };
                    scheduler.schedule(Event::new(seconds(time), Some(Box::new(arrive)), None));
                }
            }

            fn schedule_end<const I: usize>(scheduler: &mut EventScheduler, end: Option<u64>) {
                let Some(end) = end else { return };
                let action = |scheduler: &mut EventScheduler| {
                    let now = scheduler.current_time;
                    let end = GPUS.with_borrow_mut(|gpus| {
                        let gpu = &mut gpus[I / $servers];
                        if seconds(gpu.next_end) == now { gpu.end() } else { None }
                    });
                    schedule_end::<I>(scheduler, end);
                    None
                };
                scheduler.schedule(Event::new(seconds(end), Some(Box::new(action)), None));
            }
        }
    };
}

engine!(alone, 1, 0 1 2 3 4 5 6 7 8 9 10 11);
engine!(sharing, 4, 0 1 2 3 4 5 6 7 8 9 10 11);

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
