//! DNS over UDP: a few long-lived connected sockets for one resolver, and the questions in flight on each
//! (RFC 1035 4.2.1, RFC 5452 4 and 9).
//!
//! A connected socket takes packets from the resolver alone and hears at once that nothing listens there. One task reads
//! each socket; it ends when the last holder of the socket lets go.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::message::{self, Decoded, Received};
use super::question::{Query, Question};
use super::trouble::Trouble;

/// Sockets for one resolver: enough that a forger must guess the port too, few enough to keep their buffers large.
const SOCKETS: usize = 4;
/// Questions in flight on one socket: 1 of 16 ids, so that a forger's guess is mostly wrong.
const IN_FLIGHT_MAX: usize = 4096;
/// A socket gives way to a new one, with another port, after so many questions or so long (RFC 5452 9.2).
const QUESTIONS_MAX: u32 = 50_000;
const AGE_MAX: Duration = Duration::from_secs(120);
/// What a datagram may hold. We offer 1,232 bytes; what is longer than this no server may send, and is cut (RFC 6891 6.2.5).
const DATAGRAM_MAX: usize = 4096;
/// The receive queue: the answers of a few thousand questions may come in one burst. The system may grant less.
const RECEIVE_BUFFER: usize = 4 << 20;
/// How long the reader rests after an error of its socket that it cannot name, so as not to spin.
const REST: Duration = Duration::from_millis(10);

/// The tasks that read sockets. `None` once the resolver is closed.
#[derive(Clone, Debug)]
pub(super) struct Readers(Arc<Mutex<Option<JoinSet<()>>>>);

impl Readers {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Some(JoinSet::new()))))
    }

    /// Ends all tasks and waits for them. None begins afterwards.
    pub(super) async fn close(&self) {
        let tasks = self.tasks().take();
        if let Some(mut tasks) = tasks {
            tasks.shutdown().await;
        }
    }

    /// Starts a task, unless closed; forgets those that have ended.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(tasks) = self.tasks().as_mut() {
            while tasks.try_join_next().is_some() {}
            tasks.spawn(task);
        }
    }

    fn is_open(&self) -> bool {
        self.tasks().is_some()
    }

    fn tasks(&self) -> MutexGuard<'_, Option<JoinSet<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sockets for one resolver.
#[derive(Debug)]
pub(super) struct Sockets {
    to: SocketAddr,
    slots: Mutex<[Option<Arc<Port>>; SOCKETS]>,
    turn: AtomicUsize,
    readers: Readers,
}

impl Sockets {
    pub(super) fn new(to: SocketAddr, readers: Readers) -> Self {
        Self { to, slots: Mutex::default(), turn: AtomicUsize::new(0), readers }
    }

    /// Sends one datagram and waits for its answer.
    pub(super) async fn ask(&self, question: &Question, edns: bool, wait: Duration) -> Result<Decoded, Trouble> {
        let port = self.port()?;
        let (reply, heard) = oneshot::channel();
        let ticket = port.waiting.enter(Query::datagram(question, edns), reply)?;
        let exchange = async {
            port.socket.send(ticket.query.bytes()).await?;
            io::Result::Ok(heard.await)
        };
        match tokio::time::timeout(wait, exchange).await {
            Ok(Ok(Ok(outcome))) => outcome,
            // Nobody else can drop our entry; the type does not know.
            Ok(Ok(Err(_))) => Err(Trouble::Timeout),
            Ok(Err(error)) => {
                // The error is that of an earlier datagram; all that are in flight went to the same dead port.
                let trouble = Trouble::of_datagram(&error);
                if trouble != Trouble::Pressure {
                    port.waiting.fail_all(&trouble);
                }
                Err(trouble)
            }
            // A malformed answer may be a forgery, so the wait for a right one goes on to its end.
            Err(_) if ticket.saw_malformed() => Err(Trouble::Malformed),
            Err(_) => Err(Trouble::Timeout),
        }
    }

    /// Lets go of all sockets; what is in flight fails.
    pub(super) fn close(&self) {
        let ports = std::mem::take(&mut *self.slots.lock().unwrap_or_else(PoisonError::into_inner));
        for port in ports.into_iter().flatten() {
            port.waiting.fail_all(&closed());
        }
    }

