//! Answers that are on their way: a slot for each millisecond.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

/// Answers by the millisecond in which they are due.
pub(super) struct Later {
    since: Instant,
    /// The millisecond of the first slot.
    first: u64,
    slots: VecDeque<Slot>,
}

/// The answers of one millisecond: one behind the other, each with the end of it.
#[derive(Default)]
struct Slot {
    bytes: Vec<u8>,
    answers: Vec<(SocketAddr, usize)>,
}

impl Later {
    /// Nothing is on its way.
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, first: 0, slots: VecDeque::new() }
    }

    /// Whether nothing is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.iter().all(|slot| slot.answers.is_empty())
    }

    /// Puts an answer on its way.
    pub(super) fn put(&mut self, now: Instant, milliseconds: u64, to: SocketAddr, answer: &[u8]) {
        let due = (self.millisecond(now) + milliseconds).saturating_sub(self.first);
        // Bounded by the longest latency, and the time since the last look.
        let due = usize::try_from(due).unwrap_or(0);
        while self.slots.len() <= due {
            self.slots.push_back(Slot::default());
        }
        let slot = &mut self.slots[due];
        slot.bytes.extend_from_slice(answer);
        slot.answers.push((to, slot.bytes.len()));
    }

    /// Hands on what is due.
    pub(super) fn due(&mut self, now: Instant, mut each: impl FnMut(SocketAddr, &[u8])) {
        let now = self.millisecond(now);
        while self.first < now {
            self.first += 1;
            let Some(mut slot) = self.slots.pop_front() else { continue };
            let mut from = 0;
            for (to, end) in slot.answers.drain(..) {
                each(to, &slot.bytes[from..end]);
                from = end;
            }
            slot.bytes.clear();
            // Its room is used again.
            self.slots.push_back(slot);
        }
    }

    fn millisecond(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.since).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_answer_comes_when_it_is_due() {
        let (start, to) = (Instant::now(), SocketAddr::from(([127, 0, 0, 1], 53)));
        let mut later = Later::new(start);
        later.put(start, 20, to, b"slow");
        later.put(start + Duration::from_millis(3), 5, to, b"fast");
        let mut heard = Vec::new();
        for millisecond in 0..40 {
            later.due(start + Duration::from_millis(millisecond), |_, answer| {
                heard.push((millisecond, answer.to_vec()))
            });
        }
        assert_eq!(heard, [(9, b"fast".to_vec()), (21, b"slow".to_vec())]);
        assert!(later.is_empty());
    }
}
