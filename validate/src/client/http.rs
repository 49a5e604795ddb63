//! The pool of connections to one server.

use super::access::Access;
use super::address::Address;
use super::connection::{Connection, lock, serve};
use super::request::{RequestTemplate, Tag};
use super::response::Response;
use super::{Answer, ClientError, InferClient, ServerPool};
use crate::clock;
use igniter::units::Nanoseconds;
use std::collections::VecDeque;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// Options of the connections to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpOptions {
    /// Number of connections to open before the load.
    pub connections: u32,
    /// Maximum number of open connections; requests wait once all are busy.
    pub most_connections: u32,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self { connections: 32, most_connections: most_connections(1) }
    }
}

/// Returns the maximum number of connections that a client opens to one server when it talks to this many
/// servers. The bound leaves some room below the number of ports for one address, and below this process's
/// limit on open files.
#[must_use]
pub fn most_connections(servers: u32) -> u32 {
    /// Linux has 28,232 ports for connections to one address.
    const PORTS: u32 = 16_384;
    /// Number of open files that are not connections.
    const OTHERS: u64 = 256;
    let files = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)
        .map_or(1024, |(soft, _)| soft);
    let each = files.saturating_sub(OTHERS) / u64::from(servers.max(1));
    u32::try_from(each).unwrap_or(u32::MAX).clamp(64, PORTS)
}

/// A client of one model on one server.
#[derive(Debug, Clone)]
pub struct HttpClient(Arc<HttpShared>);

/// The shape of an answer: status, length of its JSON, length of the rest.
type AnswerShape = (u16, usize, usize);

/// The state that the connections of a client share.
#[derive(Debug)]
pub(super) struct HttpShared {
    pub(super) socket: SocketAddr,
    pub(super) address: Address,
    #[cfg(feature = "remote")]
    pub(super) tls: Option<super::Tls>,
    templates: Vec<RequestTemplate>,
    options: HttpOptions,
    answers: Sender<Answer>,
    runtime: Handle,
    pool: Mutex<Pool>,
    opened: AtomicU32,
    exhausted: AtomicU64,
    /// The shape of an answer that was parsed, with its number of output bytes.
    known: Mutex<Option<(AnswerShape, u64)>>,
}

#[derive(Debug, Default)]
struct Pool {
    /// First in, first out: this keeps all connections in use, and with them all threads of the server.
    free: VecDeque<Arc<Connection>>,
    /// Requests that found no free connection.
    waiting: VecDeque<(Tag, Nanoseconds)>,
    open: u32,
    opening: u32,
    closed: bool,
    /// The tasks that serve the connections and hold them.
    tasks: Vec<AbortHandle>,
}

impl HttpClient {
    /// Opens the pool, all connections at once. `templates` are the inputs; request i takes number i modulo
    /// their count.
    ///
    /// # Errors
    /// When the address cannot be used or a connection cannot be opened.
    ///
    /// # Panics
    /// When `templates` is empty.
    pub fn open(
        runtime: &Handle,
        address: Address,
        access: &Access,
        templates: Vec<RequestTemplate>,
        options: HttpOptions,
        answers: Sender<Answer>,
    ) -> Result<Self, ClientError> {
        assert!(!templates.is_empty(), "a client needs something to send");
        #[cfg(not(feature = "remote"))]
        let _ = access;
        let shared = Arc::new(HttpShared {
            socket: socket(&address)?,
            #[cfg(feature = "remote")]
            tls: if address.sealed { Some(access.tls()?) } else { None },
            address,
            templates,
            options,
            answers,
            runtime: runtime.clone(),
            pool: Mutex::new(Pool::default()),
            opened: AtomicU32::new(0),
            exhausted: AtomicU64::new(0),
            known: Mutex::new(None),
        });
        let opened: Vec<_> = (0..options.connections)
            .map(|_| runtime.spawn(HttpShared::add(shared.clone())))
            .collect();
        for task in opened {
            let outcome = runtime.block_on(task).unwrap_or_else(|error| Err(error.into()));
            outcome.map_err(|source| connect(&shared.address, source))?;
        }
        Ok(Self(shared))
    }
}

impl ServerPool for HttpClient {
    fn connections(&self) -> u32 {
        self.0.opened.load(Ordering::Relaxed)
    }

    fn most_connections(&self) -> u32 {
        self.0.options.most_connections
    }

