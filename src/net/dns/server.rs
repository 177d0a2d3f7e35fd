//! One resolver, and one try to ask it: over which channel, at what rate, and what that took.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use rustls::pki_types::ServerName;

use super::control::{self, Control, Controls, Pulse, Said};
use super::https::Https;
use super::message::Decoded;
use super::question::Question;
use super::stream::{Authentication, Connections};
use super::trouble::Trouble;
use super::udp::{Readers, Sockets};
use super::{Security, Via};
use crate::error::Error;
use crate::net::pace::Rate;
use crate::net::{NetConfig, Upstream};

/// Datagrams for one question (HOSTILE.md): more never helped a resolver that is in trouble.
pub(super) const TRIES: u32 = 3;
/// How long to wait when this machine has no socket to spare: about what one answer takes.
const PRESSURE_PAUSE: Duration = Duration::from_millis(25);
/// How often that is waited for, at most: a minute, in which the longest connection of ours gives its socket back.
const PRESSURE_MAX: u32 = 2_400;

/// How long a resolver where nothing listens is asked after the others: about what a restart takes.
const DOWN_FOR: Duration = Duration::from_secs(5);

/// One resolver.
pub(super) struct Server {
    name: String,
    channel: Channel,
    /// Until when it is asked after the others, because nothing listened there: milliseconds since `born`.
    down_until: AtomicU64,
    born: Instant,
    /// Whether its AD bit can be believed: nobody but itself can have set it.
    believed: bool,
    /// Whether it is known to validate, so that an answer without AD is an insecure one.
    validates: AtomicBool,
    pulse: Pulse,
}

enum Channel {
    /// Datagrams, and TCP where they do not do.
    Udp(Sockets, Connections),
    /// TCP or TLS alone.
    Stream(Connections, Via),
    Https(Https),
}

/// What became of a question so far.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) via: Via,
    pub(super) sent: u8,
    pub(super) ede: Vec<u16>,
    pub(super) case_changed: bool,
    pub(super) trailing: bool,
    /// The time that is left. What we wait for ourselves, a rate or a free socket, does not count.
    pub(super) left: Duration,
    /// Tries that failed at a resolver that was well.
    pub(super) fair: u32,
    /// Whether one failed at a resolver that was not.
    pub(super) unwell: bool,
    /// How long it waited for resolvers to come back.
    pub(super) waited: Duration,
}

impl Trace {
    /// Nothing yet, and this much time.
    pub(super) fn new(time: Duration) -> Self {
        Self {
            via: Via::Udp,
            sent: 0,
            ede: Vec::new(),
            case_changed: false,
            trailing: false,
            left: time,
            fair: 0,
            unwell: false,
            waited: Duration::ZERO,
        }
    }

    /// Runs a try and takes its time off what is left.
    async fn timed<T>(&mut self, attempt: impl Future<Output = T>) -> T {
        let start = Instant::now();
        let result = attempt.await;
        self.left = self.left.saturating_sub(start.elapsed());
        result
    }
}

impl Server {
    /// Opens nothing yet.
    pub(super) fn new(upstream: &Upstream, config: &NetConfig, readers: &Readers) -> Result<Self, Error> {
        let channel = match upstream {
            Upstream::Udp(to) => Channel::Udp(Sockets::new(*to, readers.clone()), Connections::new(*to, None)),
            Upstream::Tcp(to) => Channel::Stream(Connections::new(*to, None), Via::Tcp),
            Upstream::Tls(to, name) => {
                let name = match name {
                    Some(name) => ServerName::try_from(name.clone())
                        .map_err(|_| Error::Usage(format!("{name} is no name to authenticate")))?,
                    None => to.ip().into(),
                };
                let authentication = Authentication { config: trusting(config)?, name };
                Channel::Stream(Connections::new(*to, Some(authentication)), Via::Tls)
            }
            Upstream::Https(url) => Channel::Https(Https::new(url, &trusting(config)?, &config.user_agent)?),
        };
        Ok(Self {
            name: upstream.to_string(),
            channel,
            down_until: AtomicU64::new(0),
            born: Instant::now(),
            believed: config.trust_ad || is_local(upstream),
            validates: AtomicBool::new(config.trust_ad),
            pulse: Pulse::new(),
        })
    }

    /// The resolver as it is written on a command line.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether nothing speaks against asking it.
    pub(super) fn is_up(&self) -> bool {
        self.down_until.load(Ordering::Relaxed) <= self.age(Duration::ZERO)
    }

    /// Whether it is asked over connections, which lose nothing: there asking again is no help.
    pub(super) fn is_reliable(&self) -> bool {
        !matches!(self.channel, Channel::Udp(..))
    }

