//! Control questions: by what is known of the world, whether a resolver works and tells the truth (HOSTILE.md 56 to 58).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hickory_proto::rr::{Name, RecordType};
use tokio::sync::Mutex;

use super::message::Decoded;
use super::question::{self, Question};
use super::trouble::Trouble;
use super::verdict::{self, Chain, Verdict};
use crate::finding::Code;
use crate::name::HostName;

/// How long the answer to a control question is waited for: what a resolver on the other side of the world takes that has it
/// not cached.
pub(super) const WAIT: Duration = Duration::from_secs(2);
/// From one control question to the next, of each kind and to each resolver: one in trouble is not to be troubled more.
const EVERY: Duration = Duration::from_secs(1);
/// The same where an answer waits to be believed: ten small questions a second, which are shared by all that wait.
pub(super) const TRUTH_EVERY: Duration = Duration::from_millis(100);

/// The control questions.
#[derive(Debug)]
pub(super) struct Controls {
    canaries: Arc<[HostName]>,
    turn: AtomicUsize,
}

impl Controls {
    /// By the records of these domains, or by the root where there are none.
    pub(super) fn new(canaries: Arc<[HostName]>) -> Self {
        Self { canaries, turn: AtomicUsize::new(0) }
    }

    /// The domains that are known to have a record.
    pub(super) fn canaries(&self) -> &[HostName] {
        &self.canaries
    }

    /// The next question, with its number: about the same canary as long as that is found.
    pub(super) fn next(&self) -> (usize, Control) {
        let turn = self.turn.load(Ordering::Relaxed);
        let canary = self.canaries.get(turn % self.canaries.len().max(1));
        (turn, canary.and_then(Control::canary).unwrap_or_else(Control::root))
    }

    /// The question of this number was answered ill: the next is about another canary, for one may have given up its record.
    pub(super) fn pass_over(&self, number: usize) {
        // Whoever comes later finds it passed over already.
        let _ = self.turn.compare_exchange(number, number.wrapping_add(1), Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// A question whose answer is known.
#[derive(Clone, Debug)]
pub(super) struct Control {
    question: Question,
    rtype: RecordType,
}

impl Control {
    /// The name servers of the root: every resolver knows them, and the root is signed.
    pub(super) fn root() -> Self {
        Self { question: Question::about(Name::root(), RecordType::NS), rtype: RecordType::NS }
    }

    /// The record of a domain that is known to have one (RFC 8461 3.1).
    pub(super) fn canary(domain: &HostName) -> Option<Self> {
        let name = domain.child("_mta-sts").ok()?;
        Some(Self { question: Question::new(&name, RecordType::TXT), rtype: RecordType::TXT })
    }

    /// A name that nobody has: 64 random bits.
    pub(super) fn nobody() -> Self {
        let label = question::random::<8>().iter().fold(String::new(), |label, byte| format!("{label}{byte:02x}"));
        let name = Name::from_labels([label.as_bytes(), b"com"]).expect("two short labels");
        Self { question: Question::about(name, RecordType::A), rtype: RecordType::A }
    }

    /// The question.
    pub(super) fn question(&self) -> &Question {
        &self.question
    }

    /// What the answer says.
    pub(super) fn read(&self, outcome: Result<Decoded, Trouble>) -> Said {
        let message = match outcome {
            Ok(decoded) => decoded.message,
            Err(trouble) => return Said::Failed(trouble.failure().code),
        };
        let rcode = u16::from(message.response_code);
        match rcode {
            // Any such answer about the root will do: some resolvers have none, and pass on all that they are asked.
            0 | 3 if self.rtype == RecordType::NS => return Said::Found,
            0 | 3 => {}
            _ => return Said::Failed(Trouble::Rcode { rcode, ede: Vec::new(), words: None }.failure().code),
        }
        match verdict::judge(&message, self.rtype, &mut Chain::new(self.question.name().clone())) {
            // An alias says that there is something.
            Verdict::Found | Verdict::Ask => Said::Found,
            Verdict::NoData => Said::Absent("nodata"),
            Verdict::NxDomain => Said::Absent("nxdomain"),
            Verdict::Wrong(code) => Said::Failed(code),
        }
    }
}

/// What an answer says of the name that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// There is such a record.
    Found,
    /// There is none, and how.
    Absent(&'static str),
    /// Nothing: why.
    Failed(Code),
}

impl Said {
    /// The stable lower-case word, or the code.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Absent(word) => word,
            Self::Failed(code) => code.as_str(),
        }
    }
}

/// Signs of life of one resolver.
#[derive(Debug)]
pub(super) struct Pulse {
    born: Instant,
    /// When it gave the last good answer, in microseconds after `born`; 0 before the first.
    good: AtomicU64,
    /// Whether it knew nothing of the root when it was first asked.
    pub(super) rootless: AtomicBool,
    /// What it said to the last control question, and about the root.
    pub(super) control: Shared,
    pub(super) root: Shared,
    /// What it said to the last control question by which an answer was to be believed.
    pub(super) truth: Shared,
}

impl Pulse {
    pub(super) fn new() -> Self {
        let (control, root, truth) = (Shared::default(), Shared::default(), Shared::default());
        Self { born: Instant::now(), good: AtomicU64::new(0), rootless: AtomicBool::new(false), control, root, truth }
    }

    /// A good answer came: RCODE 0 or 3.
    pub(super) fn beat(&self) {
        self.good.fetch_max(self.micros(Instant::now()).max(1), Ordering::Relaxed);
    }

    /// Whether a good answer came since then.
    pub(super) fn has_beaten(&self, since: Instant) -> bool {
        let good = self.good.load(Ordering::Relaxed);
        good != 0 && good >= self.micros(since)
    }

    fn micros(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.born).as_micros()).unwrap_or(u64::MAX)
    }
}

/// What one control question said, shared by all who want to know: one is in flight at a time, and one is sent a second.
#[derive(Debug, Default)]
pub(super) struct Shared(Mutex<Option<(Instant, bool)>>);

impl Shared {
    /// What the last one said, where it was sent since then; else what a new one says.
    pub(super) async fn outcome<F>(&self, since: Instant, ask: impl FnOnce() -> F) -> bool
    where
        F: Future<Output = bool>,
    {
        self.outcome_every(EVERY, since, ask).await
    }

    /// The same, with this time from one to the next.
    pub(super) async fn outcome_every<F>(&self, every: Duration, since: Instant, ask: impl FnOnce() -> F) -> bool
    where
        F: Future<Output = bool>,
    {
        let mut last = self.0.lock().await;
        if let Some((sent, good)) = *last {
            if sent >= since {
                return good;
            }
            tokio::time::sleep_until((sent + every).into()).await;
        }
        let sent = Instant::now();
        let good = ask().await;
        *last = Some((sent, good));
        good
    }
}
