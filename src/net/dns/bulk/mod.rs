//! Look-ups in bulk: one thread that keeps thousands of questions in flight over a few connected UDP sockets, without
//! async, a future or an allocation a question (RFC 1035 4.2.1, RFC 5452).
//!
//! ```text
//! loop of about 1 ms: drain the sockets -> time out -> take subjects within window and rate -> send (GSO)
//! ```
//!
//! It decides what is plain, which is nearly everything; what needs TCP, another alias or a question without EDNS it gives
//! back as [`Heard::Slow`], to be asked by the [`Resolver`](super::Resolver).

mod adapt;
mod bucket;
mod control;
mod engine;
mod flights;
mod health;
mod ids;
mod kind;
mod lane;
mod moment;
mod plain;
mod reading;
mod secret;
mod slots;
mod socket;
mod sockets;

pub use engine::Engine;

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use super::{Answer, Mx, Security, Txt};
use crate::failure::Failure;
use crate::name::HostName;
use crate::net::NetConfig;

/// Something with a name to ask for.
pub trait Named {
    /// The domain; what is asked for stands at names below it, or at it.
    fn host(&self) -> &HostName;
}

/// What is asked of each subject beside the TXT records at `_mta-sts.<domain>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asking {
    /// The MX records at the domain.
    pub mx: bool,
    /// The TXT records at `_smtp._tls.<domain>`.
    pub tlsrpt: bool,
}

/// How a record is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Absent {
    /// The name exists and has no such record.
    NoData,
    /// The name does not exist.
    NxDomain,
}

impl Absent {
    /// The same as the verdict of a look-up.
    #[must_use]
    pub fn lookup<T>(self) -> super::Lookup<T> {
        match self {
            Self::NoData => super::Lookup::NoData,
            Self::NxDomain => super::Lookup::NxDomain,
        }
    }
}

/// A subject of which nothing was asked but the record, at whose name plainly nothing stands: no alias, no extended error,
/// no oddity of the message.
#[derive(Clone, Debug)]
pub struct Plain<T> {
    /// The subject.
    pub subject: T,
    /// How the record is absent.
    pub absent: Absent,
    /// What the resolver says of DNSSEC.
    pub security: Security,
    /// When the first question was sent.
    pub observed_at: SystemTime,
    /// From then to the answer.
    pub elapsed: Duration,
    /// Datagrams sent.
    pub sent: u8,
    /// Passes over it: 1, and 2 where the first came to nothing.
    pub attempts: u8,
}

/// What became of one question.
#[derive(Clone, Debug)]
pub enum Heard<T> {
    /// It was not asked, or no such name can exist.
    NotAsked,
    /// It is to be asked by the slow way: over TCP, through an alias, without EDNS, or to tell bogus from broken.
    Slow,
    /// The answer, or the failure that it came to after every try.
    Answer(Box<Answer<T>>),
}

/// A subject of which there is more to say than [`Plain`] has.
#[derive(Clone, Debug)]
pub struct Seen<T> {
    /// The subject.
    pub subject: T,
    /// When the first question was sent.
    pub observed_at: SystemTime,
    /// From then to the last answer.
    pub elapsed: Duration,
    /// Passes over it: 1, and 2 where the first came to nothing.
    pub attempts: u8,
    /// The TXT records at `_mta-sts.<domain>`.
    pub record: Heard<Txt>,
    /// The MX records.
    pub mx: Heard<Mx>,
    /// The TXT records at `_smtp._tls.<domain>`.
    pub tlsrpt: Heard<Txt>,
}

/// What the engine tells of a subject, once for each that it took.
#[derive(Clone, Debug)]
pub enum Told<T> {
    /// Plainly nothing.
    Plain(Plain<T>),
    /// Something.
    Seen(Box<Seen<T>>),
}

/// What a [`Port`] has to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supply {
    /// There may be more, now or later.
    More,
    /// There will be no more.
    End,
}

/// What the engine is to do in its next turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Go on.
    Go,
    /// Take no new subjects for now: the stages behind are full.
    Hold,
    /// Take no new subjects any more; finish what is in flight.
    Drain,
    /// Drop what is in flight.
    Drop,
}

/// How the engine is doing, for progress and for tests.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Vitals {
    /// Datagrams sent so far, control questions included.
    pub sent: u64,
    /// Questions in flight.
    pub in_flight: usize,
    /// Resolvers that are asked now, of all that there are.
    pub up: usize,
    /// Questions a second that all resolvers together are allowed now.
    pub per_second: u32,
}

/// Where subjects come from and where they go: the engine's owner.
pub trait Port<T> {
    /// Adds at most `room` subjects to the queue, without waiting.
    fn take(&mut self, room: usize, queue: &mut VecDeque<T>) -> Supply;
    /// Takes what became of a subject. Never waits: the owner keeps what it cannot pass on, and says [`Order::Hold`].
    fn tell(&mut self, told: Told<T>);
    /// Called once a turn.
    fn turn(&mut self, vitals: &Vitals) -> Order;
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// Every subject was told.
    Done,
    /// The owner had it dropped; what was in flight was not told.
    Dropped,
    /// No resolver answered for so long that there is no hope: how they failed. What was in flight was not told.
    Unusable(Failure),
}

/// Whether these resolvers can be asked in bulk: all of them take datagrams.
#[must_use]
pub fn is_possible(config: &NetConfig) -> bool {
    config.upstreams.iter().all(|upstream| matches!(upstream, crate::net::Upstream::Udp(_)))
}
