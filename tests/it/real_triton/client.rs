//! A plain open-loop HTTP client: it sends each request at its time, whatever became of the others.
//!
//! The calling thread keeps the schedule and writes; each connection has a thread that reads. A
//! connection carries one request at a time (Triton serves no more), so there are many.

use igniter::units::Nanoseconds;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

/// So many connections are used before the run; the one that was free last is used first.
const WARM: usize = 16;
/// Sleeping ends up to this much late; the rest of the time is spent looking at the clock.
const SPIN: Duration = Duration::from_micros(120);
/// Between the warm-up and the start of the run.
const LEAD: Duration = Duration::from_millis(300);
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// What became of a request, in times since the start of the run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    /// When it was to be sent.
    pub(crate) intended: Nanoseconds,
    /// When it was sent.
    pub(crate) sent: Nanoseconds,
    /// When its answer was there.
    pub(crate) done: Nanoseconds,
    pub(crate) answer: Answer,
}

/// What the server answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The right output.
    Output,
    /// Its queue was full.
    Rejected,
    /// The request had waited too long.
    TimedOut,
}

/// The identifier of a request in the server's trace.
pub(crate) fn request_id(case: &str, index: usize) -> String {
    format!("{case}/{index}")
}

/// Sends a request at each of `times` and waits for all answers, every one of which is checked.
/// Before, some connections send a request of their own (named for the case `warm-up`).
pub(crate) fn send_all(
    address: SocketAddr,
    model: &str,
    case: &str,
    times: &[Nanoseconds],
) -> Vec<Sent> {
    // One for each request: however slow the machine is, none has to wait for an answer to another.
    let count = times.len().max(WARM);
    let connections: Vec<Connection> = (0..count).map(|_| Connection::open(address)).collect();
    let free = Mutex::new((WARM..count).collect::<Vec<_>>());
    let slots: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
    let done: Vec<AtomicU64> = times.iter().map(|_| AtomicU64::new(0)).collect();
    let answers: Vec<OnceLock<Answer>> = times.iter().map(|_| OnceLock::new()).collect();
    let finished = AtomicUsize::new(0);
    let started = OnceLock::new();

    thread::scope(|scope| {
        let mut readers = Vec::new();
        for (number, connection) in connections.iter().enumerate() {
            let (free, slot, done, answers) = (&free, &slots[number], &done, &answers);
            let (started, finished) = (&started, &finished);
            readers.push(scope.spawn(move || {
                let mut reader = BufReader::new(&connection.0);
                if number < WARM {
                    connection.write(&body(model, "warm-up", number));
                    let answer = read_answer(&mut reader).unwrap();
                    // With a queue policy, some of the warm-up may be refused.
                    check(&answer, "warm-up", number);
                    free.lock().unwrap().push(number);
                }
                while let Some(answer) = read_answer(&mut reader) {
                    let now = since(started);
                    let index = slot.load(Ordering::Acquire);
                    answers[index].set(check(&answer, case, index)).expect("one answer each");
                    done[index].store(now.get(), Ordering::Release);
                    free.lock().unwrap().push(number);
                    finished.fetch_add(1, Ordering::Release);
                }
            }));
        }
        let wait_for = |what, condition: &dyn Fn() -> bool| {
            wait_for(what, || {
                let ended = readers.iter().any(ScopedJoinHandle::is_finished);
                assert!(!ended, "a connection failed while waiting for {what}");
                condition()
            });
        };
        // Readers end when their connections do, also when this thread panics.
        let _hang_up = HangUp(&connections);
        wait_for("the answers to the warm-up", &|| free.lock().unwrap().len() == count);
        let start = *started.get_or_init(|| Instant::now() + LEAD);

        let mut sent = Vec::with_capacity(times.len());
        for (index, &time) in times.iter().enumerate() {
            let request = body(model, case, index);
            wait_until(start + Duration::from_nanos(time.get()));
            let number = free.lock().unwrap().pop();
            let number = number.expect("there are as many connections as requests");
            slots[number].store(index, Ordering::Release);
            sent.push(since(&started));
            connections[number].write(&request);
        }
        wait_for("the last answers", &|| finished.load(Ordering::Acquire) == times.len());
        (times.iter().zip(sent).zip(done.iter().zip(&answers)))
            .map(|((&intended, sent), (done, answer))| Sent {
                intended,
                sent,
                done: Nanoseconds::new(done.load(Ordering::Acquire)),
                answer: *answer.get().expect("all answers are there"),
            })
            .collect()
    })
}

#[derive(Debug)]
struct Connection(TcpStream);

impl Connection {
    fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    fn write(&self, request: &[u8]) {
        (&self.0).write_all(request).unwrap();
    }
}

struct HangUp<'a>(&'a [Connection]);

impl Drop for HangUp<'_> {
    fn drop(&mut self) {
        for Connection(stream) in self.0 {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn since(start: &OnceLock<Instant>) -> Nanoseconds {
    let passed = start.get().expect("the run has started").elapsed();
    Nanoseconds::new(u64::try_from(passed.as_nanos()).expect("a run ends within 584 years"))
}

fn wait_until(deadline: Instant) {
    let left = deadline.saturating_duration_since(Instant::now());
    thread::sleep(left.saturating_sub(SPIN));
    while Instant::now() < deadline {
        std::hint::spin_loop();
    }
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DRAIN_LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come in {DRAIN_LIMIT:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn body(model: &str, case: &str, index: usize) -> Vec<u8> {
    let body = format!(
        r#"{{"id":"{}","inputs":[{{"name":"IN","datatype":"FP32","shape":[1,4],"data":[{index},1,2,3]}}]}}"#,
        request_id(case, index)
    );
    let head = format!(
        "POST /v2/models/{model}/infer HTTP/1.1\r\nHost: 127.0.0.1\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    (head + &body).into_bytes()
}

/// Reads one answer, its status and its body; `None` when the connection was closed before it.
fn read_answer(reader: &mut BufReader<&TcpStream>) -> Option<(String, String)> {
    let mut status = String::new();
    if reader.read_line(&mut status).unwrap_or(0) == 0 {
        return None;
    }
    let mut head = status.clone();
    let mut length = None;
    loop {
        let start = head.len();
        let read = reader.read_line(&mut head).unwrap();
        assert!(read > 0, "the connection was closed within an answer: {head:?}");
        let line = head[start..].trim_end();
        if line.is_empty() {
            break;
        }
        // Once in a hundred thousand answers Triton 24.10 sends ": 147" for "Content-Length: 147".
        if let Some((name, value)) = line.split_once(':')
            && (name.is_empty() || name.eq_ignore_ascii_case("content-length"))
        {
            length = value.trim().parse().ok();
        }
    }
    let length = length.unwrap_or_else(|| panic!("an answer without its length: {head:?}"));
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    Some((status, String::from_utf8(body).unwrap()))
}

/// Checks that an answer is one to this request: the input plus one, or that a queue policy refuses it.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^24, as FP32 is")]
fn check((status, body): &(String, String), case: &str, index: usize) -> Answer {
    if !status.starts_with("HTTP/1.1 200") {
        return match body {
            body if body.contains("queue size") => Answer::Rejected,
            body if body.contains("timeout") => Answer::TimedOut,
            _ => panic!("{status}{body}"),
        };
    }
    let answer: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(answer["id"], request_id(case, index));
    let data = serde_json::json!([index as f64 + 1.0, 2.0, 3.0, 4.0]);
    assert_eq!(answer["outputs"][0]["data"], data);
    Answer::Output
}