    fn close(&self) {
        let mut pool = lock(&self.0.pool);
        pool.closed = true;
        pool.free.clear();
        pool.waiting.clear();
        // A server that is asked to end waits for its connections.
        pool.tasks.drain(..).for_each(|task| task.abort());
    }
}

impl InferClient for HttpClient {
    fn send(&self, tag: Tag, intended: Nanoseconds) {
        let free = {
            let mut pool = lock(&self.0.pool);
            let free = pool.free.pop_front();
            if free.is_none() {
                pool.waiting.push_back((tag, intended));
                if pool.open + pool.opening < self.0.options.most_connections && !pool.closed {
                    pool.opening += 1;
                    self.0.runtime.spawn(HttpShared::grow(self.0.clone()));
                }
            }
            free
        };
        match free {
            Some(connection) => connection.write(&self.0, tag, intended),
            None => {
                self.0.exhausted.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn exhausted(&self) -> u64 {
        self.0.exhausted.load(Ordering::Relaxed)
    }
}

impl HttpShared {
    pub(super) fn template(&self, tag: Tag) -> &RequestTemplate {
        &self.templates[tag.index as usize % self.templates.len()]
    }

    /// Opens one more connection and puts it to use.
    async fn add(self: Arc<Self>) -> std::io::Result<()> {
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        let (connection, serving) = Connection::open(&self, number).await?;
        let connection = Arc::new(connection);
        let task = tokio::spawn(serve(self.clone(), connection.clone(), serving));
        {
            let mut pool = lock(&self.pool);
            pool.open += 1;
            pool.tasks.push(task.abort_handle());
        }
        self.release(&connection);
        Ok(())
    }

    /// Does the same while requests wait. The requests fail where the connection cannot be opened and no
    /// other is left.
    async fn grow(self: Arc<Self>) {
        let outcome = self.clone().add().await;
        let mut pool = lock(&self.pool);
        pool.opening -= 1;
        if let Err(error) = outcome
            && pool.open == 0
        {
            let waiting = std::mem::take(&mut pool.waiting);
            drop(pool);
            for (tag, intended) in waiting {
                let now = clock::now();
                self.report(Answer {
                    tag,
                    intended,
                    sent: now,
                    written: now,
                    first_byte: now,
                    done: now,
                    connection: u32::MAX,
                    result: Err(format!("cannot connect to {}: {error}", self.address)),
                });
            }
        }
    }

    /// Frees a connection, which then takes the request that waited longest.
    pub(super) fn release(&self, connection: &Arc<Connection>) {
        let waiting = {
            let mut pool = lock(&self.pool);
            if pool.closed {
                return;
            }
            let waiting = pool.waiting.pop_front();
            if waiting.is_none() {
                pool.free.push_back(connection.clone());
            }
            waiting
        };
        if let Some((tag, intended)) = waiting {
            connection.write(self, tag, intended);
        }
    }

    /// Removes a connection that was lost.
    pub(super) fn lost(self: &Arc<Self>, connection: &Arc<Connection>) {
        let mut pool = lock(&self.pool);
        pool.free.retain(|free| !Arc::ptr_eq(free, connection));
        pool.open = pool.open.saturating_sub(1);
        if !pool.waiting.is_empty() && !pool.closed {
            pool.opening += 1;
            self.runtime.spawn(Self::grow(self.clone()));
        }
    }

    pub(super) fn report(&self, answer: Answer) {
        // Nobody listens any more once a run has been given up.
        let _ = self.answers.send(answer);
    }

    /// Evaluates an answer. Answers with the shape of an earlier good one count as good without being parsed.
    pub(super) fn judge(&self, response: &Response) -> Result<u64, String> {
        let shape = response.shape();
        if let Some((known, bytes)) = *lock(&self.known)
            && known == shape
        {
            return Ok(bytes);
        }
        let bytes = response.output_bytes()?;
        *lock(&self.known) = Some((shape, bytes));
        Ok(bytes)
    }
}

/// Returns the first address of a host.
fn socket(address: &Address) -> Result<SocketAddr, ClientError> {
    let mut found = (address.host.as_str(), address.port)
        .to_socket_addrs()
        .map_err(|source| connect(address, source))?;
    let none = || connect(address, std::io::Error::other("the host has no address"));
    found.next().ok_or_else(none)
}

fn connect(address: &Address, source: std::io::Error) -> ClientError {
    ClientError::Connect { url: address.to_string(), source }
}
