//! A UDP socket that receives many datagrams a call.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};

use crate::fault::Fault;

/// Octets asked for in each direction. What the system refuses it cuts; a burst of thousands of questions needs megabytes, for
/// the kernel counts 768 octets and more for each.
const BUFFER: usize = 16 << 20;
/// Room for a datagram of DNS as we ask for them; with UDP_GRO the kernel puts many into one buffer, up to 64 KiB.
const ROOM: usize = 4_096;
const ROOM_GRO: usize = 1 << 16;

/// A socket with its buffers.
pub(crate) struct Socket {
    socket: UdpSocket,
    state: UdpSocketState,
    room: usize,
    buffers: Vec<u8>,
    received: [RecvMeta; BATCH_SIZE],
}

impl Socket {
    /// A socket at this address. With `gro` the kernel hands on what came as one segmented datagram as it is, which spares the
    /// *sender* the segmentation; the DNS servers of the Internet do not ask for that.
    pub(crate) fn bind(address: SocketAddr, gro: bool) -> Result<Self, Fault> {
        let socket = UdpSocket::bind(address).map_err(Fault::while_doing(format!("listen at {address}")))?;
        Self::over(socket, gro).map_err(Fault::while_doing("prepare a socket"))
    }

    /// A socket that talks to this server and nobody else.
    pub(crate) fn connect(server: SocketAddr) -> Result<Self, Fault> {
        let connected = UdpSocket::bind("127.0.0.1:0").and_then(|socket| {
            socket.connect(server)?;
            Self::over(socket, false)
        });
        connected.map_err(Fault::while_doing(format!("connect to {server}")))
    }

    fn over(socket: UdpSocket, gro: bool) -> io::Result<Self> {
        let state = UdpSocketState::new((&socket).into())?;
        setsockopt(&socket, sockopt::UdpGroSegment, &gro)?;
        // Times nobody reads would cost every process on the machine.
        setsockopt(&socket, sockopt::ReceiveTimestampns, &false)?;
        // Beyond the system's limit where we may, up to it where not.
        if setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &BUFFER)?;
        }
        setsockopt(&socket, sockopt::SndBuf, &BUFFER)?;
        let room = if gro { ROOM_GRO } else { ROOM };
        let buffers = vec![0; room * BATCH_SIZE];
        Ok(Self { socket, state, room, buffers, received: [RecvMeta::default(); BATCH_SIZE] })
    }

    /// Where it is bound.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Hands on the datagrams of one call, and says how many buffers they filled; 0 where nothing is there.
    pub(crate) fn receive(&mut self, mut each: impl FnMut(&UdpSocket, SocketAddr, &[u8])) -> io::Result<usize> {
        let mut slices = self.buffers.chunks_exact_mut(self.room).map(IoSliceMut::new);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| slices.next().expect("the buffers are BATCH_SIZE times the room"));
        let filled = match self.state.recv((&self.socket).into(), &mut slices, &mut self.received) {
            Ok(filled) => filled,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            // A client that is gone; the next datagram is another's.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(0),
            Err(error) => return Err(error),
        };
        for (meta, slice) in self.received[..filled].iter().zip(&slices) {
            for datagram in slice[..meta.len].chunks(meta.stride.max(1)) {
                each(&self.socket, meta.addr, datagram);
            }
        }
        Ok(filled)
    }

    /// Sends datagrams of this length, put together, to the server that we are connected to: one call, cut by the kernel (GSO).
    pub(crate) fn send_segmented(&self, server: SocketAddr, contents: &[u8], length: usize) -> io::Result<()> {
        let transmit = Transmit { destination: server, ecn: None, contents, segment_size: Some(length), src_ip: None };
        self.state.try_send((&self.socket).into(), &transmit)
    }

    /// Sends one datagram.
    pub(crate) fn send_to(&self, to: SocketAddr, datagram: &[u8]) -> io::Result<usize> {
        self.socket.send_to(datagram, to)
    }

    /// Waits until something is there, or the time is over.
    pub(crate) fn wait(&self, time: Duration) -> io::Result<()> {
        let time = PollTimeout::try_from(time).unwrap_or(PollTimeout::ZERO);
        match poll(&mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)], time) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
