//! NeXosim: one model a stream, which schedules its events on itself. One thread; with more it is slower
//! on models as small as these.

use crate::common::{Histogram, Station, merged};
use nexosim::model::{Context, Model, schedulable};
use nexosim::simulation::{Mailbox, SimInit};
use nexosim::time::MonotonicTime;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Serialize, Deserialize)]
struct Server {
    /// NeXosim wants models that can be saved; this benchmark never does.
    #[serde(skip)]
    station: Option<Station>,
    #[serde(skip)]
    finished: Arc<Mutex<Vec<Histogram>>>,
}

#[Model]
impl Server {
    #[nexosim(init)]
    async fn init(&mut self, context: &Context<Self>) {
        self.schedule_arrival(0, context);
    }

    #[nexosim(schedulable)]
    fn arrive(&mut self, now: u64, context: &Context<Self>) {
        self.schedule_arrival(now, context);
        let service = self.station().arrive(now);
        self.schedule_end(now, service, context);
    }

    #[nexosim(schedulable)]
    fn end(&mut self, now: u64, context: &Context<Self>) {
        let service = self.station().end(now);
        self.schedule_end(now, service, context);
    }

    fn station(&mut self) -> &mut Station {
        self.station.as_mut().expect("a model that was not restored")
    }

    fn schedule_arrival(&mut self, now: u64, context: &Context<Self>) {
        if let Some(time) = self.station().next_arrival() {
            let delay = Duration::from_nanos((time - now).max(1));
            context.schedule_event(delay, schedulable!(Self::arrive), time).expect("a later time");
        }
    }

    fn schedule_end(&mut self, now: u64, service: Option<u64>, context: &Context<Self>) {
        if let Some(service) = service {
            let delay = Duration::from_nanos(service);
            context
                .schedule_event(delay, schedulable!(Self::end), now + service)
                .expect("a later time");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(station) = self.station.take() {
            self.finished.lock().expect("nobody panicked").push(station.latencies);
        }
    }
}

pub fn run(seconds: f64, seed: u64) -> Histogram {
    let finished = Arc::new(Mutex::new(Vec::new()));
    let mut bench = SimInit::with_num_threads(1);
    for (i, station) in Station::all(seconds, seed).into_iter().enumerate() {
        let server = Server { station: Some(station), finished: finished.clone() };
        bench = bench.add_model(server, Mailbox::new(), &format!("server{i}"));
    }
    let mut simulation = bench.init(MonotonicTime::EPOCH).expect("a correct bench");
    simulation.run().expect("no model fails");
    drop(simulation);
    let finished = finished.lock().expect("nobody panicked");
    merged(finished.iter())
}