    /// What an answer of this resolver says of DNSSEC (RFC 4035 3.2.3, RFC 6840 5.7, 5.8).
    ///
    /// AD counts where nobody can have set it on the way: RFC 4035 4.9.3 wants a secure channel, RFC 7672 2.2 a resolver
    /// that is trusted. Without AD an answer is insecure if the resolver validates, and says nothing if it does not, or if
    /// somebody on the way may have cleared the bit.
    pub(super) fn security(&self, message: &Message) -> Security {
        match (self.believed, message.authentic_data) {
            (true, true) => Security::Secure,
            (true, false) if self.validates.load(Ordering::Relaxed) => Security::Insecure,
            _ => Security::Unknown,
        }
    }

    /// Closes all sockets; what is in flight fails.
    pub(super) fn close(&self) {
        if let Channel::Udp(sockets, _) = &self.channel {
            sockets.close();
        }
        if let Channel::Udp(_, connections) | Channel::Stream(connections, _) = &self.channel {
            connections.close();
        }
    }

    /// Milliseconds since it was made, and this much more.
    fn age(&self, more: Duration) -> u64 {
        u64::try_from((self.born.elapsed() + more).as_millis()).unwrap_or(u64::MAX)
    }

    /// One try.
    pub(super) async fn ask(
        &self,
        question: &Question,
        edns: bool,
        wait: Duration,
        rate: Option<&Rate>,
        trace: &mut Trace,
    ) -> Result<Decoded, Trouble> {
        let outcome = self.attempt(question, edns, wait, rate, trace).await;
        match &outcome {
            Err(Trouble::Down(_)) => self.down_until.store(self.age(DOWN_FOR), Ordering::Relaxed),
            // Without validation it answers what it otherwise could not, so that is no sign of health.
            Ok(decoded) if !question.is_unchecked() && matches!(u16::from(decoded.message.response_code), 0 | 3) => {
                self.pulse.beat();
            }
            _ => {}
        }
        outcome
    }

    /// Whether the resolver answers anything that keeps the format: at most [`TRIES`] datagrams in this time. The question
    /// is one whose answer is secure to all that validate, and so tells whether this one does.
    pub(super) async fn answers(&self, question: &Question, time: Duration) -> Result<(), Trouble> {
        let mut trace = Trace::new(time);
        match self.tries(question, time, &mut trace).await {
            Ok(decoded) => {
                self.pulse
                    .rootless
                    .store(!matches!(u16::from(decoded.message.response_code), 0 | 3), Ordering::Relaxed);
                if self.security(&decoded.message) == Security::Secure {
                    self.validates.store(true, Ordering::Relaxed);
                }
                Ok(())
            }
            // It answered, only not over TCP as well.
            Err(_) if trace.via == Via::Tcp && !self.is_reliable() => Ok(()),
            Err(trouble) => Err(trouble),
        }
    }

    /// Asks this resolver and no other: at most [`TRIES`] datagrams in this time.
    pub(super) async fn put(&self, question: &Question, time: Duration) -> Result<Decoded, Trouble> {
        self.tries(question, time, &mut Trace::new(time)).await
    }

    /// Whether it has given a good answer since then, or does so to a control question now.
    pub(super) async fn is_well(&self, since: Instant, controls: &Controls) -> bool {
        if self.pulse.has_beaten(since) {
            return true;
        }
        // Without canaries there is only the root. Of one that never knew it, in a network without a root, any answer is a
        // sign of life.
        let any = controls.canaries().is_empty() && self.pulse.rootless.load(Ordering::Relaxed);
        self.pulse.control.outcome(since, || self.says(controls, any)).await
    }

    /// Whether it finds a canary that is asked for after this time.
    pub(super) async fn tells_the_truth(&self, since: Instant, controls: &Controls) -> bool {
        self.pulse.truth.outcome_every(control::TRUTH_EVERY, since, || self.says(controls, false)).await
    }

    /// Whether it answers well about the root, which is signed: one whose validation is broken does not.
    pub(super) async fn knows_the_root(&self, since: Instant) -> bool {
        self.pulse.root.outcome(since, || self.says_of(Control::root(), false)).await
    }

    /// Whether the present control question is answered well, or answered at all where `any` answer will do. Where it is not,
    /// the next one is about another canary.
    async fn says(&self, controls: &Controls, any: bool) -> bool {
        let (number, control) = controls.next();
        let good = self.says_of(control, any).await;
        if !good {
            controls.pass_over(number);
        }
        good
    }

