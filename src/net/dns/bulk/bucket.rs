//! Buckets: datagrams that wait for others of their length, because one call of the system sends those at the cost of few.

use super::flights::QuestionId;
use super::kind::{Kind, QUESTION_MAX};
use super::moment::Moment;
use crate::name::HostName;

/// How long a datagram waits for others of its length: little against the way to a resolver and back.
const HOLD: u64 = 5 * Moment::MILLISECOND;

/// Datagrams of one length.
#[derive(Default)]
pub(super) struct Bucket {
    pub(super) bytes: Vec<u8>,
    pub(super) questions: Vec<QuestionId>,
    since: Moment,
}

/// The buckets of one resolver.
pub(super) struct Buckets {
    /// By length.
    buckets: Vec<Bucket>,
    /// The lengths of those that hold something.
    filled: Vec<usize>,
}

impl Buckets {
    pub(super) fn new() -> Self {
        Self { buckets: (0..=QUESTION_MAX).map(|_| Bucket::default()).collect(), filled: Vec::new() }
    }

    /// Adds a question. Its length and how many of it there are now.
    pub(super) fn pack(
        &mut self,
        question: QuestionId,
        (kind, host): (Kind, &HostName),
        secret: u64,
        now: Moment,
    ) -> (usize, usize) {
        let length = kind.length(host);
        let bucket = &mut self.buckets[length];
        if bucket.questions.is_empty() {
            bucket.since = now;
            self.filled.push(length);
        }
        kind.write(host, secret, &mut bucket.bytes);
        bucket.questions.push(question);
        (length, bucket.questions.len())
    }

    /// The bucket of this length. Whoever empties it [`settles`](Self::settle) it.
    pub(super) fn of(&mut self, length: usize) -> &mut Bucket {
        &mut self.buckets[length]
    }

    /// The lengths of those that have waited long enough.
    pub(super) fn due(&self, now: Moment) -> Vec<usize> {
        let is_due = |length: &usize| now.since(self.buckets[*length].since) >= HOLD;
        self.filled.iter().copied().filter(is_due).collect()
    }

    /// Takes the first questions out of a bucket, which were sent.
    pub(super) fn settle(&mut self, length: usize, sent: usize) {
        let bucket = &mut self.buckets[length];
        bucket.bytes.drain(..sent * length);
        bucket.questions.drain(..sent);
        if bucket.questions.is_empty() {
            self.filled.retain(|other| *other != length);
        }
    }

    /// Takes everything out.
    pub(super) fn clear(&mut self) -> Vec<QuestionId> {
        let mut cleared = Vec::new();
        for length in self.filled.drain(..) {
            let bucket = &mut self.buckets[length];
            bucket.bytes.clear();
            cleared.append(&mut bucket.questions);
        }
        cleared
    }
}
