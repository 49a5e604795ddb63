//! Sends open-loop load.

use crate::client::{InferClient, Tag};
use crate::clock;
use igniter::units::Nanoseconds;

/// The requests of one workload.
#[derive(Debug, Clone, Copy)]
pub struct RequestStream<'a> {
    /// The client that sends the requests.
    pub client: &'a dyn InferClient,
    /// The send times since the start of the run, in order.
    pub times: &'a [Nanoseconds],
}

/// Interval at which a waiting sender checks whether to stop.
const LOOK: Nanoseconds = Nanoseconds::new(50_000_000);

/// Sends every request of all streams at its time after `start`, and returns how many of each stream were
/// sent: all of them, unless `stop` returned true earlier. Intended for a thread of its own.
pub fn open_loop(
    streams: &[RequestStream<'_>],
    phase: char,
    start: Nanoseconds,
    stop: &dyn Fn() -> bool,
) -> Vec<usize> {
    // Without this a sleep may end 50 µs late. Where the system refuses, spinning compensates.
    let _ = nix::sys::prctl::set_timerslack(1);
    let mut sent = vec![0; streams.len()];
    while let Some((stream, time)) = earliest(streams, &sent) {
        let at = start + time;
        while clock::now() + LOOK < at {
            if stop() {
                return sent;
            }
            clock::sleep_until(at.saturating_sub(LOOK).min(clock::now() + LOOK));
        }
        if stop() {
            return sent;
        }
        clock::wait_until(at);
        let index = u32::try_from(sent[stream]).expect("a run has fewer than 2^32 requests");
        streams[stream].client.send(Tag { phase, index }, at);
        sent[stream] += 1;
    }
    sent
}

/// Returns the stream whose next request is due first; the first such stream in case of a tie.
fn earliest(streams: &[RequestStream<'_>], sent: &[usize]) -> Option<(usize, Nanoseconds)> {
    let next = streams.iter().zip(sent).map(|(stream, &sent)| stream.times.get(sent).copied());
    next.enumerate().filter_map(|(i, time)| Some((i, time?))).min_by_key(|(i, time)| (*time, *i))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Notes what it is asked to send.
    #[derive(Debug, Default)]
    struct Noted(Mutex<Vec<(Tag, Nanoseconds, Nanoseconds)>>);

    impl InferClient for Noted {
        fn send(&self, tag: Tag, intended: Nanoseconds) {
            self.0.lock().unwrap().push((tag, intended, clock::now()));
        }

        fn exhausted(&self) -> u64 {
            0
        }
    }

    #[test]
    fn every_request_is_sent_once_in_order_and_never_early() {
        let (a, b) = (Noted::default(), Noted::default());
        let ms = |ms: u64| Nanoseconds::new(ms * 1_000_000);
        let times = [vec![ms(1), ms(3), ms(3), ms(9)], vec![ms(0), ms(5)]];
        let streams =
            [(&a, 0), (&b, 1)].map(|(client, i)| RequestStream { client, times: &times[i] });
        let start = clock::now();
        assert_eq!(open_loop(&streams, 'm', start, &|| false), [4, 2]);
        for (noted, times) in [a, b].iter().zip(&times) {
            let noted = noted.0.lock().unwrap();
            for (i, (tag, intended, sent)) in noted.iter().enumerate() {
                assert_eq!((tag.phase, tag.index as usize), ('m', i));
                assert_eq!(*intended, start + times[i]);
                assert!(sent >= intended);
            }
            assert_eq!(noted.len(), times.len());
        }
    }

    #[test]
    fn it_stops_when_asked() {
        let noted = Noted::default();
        let times = [Nanoseconds::ZERO, Nanoseconds::new(3_600_000_000_000)];
        let streams = [RequestStream { client: &noted, times: &times }];
        let stop = || noted.0.lock().unwrap().len() == 1;
        assert_eq!(open_loop(&streams, 'm', clock::now(), &stop), [1]);
    }
}
