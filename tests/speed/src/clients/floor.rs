//! The floor: questions of one length put into one datagram that the kernel cuts (GSO), answers received many a call and
//! counted. No parsing, no time-out, no retry: nothing that asks over UDP costs less.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::{Lines, Outcome};
use crate::fault::Fault;
use crate::message;
use crate::socket::Socket;

/// Questions in one send: beyond it the gain is small, and a server's queue takes the burst badly.
const TOGETHER: usize = 32;
/// Lengths that are kept apart: a name has at most 255 octets.
const LENGTHS: usize = 320;
/// How long to sleep where nothing came: answers then come by the hundred.
const TICK: Duration = Duration::from_micros(500);
/// What has not come after this long is lost.
const PATIENCE: Duration = Duration::from_secs(1);

struct Floor {
    server: SocketAddr,
    socket: Socket,
    sent: u64,
    answered: u64,
}

/// Asks for every domain of the list.
pub(super) fn run(server: SocketAddr, window: usize, list: &Path) -> Result<Outcome, Fault> {
    let mut lines = Lines::open(list)?;
    let mut floor = Floor { server, socket: Socket::connect(server)?, sent: 0, answered: 0 };
    let mut buckets: Vec<Vec<u8>> = vec![Vec::new(); LENGTHS];
    let mut question = Vec::with_capacity(LENGTHS);
    let (mut domains, window) = (0_u64, window as u64);
    while let Some(domain) = lines.next()? {
        let id = (domains & 0xffff) as u16;
        if message::ask(id, domain, &mut question).is_none() || question.len() >= LENGTHS {
            return Err(Fault::new(format!("cannot ask for {domain}")));
        }
        domains += 1;
        let bucket = &mut buckets[question.len()];
        bucket.extend_from_slice(&question);
        if bucket.len() == TOGETHER * question.len() {
            floor.send(bucket, question.len())?;
            floor.receive_until(window)?;
        }
    }
    for (length, bucket) in buckets.iter_mut().enumerate().filter(|(_, bucket)| !bucket.is_empty()) {
        floor.send(bucket, length)?;
    }
    floor.receive_until(0)?;
    Ok(Outcome { domains, found: None, failed: Some(domains - floor.answered), wrong: None })
}

impl Floor {
    fn send(&mut self, bucket: &mut Vec<u8>, length: usize) -> Result<(), Fault> {
        while let Err(error) = self.socket.send_segmented(self.server, bucket, length) {
            if error.kind() != io::ErrorKind::WouldBlock {
                return Err(Fault::while_doing("send questions")(error));
            }
            thread::sleep(TICK);
        }
        self.sent += (bucket.len() / length) as u64;
        bucket.clear();
        Ok(())
    }

    /// Receives until no more than `left` answers are missing, or nothing comes any more.
    fn receive_until(&mut self, left: u64) -> Result<(), Fault> {
        let mut since = Instant::now();
        while self.sent - self.answered > left {
            let mut came = 0;
            self.socket.receive(|_, _, _| came += 1).map_err(Fault::while_doing("receive answers"))?;
            self.answered += came;
            if came > 0 {
                since = Instant::now();
            } else if since.elapsed() > PATIENCE {
                break;
            } else {
                thread::sleep(TICK);
            }
        }
        Ok(())
    }
}
