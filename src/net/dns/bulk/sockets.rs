//! The sockets for one resolver: which one to send over next, and when one gives way to a new one (RFC 5452 9.2).

use std::io;
use std::net::SocketAddr;

use super::flights::QuestionId;
use super::moment::Moment;
use super::socket::Socket;

/// Sockets in use at a time for one resolver and engine: enough that a forger must guess the port too and that receive
/// queues are short, few enough to be read in each turn.
const IN_USE_MAX: usize = 16;
/// Sockets with those that gave way and still wait for answers: a few seconds of the fastest renewal.
const OPEN_MAX: usize = 64;
/// Questions in flight for which one more socket is opened: what the smallest receive queue of a Linux system holds.
const EACH: usize = 512;

/// The sockets for one resolver.
pub(super) struct Sockets {
    to: SocketAddr,
    sockets: Vec<Option<Socket>>,
    in_use: Vec<usize>,
    turn: usize,
}

impl Sockets {
    /// One socket to begin with.
    pub(super) fn open(to: SocketAddr, now: Moment) -> io::Result<Self> {
        let first = Socket::open(to, now)?;
        Ok(Self { to, sockets: vec![Some(first)], in_use: vec![0], turn: 0 })
    }

    /// How many places there are for sockets; some are empty.
    pub(super) fn count(&self) -> usize {
        self.sockets.len()
    }

    /// The socket at this place.
    pub(super) fn get(&self, place: usize) -> Option<&Socket> {
        self.sockets.get(place).and_then(Option::as_ref)
    }

    /// The socket at this place, to be changed.
    pub(super) fn change(&mut self, place: usize) -> Option<&mut Socket> {
        self.sockets.get_mut(place).and_then(Option::as_mut)
    }

    /// The next socket in turn for so many questions, when so many are in flight; a new one where that is worn. `None` where
    /// all are full.
    pub(super) fn next(&mut self, count: usize, in_flight: usize, now: Moment) -> Option<usize> {
        if self.in_use.len() < IN_USE_MAX.min(1 + in_flight / EACH)
            && let Some(place) = self.another(now)
        {
            self.in_use.push(place);
        }
        for _ in 0..self.in_use.len() {
            self.turn = (self.turn + 1) % self.in_use.len();
            let mut place = self.in_use[self.turn];
            if self.get(place).is_none_or(|socket| socket.is_worn(now))
                && let Some(other) = self.another(now)
            {
                self.in_use[self.turn] = other;
                self.close_if_done(place);
                place = other;
            }
            if self.get(place).is_some_and(|socket| socket.has_room(count)) {
                return Some(place);
            }
        }
        None
    }

    /// A question has landed.
    pub(super) fn leave(&mut self, place: usize, id: u16) {
        if let Some(socket) = self.change(place) {
            socket.leave(id);
        }
        self.close_if_done(place);
    }

    /// Takes all questions out of flight. The next ones go over new sockets: it may have been these ports that something on
    /// the way has forgotten.
    pub(super) fn clear(&mut self) -> Vec<QuestionId> {
        let cleared = self.sockets.iter_mut().flatten().flat_map(Socket::clear).collect();
        self.sockets.iter_mut().flatten().for_each(Socket::wear_out);
        (0..self.sockets.len()).for_each(|place| self.close_if_done(place));
        cleared
    }

    /// Opens a socket in a free place. Where this machine has none to spare the old ones do for longer (HOSTILE.md 59).
    fn another(&mut self, now: Moment) -> Option<usize> {
        let free = self.sockets.iter().position(Option::is_none);
        if free.is_none() && self.sockets.len() == OPEN_MAX {
            return None;
        }
        let socket = Socket::open(self.to, now).ok()?;
        let place = free.unwrap_or(self.sockets.len());
        match free {
            Some(place) => self.sockets[place] = Some(socket),
            None => self.sockets.push(Some(socket)),
        }
        Some(place)
    }

    /// Closes a socket that gave way and has nothing in flight any more.
    fn close_if_done(&mut self, place: usize) {
        if self.get(place).is_some_and(Socket::is_idle) && !self.in_use.contains(&place) {
            self.sockets[place] = None;
        }
    }
}
