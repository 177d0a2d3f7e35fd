//! A DNS server on loopback that answers as a test tells it to, on a thread of its own, and can die and come back.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::dns::hostile::Ask;

/// What to send back, datagram by datagram.
pub(super) type Answering = Box<dyn FnMut(&Ask) -> Vec<Vec<u8>> + Send>;

/// How often a server looks whether it is to end.
const LOOK: Duration = Duration::from_millis(20);

pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// Datagrams by name in lower case and type.
    counts: Arc<Mutex<HashMap<(String, u16), usize>>>,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<Answering>>,
}

impl Server {
    pub(super) fn start(answering: Answering) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let mut server = Self { address, counts: Arc::default(), end: Arc::default(), thread: None };
        server.serve(socket, answering);
        server
    }

    fn serve(&mut self, socket: UdpSocket, answering: Answering) {
        // So that a burst is not lost.
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20);
        socket.set_read_timeout(Some(LOOK)).unwrap();
        self.end.store(false, Ordering::Relaxed);
        let (counts, end) = (Arc::clone(&self.counts), Arc::clone(&self.end));
        self.thread = Some(std::thread::spawn(move || serve(&socket, answering, &counts, &end)));
    }

    /// Ends it: its port is closed, and what it had not read is lost.
    pub(super) fn die(&mut self) -> Answering {
        self.end.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }

    /// Starts it again on the same port.
    pub(super) fn come_back(&mut self, answering: Answering) {
        let socket = UdpSocket::bind(self.address).unwrap();
        self.serve(socket, answering);
    }

    /// How many datagrams asked for this name and type.
    pub(super) fn datagrams(&self, name: &str, qtype: u16) -> usize {
        self.counts.lock().unwrap().get(&(name.to_owned(), qtype)).copied().unwrap_or(0)
    }

    /// How many datagrams asked for names of which this holds, and the most for one of them.
    pub(super) fn count(&self, holds: impl Fn(&str) -> bool) -> (usize, usize) {
        let counts = self.counts.lock().unwrap();
        let counted = counts.iter().filter(|((name, _), _)| holds(name)).map(|(_, count)| *count);
        counted.fold((0, 0), |(all, most), count| (all + count, most.max(count)))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(
    socket: &UdpSocket,
    mut answering: Answering,
    counts: &Mutex<HashMap<(String, u16), usize>>,
    end: &AtomicBool,
) -> Answering {
    let mut buffer = [0; 2048];
    while !end.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        let mut ask = Ask::read(&buffer[..length]);
        {
            let mut counts = counts.lock().unwrap();
            let count = counts.entry((ask.name.clone(), ask.qtype)).or_default();
            ask.before = *count;
            *count += 1;
        }
        for packet in answering(&ask) {
            // Who asked may be gone.
            let _ = socket.send_to(&packet, from);
        }
    }
    answering
}
