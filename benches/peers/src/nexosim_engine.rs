//! NeXosim: one model a GPU (in the workload without interaction, that is one a stream), which schedules its events on
//! itself. One thread; with more it is slower on models as small as these.

use crate::common::{Gpu, Histogram, merged};
use nexosim::model::{Context, Model, schedulable};
use nexosim::simulation::{Mailbox, SimInit};
use nexosim::time::MonotonicTime;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};

macro_rules! engine {
    ($name:ident, $servers:literal) => {
        pub mod $name {
            use super::*;

            #[derive(Serialize, Deserialize)]
            struct Servers {
                /// NeXosim wants models that can be saved; this benchmark never does.
                #[serde(skip)]
                gpu: Option<Gpu<$servers>>,
                #[serde(skip)]
                finished: Arc<Mutex<Vec<Histogram>>>,
            }

            #[Model]
            impl Servers {
                #[nexosim(init)]
                async fn init(&mut self, context: &Context<Self>) {
                    for server in 0..$servers {
                        self.schedule_arrival(server, context);
                    }
                }

                #[nexosim(schedulable)]
                fn arrive(&mut self, server: usize, context: &Context<Self>) {
                    let end = self.gpu().arrive(server);
                    self.schedule_end(end, context);
                    self.schedule_arrival(server, context);
                }

                #[nexosim(schedulable)]
                fn end(&mut self, now: u64, context: &Context<Self>) {
                    if self.gpu().next_end == now {
                        let end = self.gpu().end();
                        self.schedule_end(end, context);
                    }
                }

                fn gpu(&mut self) -> &mut Gpu<$servers> {
                    self.gpu.as_mut().expect("a model that was not restored")
                }

                fn schedule_arrival(&mut self, server: usize, context: &Context<Self>) {
                    if let Some(time) = self.gpu().next_arrival(server) {
                        let at = later(time, context);
                        context
                            .schedule_event(at, schedulable!(Self::arrive), server)
                            .expect("a later time");
                    }
                }

                fn schedule_end(&mut self, end: Option<u64>, context: &Context<Self>) {
                    if let Some(end) = end {
                        let at = later(end, context);
                        context.schedule_event(at, schedulable!(Self::end), end).expect("a later time");
                    }
                }
            }

            impl Drop for Servers {
                fn drop(&mut self) {
                    if let Some(gpu) = self.gpu.take() {
                        self.finished.lock().expect("nobody panicked").push(gpu.latencies);
                    }
                }
            }

            /// A time that has not come: events at the present one are refused.
            fn later(ns: u64, context: &Context<Servers>) -> MonotonicTime {
                let time = MonotonicTime::new((ns / 1_000_000_000) as i64, (ns % 1_000_000_000) as u32);
                let time = time.expect("less than a second of ns");
                let now = context.time();
                if time > now { time } else { now + std::time::Duration::from_nanos(1) }
            }

            pub fn run(seconds: f64, seed: u64) -> Histogram {
                let finished = Arc::new(Mutex::new(Vec::new()));
                let mut bench = SimInit::with_num_threads(1);
                for (i, gpu) in Gpu::all(seconds, seed).into_iter().enumerate() {
                    let servers = Servers { gpu: Some(gpu), finished: finished.clone() };
                    bench = bench.add_model(servers, Mailbox::new(), &format!("gpu{i}"));
                }
                let mut simulation = bench.init(MonotonicTime::EPOCH).expect("a correct bench");
                simulation.run().expect("no model fails");
                drop(simulation);
                let finished = finished.lock().expect("nobody panicked");
                merged(finished.iter())
            }
        }
    };
}

engine!(alone, 1);
engine!(sharing, 4);
