//! One question through all its tries: which resolver, how long, and what to make of each trouble
//! (RFC 1035 7.2, RFC 6891 7).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_proto::op::Message;
use tokio::task::JoinSet;

use super::message::{self, Decoded};
use super::question::Question;
use super::server::{Server, TRIES, Trace};
use super::trouble::Trouble;
use super::udp::Readers;
use crate::error::Error;
use crate::failure::Failure;
use crate::finding::dns;
use crate::net::NetConfig;
use crate::net::pace::Rate;

/// How much of the time for a question the first tries may wait, in eighths; the last has what is left. Of 8 s, that is
/// 1, 3 and 4 s.
const EIGHTHS: [u32; 2] = [1, 3];
/// How often resolvers may say that they failed, or send what breaks the format, before we believe it.
const REPEATS: u32 = 2;
/// FORMERR, NOTIMP and BADVERS: what a server that knows no EDNS may say to it (RFC 6891 7).
const NO_EDNS: [u16; 3] = [1, 4, 16];

/// The resolvers, and how fast they may be asked.
pub(super) struct Servers {
    servers: Vec<Server>,
    rate: Option<Rate>,
    turn: AtomicUsize,
    readers: Readers,
}

impl Servers {
    /// Opens nothing yet.
    pub(super) fn new(config: &NetConfig) -> Result<Self, Error> {
        if config.upstreams.is_empty() {
            return Err(Error::Usage("no resolver to ask".to_owned()));
        }
        let readers = Readers::new();
        let servers: Result<_, _> =
            config.upstreams.iter().map(|upstream| Server::new(upstream, config, &readers)).collect();
        Ok(Self { servers: servers?, rate: config.rate.map(Rate::new), turn: AtomicUsize::new(0), readers })
    }

    /// Asks until there is an answer of RCODE 0 or 3, or no more to try.
    /// The answer comes with the name of the resolver that gave it.
    pub(super) async fn ask(&self, question: &Question, trace: &mut Trace) -> Result<(Message, &str), Failure> {
        let time = trace.left;
        let mut worst = None;
        let mut edns = true;
        let (mut tries, mut repeats, mut down) = (0, 0, 0);
        let mut at = self.first();
        while tries < TRIES && repeats < REPEATS && down < self.servers.len() && !trace.left.is_zero() {
            let server = &self.servers[at];
            let wait = match (server.is_reliable(), self.servers.len()) {
                (true, 1) => trace.left,
                (true, _) => trace.left / 2,
                (false, _) => share(time, tries).min(trace.left),
            };
            let outcome = server.ask(question, edns, wait, self.rate.as_ref(), trace).await;
            let trouble = match outcome.and_then(|decoded| accept(decoded, trace)) {
                Ok(message) => return Ok((message, server.name())),
                Err(trouble) => trouble,
            };
            worst = worse(worst, trouble.clone().failure().with("upstream", server.name()));
            tries += 1;
            match trouble {
                // RFC 6891 7: ask the same server again without EDNS.
                Trouble::Rcode { rcode, .. } if edns && NO_EDNS.contains(&rcode) => {
                    edns = false;
                    continue;
                }
                Trouble::Rcode { .. } | Trouble::Malformed => repeats += 1,
                // Nobody got that datagram, so it does not count against the question.
                Trouble::Down(_) => {
                    down += 1;
                    tries -= 1;
                }
                Trouble::Timeout if !server.is_reliable() => {}
                // The same resolver would do the same again at once; another may not.
                _ if self.servers.len() == 1 => break,
                _ => {}
            }
            at = (at + 1) % self.servers.len();
        }
        Err(worst.unwrap_or_else(|| Trouble::Timeout.failure()).with("attempts", trace.sent))
    }

    /// Finds out whether any resolver answers at all, all of them side by side.
    pub(super) async fn preflight(self: &Arc<Self>, question: &Question, time: Duration) -> Result<(), Failure> {
        let mut asking = JoinSet::new();
        for at in 0..self.servers.len() {
            let (servers, question) = (Arc::clone(self), question.clone());
            asking.spawn(async move {
                let server = &servers.servers[at];
                let outcome = server.answers(&question, time).await;
                outcome.map_err(|trouble| trouble.failure().about(server.name()))
            });
        }
        let mut worst = None;
        while let Some(outcome) = asking.join_next().await {
            match outcome {
                Ok(Ok(())) => {
                    asking.shutdown().await;
                    return Ok(());
                }
                Ok(Err(failure)) => worst = worse(worst, failure),
                // A panic of ours: the other resolvers may still answer.
                Err(_) => {}
            }
        }
        Err(worst.unwrap_or_else(|| Trouble::Timeout.failure()))
    }

    /// Closes every socket and awaits every task.
    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.servers.iter().for_each(Server::close);
    }

    /// The next resolver in turn, one that is up if there is any.
    fn first(&self) -> usize {
        let count = self.servers.len();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % count;
        (turn..turn + count).map(|at| at % count).find(|at| self.servers[*at].is_up()).unwrap_or(turn)
    }
}

/// How long a try may wait.
fn share(time: Duration, tries: u32) -> Duration {
    let eighths = usize::try_from(tries).ok().and_then(|tries| EIGHTHS.get(tries));
    eighths.map_or(time, |eighths| time * *eighths / 8)
}

/// Takes an answer of RCODE 0 or 3; of any other, the trouble that it is.
fn accept(decoded: Decoded, trace: &mut Trace) -> Result<Message, Trouble> {
    let (ede, words) = message::extended_errors(&decoded.message);
    trace.ede.clone_from(&ede);
    trace.trailing |= decoded.trailing;
    match u16::from(decoded.message.response_code) {
        0 | 3 => Ok(decoded.message),
        rcode => Err(Trouble::Rcode { rcode, ede, words }),
    }
}

/// The failure that says more: an answer of whatever kind before silence, silence before a dead port; else the later one.
fn worse(old: Option<Failure>, new: Failure) -> Option<Failure> {
    let says = |failure: &Failure| match failure.code {
        code if code == dns::RESOLVER_DOWN => 0,
        code if code == dns::TIMEOUT => 1,
        _ => 2,
    };
    match old {
        Some(old) if says(&old) > says(&new) => Some(old),
        _ => Some(new),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
mod tests {
    use super::*;

    #[test]
    fn the_tries_wait_longer_and_longer_within_the_time() {
        let time = Duration::from_secs(8);
        assert_eq!([0, 1, 2].map(|tries| share(time, tries).as_secs()), [1, 3, 8]);
    }

    #[test]
    fn the_failure_that_says_more_is_kept() {
        let (down, silent) = (Failure::new(dns::RESOLVER_DOWN), Failure::new(dns::TIMEOUT));
        let (failed, refused) = (Failure::new(dns::RCODE_2), Failure::new(dns::RCODE_5));
        for (old, new, kept) in [
            (&down, &silent, dns::TIMEOUT),
            (&silent, &down, dns::TIMEOUT),
            (&failed, &silent, dns::RCODE_2),
            (&failed, &refused, dns::RCODE_5),
        ] {
            assert_eq!(worse(Some(old.clone()), new.clone()).unwrap().code, kept);
        }
    }
}