    /// The same of one control question. One datagram: another second, another question.
    async fn says_of(&self, control: Control, any: bool) -> bool {
        let outcome = self.ask(control.question(), true, control::WAIT, None, &mut Trace::new(control::WAIT)).await;
        any && outcome.is_ok() || control.read(outcome) == Said::Found
    }

    /// The tries at this resolver alone, as long as they are in vain.
    async fn tries(&self, question: &Question, time: Duration, trace: &mut Trace) -> Result<Decoded, Trouble> {
        let tries = if self.is_reliable() { 1 } else { TRIES };
        for _ in 0..tries {
            match self.ask(question, true, time / tries, None, trace).await {
                Err(Trouble::Timeout) if trace.via == Via::Udp => {}
                outcome => return outcome,
            }
        }
        Err(Trouble::Timeout)
    }

    /// A datagram, and TCP after it where it does not do; or one exchange on a stream.
    async fn attempt(
        &self,
        question: &Question,
        edns: bool,
        wait: Duration,
        rate: Option<&Rate>,
        trace: &mut Trace,
    ) -> Result<Decoded, Trouble> {
        let connections = match &self.channel {
            Channel::Https(https) => {
                trace.via = Via::Https;
                return paced(rate, trace, || https.ask(question, edns, wait)).await;
            }
            Channel::Stream(connections, via) => {
                trace.via = *via;
                let _seat = connections.seat().await;
                return paced(rate, trace, || connections.ask(question, edns, wait)).await;
            }
            Channel::Udp(sockets, connections) => {
                trace.via = Via::Udp;
                let outcome = paced(rate, trace, || sockets.ask(question, edns, wait)).await;
                match outcome {
                    // RFC 7766 5, RFC 2181 9: what was cut off is had over TCP.
                    Err(Trouble::Truncated) => {}
                    Err(Trouble::CaseChanged) => trace.case_changed = true,
                    other => return other,
                }
                connections
            }
        };
        trace.via = Via::Tcp;
        let left = trace.left;
        let _seat = connections.seat().await;
        paced(rate, trace, || connections.ask(question, edns, left)).await
    }
}

/// Runs a try at the rate allowed, and again while this machine has no socket to spare: neither wait is the resolver's.
async fn paced<F>(rate: Option<&Rate>, trace: &mut Trace, attempt: impl Fn() -> F) -> Result<Decoded, Trouble>
where
    F: Future<Output = Result<Decoded, Trouble>>,
{
    let mut waited = 0;
    loop {
        if let Some(rate) = rate {
            rate.take().await;
        }
        trace.sent = trace.sent.saturating_add(1);
        match trace.timed(attempt()).await {
            Err(Trouble::Pressure) if waited < PRESSURE_MAX => {
                waited += 1;
                trace.sent -= 1;
                tokio::time::sleep(PRESSURE_PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

/// Whether a resolver runs on this machine and is reached without anybody in between. One that only passes on what others
/// say is to clear AD, or to have a way to them that is as safe (RFC 4035 4.9.3).
pub(super) fn is_local(upstream: &Upstream) -> bool {
    match upstream {
        Upstream::Udp(to) | Upstream::Tcp(to) => to.ip().to_canonical().is_loopback(),
        // A loopback address there is a tunnel to somewhere else.
        Upstream::Tls(..) | Upstream::Https(_) => false,
    }
}

/// TLS to resolvers: the first root store decides.
fn trusting(config: &NetConfig) -> Result<Arc<rustls::ClientConfig>, Error> {
    let store = config.roots.first().ok_or_else(|| Error::Usage("no trusted roots for the resolver".to_owned()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Internal(error.to_string()))?;
    Ok(Arc::new(builder.with_root_certificates(Arc::clone(&store.anchors)).with_no_client_auth()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
mod tests {
    use super::*;

    #[test]
    fn a_resolver_on_this_machine_is_told_from_others() {
        for (upstream, local) in [
            ("127.0.0.1", true),
            ("udp://127.0.0.53:53", true),
            ("tcp://127.255.255.254:5300", true),
            ("[::1]:53", true),
            ("[::ffff:127.0.0.1]:53", true),
            ("126.255.255.255", false),
            ("128.0.0.1", false),
            ("192.168.0.1", false),
            ("tcp://[2001:db8::1]", false),
            ("[::ffff:192.0.2.1]:53", false),
            ("0.0.0.0:53", false),
            ("tls://127.0.0.1", false),
            ("https://127.0.0.1/dns-query", false),
        ] {
            assert_eq!(is_local(&Upstream::parse(upstream).unwrap()), local, "{upstream}");
        }
    }
}
