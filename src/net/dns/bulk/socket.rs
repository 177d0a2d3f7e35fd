//! One connected UDP socket of the engine, and which question has which id on it (RFC 1035 4.2.1, RFC 5452 4 and 9).

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};

use super::flights::QuestionId;
use super::ids::Ids;
use super::moment::Moment;

/// Questions in flight on one socket: 1 of 16 ids, so that a forger's guess is mostly wrong.
pub(super) const IN_FLIGHT_MAX: usize = 4096;
/// A socket gives way to a new one, with another port, after so many questions or so long (RFC 5452 9.2).
const QUESTIONS_MAX: usize = 50_000;
const AGE_MAX: u64 = 120 * Moment::SECOND;
/// The receive queue: the answers of a few thousand questions may come in one burst. The system may grant less.
const RECEIVE_BUFFER: usize = 4 << 20;
/// What a datagram may hold. We offer 1,232 octets; what is longer than this no server may send, and is cut (RFC 6891 6.2.5).
const DATAGRAM_MAX: usize = 4096;
/// From one buffer to the next: not a power of two, for the beginnings of all of them are in use, and would have to share
/// a few lines of the processor's cache.
const BUFFER: usize = DATAGRAM_MAX + 192;

/// How sockets are read and written: several datagrams a call of the system where it can.
///
/// The state belongs to a socket that is never used. It would turn on coalescing of what is received (GRO), timestamps and
/// destination addresses, which cost every datagram, and gain nothing: answers differ in length, so few can be coalesced.
pub(super) struct Driver {
    state: UdpSocketState,
    buffers: Vec<u8>,
    meta: [RecvMeta; BATCH_SIZE],
}

impl Driver {
    /// Finds out what this system can do.
    pub(super) fn new() -> io::Result<Self> {
        let probe = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).or_else(|_| UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)))?;
        let state = UdpSocketState::new((&probe).into())?;
        Ok(Self { state, buffers: vec![0; BUFFER * BATCH_SIZE], meta: [RecvMeta::default(); BATCH_SIZE] })
    }

    /// Datagrams of one length that one call can send.
    pub(super) fn batch(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// Receives what is there, as many datagrams as fit, and says how many.
    pub(super) fn receive(&mut self, socket: &Socket) -> io::Result<usize> {
        let mut buffers = self.buffers.chunks_exact_mut(BUFFER);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(buffers.next().expect("there are as many buffers as slices")));
        self.state.recv((&socket.socket).into(), &mut slices, &mut self.meta)
    }

    /// The datagram of this number among those that were received last.
    pub(super) fn datagram(&self, number: usize) -> &[u8] {
        &self.buffers[number * BUFFER..][..self.meta[number].len.min(BUFFER)]
    }

    /// Sends datagrams of this length that stand one behind the other, all or none in one call.
    pub(super) fn send(&self, socket: &Socket, datagrams: &[u8], length: usize) -> io::Result<()> {
        let segment_size = (datagrams.len() > length).then_some(length);
        let transmit = Transmit { destination: socket.to, ecn: None, contents: datagrams, segment_size, src_ip: None };
        self.state.try_send((&socket.socket).into(), &transmit)
    }
}

/// One socket, connected to one resolver: it takes packets from there alone.
pub(super) struct Socket {
    socket: UdpSocket,
    to: SocketAddr,
    born: Moment,
    /// The questions in flight.
    ids: Ids,
    asked: usize,
}

impl Socket {
    /// A socket on a port that the system chooses.
    pub(super) fn open(to: SocketAddr, now: Moment) -> io::Result<Self> {
        let any: SocketAddr = match to {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any)?;
        // A smaller buffer than asked for is no reason to stop.
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER);
        socket.connect(to)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, to, born: now, ids: Ids::new(), asked: 0 })
    }

    /// Whether it is time for another port.
    pub(super) fn is_worn(&self, now: Moment) -> bool {
        self.asked >= QUESTIONS_MAX || now.since(self.born) >= AGE_MAX
    }

    /// It is time for another port.
    pub(super) fn wear_out(&mut self) {
        self.asked = QUESTIONS_MAX;
    }

    /// Whether so many more may be in flight on it.
    pub(super) fn has_room(&self, count: usize) -> bool {
        self.ids.used() + count <= IN_FLIGHT_MAX
    }

    /// Whether nothing is in flight on it.
    pub(super) fn is_idle(&self) -> bool {
        self.ids.used() == 0
    }

    /// Gives a question this id, unless another in flight has it.
    pub(super) fn enter(&mut self, id: u16, question: QuestionId) -> bool {
        let is_free = self.ids.enter(id, question);
        self.asked += usize::from(is_free);
        is_free
    }

    /// The question in flight that has this id, or none.
    pub(super) fn find(&self, id: u16) -> QuestionId {
        self.ids.find(id)
    }

    /// Takes the question out of flight that has this id.
    pub(super) fn leave(&mut self, id: u16) {
        self.ids.leave(id);
    }

    /// Takes every question out of flight but the control question, which tells when the resolver is back.
    pub(super) fn clear(&mut self) -> Vec<QuestionId> {
        self.ids.clear()
    }
}
