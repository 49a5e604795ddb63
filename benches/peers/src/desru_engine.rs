//! desru: closures in a heap, times in seconds. Its event log is switched off.

use crate::common::{Histogram, Station, merged};
use desru::{Event, EventScheduler};
use std::cell::RefCell;
use std::rc::Rc;

type Shared = Rc<RefCell<Station>>;

pub fn run(seconds: f64, seed: u64) -> Histogram {
    let stations: Vec<Shared> =
        Station::all(seconds, seed).into_iter().map(|s| Rc::new(RefCell::new(s))).collect();
    let mut scheduler = EventScheduler::new();
    for station in &stations {
        schedule_arrival(&mut scheduler, station.clone());
    }
    scheduler.run(Box::new(|_| false), Some(Box::new(|_, _| false)));
    merged(
        stations
            .iter()
            .map(|station| station.borrow().latencies.clone())
            .collect::<Vec<_>>()
            .iter(),
    )
}

fn schedule_arrival(scheduler: &mut EventScheduler, station: Shared) {
    let Some(time) = station.borrow_mut().next_arrival() else { return };
    let action = move |scheduler: &mut EventScheduler| {
        schedule_arrival(scheduler, station.clone());
        let service = station.borrow_mut().arrive(time);
        schedule_end(scheduler, &station, time, service);
        None
    };
    scheduler.schedule(Event::new(time as f64 / 1e9, Some(Box::new(action)), None));
}

fn schedule_end(scheduler: &mut EventScheduler, station: &Shared, now: u64, service: Option<u64>) {
    let Some(service) = service else { return };
    let end = now + service;
    let station = station.clone();
    let action = move |scheduler: &mut EventScheduler| {
        let service = station.borrow_mut().end(end);
        schedule_end(scheduler, &station, end, service);
        None
    };
    scheduler.schedule(Event::new(end as f64 / 1e9, Some(Box::new(action)), None));
}
