//! simcore (the core of DSLab): one component a stream, which sends its events to itself.

use crate::common::{Histogram, Station, merged};
use serde::Serialize;
use simcore::{Event, EventHandler, Simulation, SimulationContext, cast};
use std::cell::RefCell;
use std::rc::Rc;

#[derive(Clone, Serialize)]
struct Arrival {
    time: u64,
}

#[derive(Clone, Serialize)]
struct End {
    time: u64,
}

struct Component {
    station: Station,
    context: SimulationContext,
}

impl Component {
    fn schedule_arrival(&mut self, now: u64) {
        if let Some(time) = self.station.next_arrival() {
            self.context.emit_self(Arrival { time }, (time - now) as f64 / 1e9);
        }
    }

    fn schedule_end(&mut self, now: u64, service: Option<u64>) {
        if let Some(service) = service {
            self.context.emit_self(End { time: now + service }, service as f64 / 1e9);
        }
    }
}

impl EventHandler for Component {
    fn on(&mut self, event: Event) {
        cast!(match event.data {
            Arrival { time } => {
                self.schedule_arrival(time);
                let service = self.station.arrive(time);
                self.schedule_end(time, service);
            }
            End { time } => {
                let service = self.station.end(time);
                self.schedule_end(time, service);
            }
        })
    }
}

pub fn run(seconds: f64, seed: u64) -> Histogram {
    let mut simulation = Simulation::new(seed);
    let mut components = Vec::new();
    for (i, station) in Station::all(seconds, seed).into_iter().enumerate() {
        let name = format!("station{i}");
        let context = simulation.create_context(&name);
        let component = Rc::new(RefCell::new(Component { station, context }));
        simulation.add_handler(&name, component.clone());
        component.borrow_mut().schedule_arrival(0);
        components.push(component);
    }
    simulation.step_until_no_events();
    let latencies: Vec<_> =
        components.iter().map(|c| c.borrow().station.latencies.clone()).collect();
    merged(&latencies)
}
