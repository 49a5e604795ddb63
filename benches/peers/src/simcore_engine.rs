//! simcore (the core of DSLab): one component a stream, which sends its arrivals to itself and ends to the first of its GPU.
//! Events carry nothing, so that they need no allocation.

use crate::common::{Gpu, Histogram, merged};
use serde::Serialize;
use simcore::{Event, EventHandler, Id, Simulation, SimulationContext, cast};
use std::cell::RefCell;
use std::rc::Rc;

#[derive(Clone, Serialize)]
struct Arrival;

#[derive(Clone, Serialize)]
struct End;

struct Component<const SERVERS: usize> {
    gpu: Rc<RefCell<Gpu<SERVERS>>>,
    server: usize,
    /// Who is told of ends.
    first: Id,
    context: SimulationContext,
}

impl<const SERVERS: usize> Component<SERVERS> {
    fn schedule_arrival(&self, gpu: &mut Gpu<SERVERS>) {
        if let Some(time) = gpu.next_arrival(self.server) {
            self.context.emit_self(Arrival, delay(time, self.context.time()));
        }
    }

    fn schedule_end(&self, end: Option<u64>) {
        if let Some(end) = end {
            self.context.emit(End, self.first, delay(end, self.context.time()));
        }
    }
}

/// Delays are in seconds, and the sum with the time is not always that of the time in ns.
fn delay(time: u64, now: f64) -> f64 {
    (time as f64 / 1e9 - now).max(0.0)
}

impl<const SERVERS: usize> EventHandler for Component<SERVERS> {
    fn on(&mut self, event: Event) {
        let mut gpu = self.gpu.borrow_mut();
        let now = event.time;
        cast!(match event.data {
            Arrival {} => {
                self.schedule_end(gpu.arrive(self.server));
                self.schedule_arrival(&mut gpu);
            }
            End {} => {
                // An end that is still valid is the nearest float.
                if (gpu.next_end as f64 - now * 1e9).abs() < 0.4 {
                    self.schedule_end(gpu.end());
                }
            }
        })
    }
}

pub fn run<const SERVERS: usize>(seconds: f64, seed: u64) -> Histogram {
    let mut simulation = Simulation::new(seed);
    let gpus: Vec<_> =
        Gpu::<SERVERS>::all(seconds, seed).into_iter().map(|gpu| Rc::new(RefCell::new(gpu))).collect();
    for (g, gpu) in gpus.iter().enumerate() {
        let mut first = None;
        for server in 0..SERVERS {
            let name = format!("server{}", g * SERVERS + server);
            let context = simulation.create_context(&name);
            let first = *first.get_or_insert(context.id());
            let component = Component { gpu: gpu.clone(), server, first, context };
            component.schedule_arrival(&mut gpu.borrow_mut());
            simulation.add_handler(&name, Rc::new(RefCell::new(component)));
        }
    }
    simulation.step_until_no_events();
    let latencies: Vec<_> = gpus.iter().map(|gpu| gpu.borrow().latencies.clone()).collect();
    merged(&latencies)
}