    /// The next socket in turn, a new one where that is worn out.
    fn port(&self) -> Result<Arc<Port>, Trouble> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % SOCKETS;
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(port) = &slots[turn]
            && port.questions.fetch_add(1, Ordering::Relaxed) < QUESTIONS_MAX
            && port.born.elapsed() < AGE_MAX
        {
            return Ok(Arc::clone(port));
        }
        if !self.readers.is_open() {
            return Err(closed());
        }
        let port = Arc::new(self.open().map_err(|error| Trouble::of_datagram(&error))?);
        slots[turn] = Some(Arc::clone(&port));
        Ok(port)
    }

    fn open(&self) -> io::Result<Port> {
        let any: SocketAddr = match self.to {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = std::net::UdpSocket::bind(any)?;
        // A smaller buffer than asked for is no reason to stop.
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER);
        socket.connect(self.to)?;
        socket.set_nonblocking(true)?;
        let socket = Arc::new(UdpSocket::from_std(socket)?);
        let waiting = Arc::new(Waiting::default());
        let (held, let_go) = oneshot::channel();
        self.readers.spawn(read(Arc::clone(&socket), Arc::clone(&waiting), let_go));
        Ok(Port { socket, waiting, born: Instant::now(), questions: AtomicU32::new(0), _held: held })
    }
}

/// One connected socket.
#[derive(Debug)]
struct Port {
    socket: Arc<UdpSocket>,
    waiting: Arc<Waiting>,
    born: Instant,
    questions: AtomicU32,
    /// Dropped with the port, which ends its reader.
    _held: oneshot::Sender<()>,
}

/// Reads a socket until nobody holds its port.
async fn read(socket: Arc<UdpSocket>, waiting: Arc<Waiting>, mut let_go: oneshot::Receiver<()>) {
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        let received = tokio::select! {
            received = socket.recv(&mut buffer) => received,
            _ = &mut let_go => return,
        };
        match received {
            Ok(length) => waiting.deliver(&buffer[..length]),
            Err(error) => {
                waiting.fail_all(&Trouble::of_datagram(&error));
                if error.kind() != io::ErrorKind::ConnectionRefused {
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }
}

/// What a question comes to that is in flight when the resolver is closed, or asked afterwards.
fn closed() -> Trouble {
    Trouble::Down("the resolver was closed".to_owned())
}

type Reply = oneshot::Sender<Result<Decoded, Trouble>>;

/// The questions in flight on one socket, by id.
#[derive(Debug, Default)]
struct Waiting(Mutex<HashMap<u16, Asked>>);

#[derive(Debug)]
struct Asked {
    query: Arc<Query>,
    reply: Reply,
    malformed: bool,
}

impl Waiting {
    /// Enters a question under an id that no other in flight has.
    fn enter(&self, mut query: Query, reply: Reply) -> Result<Ticket<'_>, Trouble> {
        let mut table = self.table();
        if table.len() >= IN_FLIGHT_MAX {
            return Err(Trouble::Pressure);
        }
        while table.contains_key(&query.id()) {
            query.renumber();
        }
        let query = Arc::new(query);
        table.insert(query.id(), Asked { query: Arc::clone(&query), reply, malformed: false });
        Ok(Ticket { waiting: self, query })
    }

    /// Hands a packet to the question that it answers; anything else is ignored.
    fn deliver(&self, packet: &[u8]) {
        let Some(id) = message::id(packet) else { return };
        let Some(query) = self.table().get(&id).map(|asked| Arc::clone(&asked.query)) else { return };
        // Decoded outside the lock: senders need the table.
        let outcome = match message::receive(packet, &query) {
            Received::Foreign => return,
            Received::Malformed => {
                if let Entry::Occupied(mut asked) = self.table().entry(id) {
                    asked.get_mut().malformed = true;
                }
                return;
            }
            Received::Truncated => Err(Trouble::Truncated),
            Received::CaseChanged => Err(Trouble::CaseChanged),
            Received::Answer(decoded) => Ok(*decoded),
        };
        if let Entry::Occupied(asked) = self.table().entry(id)
            && Arc::ptr_eq(&asked.get().query, &query)
        {
            // Who asked may have given up in this moment.
            let _ = asked.remove().reply.send(outcome);
        }
    }

    /// Ends every question in flight: nothing listens at the other end.
    fn fail_all(&self, trouble: &Trouble) {
        let asked = std::mem::take(&mut *self.table());
        for asked in asked.into_values() {
            let _ = asked.reply.send(Err(trouble.clone()));
        }
    }

    fn table(&self) -> MutexGuard<'_, HashMap<u16, Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question's place in the table, until it is dropped.
struct Ticket<'a> {
    waiting: &'a Waiting,
    query: Arc<Query>,
}

impl Ticket<'_> {
    fn saw_malformed(&self) -> bool {
        let table = self.waiting.table();
        table.get(&self.query.id()).is_some_and(|asked| self.is(asked) && asked.malformed)
    }

    /// Whether an entry is ours: once we were answered, another question may have got our id.
    fn is(&self, asked: &Asked) -> bool {
        Arc::ptr_eq(&asked.query, &self.query)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if let Entry::Occupied(asked) = self.waiting.table().entry(self.query.id())
            && self.is(asked.get())
        {
            asked.remove();
        }
    }
}
