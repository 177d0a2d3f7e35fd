//! A rate that finds itself: additive increase, multiplicative decrease, so that a resolver's failures stay under 1 %.
//!
//! Pure: time comes in with every call.
//!
//! ```text
//!              answers keep pace: doubled                         failures: cut
//!   start ------------------------------> start     start, climb ---------------> settle
//!         answers stay behind: cut                        what was sent before the cut has ended
//!         ------------------------------> settle    settle ------------------------------------> climb, or as before
//! ```

use std::time::{Duration, Instant};

/// Questions a second to begin with: what the smallest resolver takes.
const BEGIN: f64 = 2_000.0;
/// Questions a second, at least: what a resolver in trouble still has to serve, or it is down.
const FLOOR: f64 = 100.0;
/// Questions a second, at most: beyond what a processor sends.
const CEILING: f64 = 1_000_000.0;
/// How much unused rate may be made up for at once, in seconds: what a turn of a busy machine takes, and too little to
/// overflow a resolver's receive queue.
const MAKE_UP: f64 = 0.02;

/// From one change of the rate to the next.
const PERIOD: Duration = Duration::from_millis(200);
/// Answers and failures by which the share of failures is judged: fewer say little about 1 %.
const ENOUGH: usize = 400;
/// What has to do where there are not so many in this time.
const ENOUGH_LATE: usize = 50;
const LATE: Duration = Duration::from_secs(1);
/// Failures beyond those of the zones, by which the rate is too high.
const LIMIT: f64 = 0.01;
/// A storm of failures (HOSTILE.md 57): the rate halves at least, whatever the reason.
const STORM: f64 = 0.3;
/// The share of failures that is taken for the zones' own, at most: of a list of dead domains, more than half.
const ZONES_MAX: f64 = 0.6;
/// How long what was sent before a cut may still fail: the first try of a question waits for 1 s of the 8 s that it has.
const SETTLE: Duration = Duration::from_millis(1_400);
/// How much of the rate has to be used to learn anything from it.
const USED: f64 = 0.7;
/// How much of what is sent has to be answered in the same time, for the resolver to keep pace.
const PACE: f64 = 0.8;

/// What is left of the answers a second where the resolver answered no more: it needs to work off what waits.
const CUT: f64 = 0.85;
/// The deepest cut at once: what was answered in one moment may mislead.
const DEEPEST: f64 = 8.0;
/// The rate rises by so much of the last ceiling: below it, and near it, where it is going to be found again.
const STEP: f64 = 0.02;
const STEP_NEAR: f64 = 0.003;
/// Where "near" begins and ends. Beyond, the resolver takes more than it did, and the search begins anew.
const NEAR: f64 = 0.92;
const BEYOND: f64 = 1.15;

/// The rate of one resolver.
#[derive(Debug)]
pub(super) struct Adaptive {
    rate: f64,
    phase: Phase,
    /// Answers a second at which the resolver last answered no more.
    ceiling: f64,
    /// The share of failures that the zones have themselves, which no rate would lower.
    zones: f64,
    /// Questions that may be sent, and since when none were added.
    tokens: f64,
    filled: Instant,
    waiting: usize,
    period: Counts,
    window: Counts,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Doubling as long as the answers keep pace. Since when the rate is what it is, and how long an answer took before.
    Start { since: Instant, lag: Duration },
    /// Adding.
    Climb,
    /// Holding the rate after a cut, until it shows what came of it.
    Settle { until: Instant, cut: Cut },
}

/// A cut of the rate, by which to learn whose the failures are.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// The rate before.
    rate: f64,
    /// The failures before, beyond those that are known to be the zones' own; `None` where there was no time to see any.
    excess: Option<f64>,
    /// Whether it was in the start.
    start: bool,
}

/// What was sent and what came back in some time.
#[derive(Clone, Copy, Debug)]
struct Counts {
    since: Instant,
    sent: usize,
    good: usize,
    bad: usize,
}

impl Counts {
    fn new(since: Instant) -> Self {
        Self { since, sent: 0, good: 0, bad: 0 }
    }

    fn seconds(&self, now: Instant) -> f64 {
        now.saturating_duration_since(self.since).as_secs_f64().max(f64::EPSILON)
    }

    fn share(&self) -> f64 {
        self.bad as f64 / (self.good + self.bad).max(1) as f64
    }

    /// Answers a second.
    fn pace(&self, now: Instant) -> f64 {
        self.good as f64 / self.seconds(now)
    }
}

impl Adaptive {
    /// Starts slowly.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            rate: BEGIN,
            phase: Phase::Start { since: now, lag: PERIOD },
            ceiling: CEILING,
            zones: 0.0,
            tokens: 0.0,
            filled: now,
            waiting: 0,
            period: Counts::new(now),
            window: Counts::new(now),
        }
    }

    /// How many questions may be sent now; what is not used is not saved up.
    pub(super) fn allowance(&mut self, now: Instant) -> usize {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = self.filled.max(now);
        // At the floor a token takes longer than what may be made up for.
        self.tokens = (self.tokens + passed * self.rate).min((self.rate * MAKE_UP).max(1.0));
        self.pass(now);
        self.tokens.max(0.0) as usize
    }

    /// So many of them were sent.
    pub(super) fn sent(&mut self, count: usize) {
        self.tokens -= count as f64;
        self.waiting += count;
        self.period.sent += count;
        self.window.sent += count;
    }

    /// So many answers came that speak for the resolver, and so many time-outs, SERVFAIL and REFUSED that may speak against it.
    pub(super) fn outcome(&mut self, now: Instant, good: usize, bad: usize) {
        self.waiting = self.waiting.saturating_sub(good + bad);
        for counts in [&mut self.period, &mut self.window] {
            counts.good += good;
            counts.bad += bad;
        }
        self.pass(now);
    }

    /// Back to a slow start: the resolver was down. What was in flight is not told any more.
    pub(super) fn restart(&mut self, now: Instant) {
        *self = Self {
            rate: BEGIN.min(self.ceiling / 2.0).max(FLOOR),
            ceiling: self.ceiling,
            zones: self.zones,
            ..Self::new(now)
        };
    }

    /// Questions a second, at present.
    pub(super) fn per_second(&self) -> u32 {
        self.rate as u32
    }

    /// Ends the period, where its time is over.
    fn pass(&mut self, now: Instant) {
        if now.saturating_duration_since(self.period.since) < PERIOD {
            return;
        }
        let period = std::mem::replace(&mut self.period, Counts::new(now));
        let used = period.sent as f64 >= USED * self.rate * period.seconds(now);
        if let Phase::Settle { until, cut } = self.phase {
            self.settle(now, until, cut);
            return;
        }
        let window = self.ended_window(now);
        if let Some(window) = window {
            if self.is_too_much(&window) {
                self.cut_for_failures(now, &window);
                return;
            }
            // The zones' own share falls as it is seen to fall; it rises only by what a cut has shown.
            self.zones = self.zones.min(self.zones * 0.9 + window.share() * 0.1);
        }
        match self.phase {
            Phase::Start { since, lag } if used => self.start(now, since, lag, &period),
            Phase::Climb if used && window.is_some() => self.climb(now),
            _ => {}
        }
    }

    /// What ended since the last such window, where it is enough to judge by.
    fn ended_window(&mut self, now: Instant) -> Option<Counts> {
        let ended = self.window.good + self.window.bad;
        let late = now.saturating_duration_since(self.window.since) >= LATE;
        let enough = ended >= if late { ENOUGH_LATE } else { ENOUGH };
        enough.then(|| std::mem::replace(&mut self.window, Counts::new(now)))
    }

    /// Whether there are more failures than the zones have themselves, by more than chance.
    fn is_too_much(&self, window: &Counts) -> bool {
        let all = (window.good + window.bad) as f64;
        let expected = (self.zones + LIMIT) * all;
        window.bad as f64 > expected + 2.0 * expected.sqrt()
    }

    /// Doubles where the answers keep pace with the questions. They lag behind by the time that an answer takes; where they
    /// do so for longer, the resolver has reached its limit, long before the first question has waited in vain.
    fn start(&mut self, now: Instant, since: Instant, lag: Duration, period: &Counts) {
        let pace = period.pace(now);
        if pace >= PACE * (1.0 - self.zones) * self.rate {
            // Little's law: what waits, by what is answered in a second.
            let lag = Duration::from_secs_f64((self.waiting as f64 / pace.max(1.0)).min(SETTLE.as_secs_f64()));
            self.rate = (self.rate * 2.0).min(CEILING);
            self.phase = Phase::Start { since: now, lag };
        } else if now.saturating_duration_since(since) > PERIOD + lag * 2 {
            let cut = Cut { rate: self.rate, excess: None, start: true };
            self.ceiling = pace.max(FLOOR);
            self.cut(now, (pace * CUT).max(self.rate / DEEPEST), cut);
        }
    }

    fn climb(&mut self, now: Instant) {
        let step = if self.rate < NEAR * self.ceiling { STEP } else { STEP_NEAR };
        self.rate = (self.rate + step * self.ceiling).min(CEILING);
        if self.rate > BEYOND * self.ceiling {
            self.phase = Phase::Start { since: now, lag: PERIOD };
        }
    }

    /// Multiplicative decrease: to what the resolver has answered, which under a load too high is what it can do; by half at
    /// most, and by half at least in a storm.
    fn cut_for_failures(&mut self, now: Instant, window: &Counts) {
        let pace = window.pace(now);
        let cut = Cut {
            rate: self.rate,
            excess: Some(window.share() - self.zones),
            start: matches!(self.phase, Phase::Start { .. }),
        };
        let half = self.rate / 2.0;
        let rate = if window.share() >= STORM {
            (pace * CUT).clamp(self.rate / DEEPEST, half)
        } else {
            (pace * CUT).clamp(half, self.rate * CUT)
        };
        self.ceiling = pace.clamp(rate, self.rate).max(FLOOR);
        self.cut(now, rate, cut);
    }

    fn cut(&mut self, now: Instant, rate: f64, cut: Cut) {
        self.rate = rate.max(FLOOR);
        self.phase = Phase::Settle { until: now + SETTLE, cut };
    }

    /// Learns from a cut: failures that it did not lower by a third are the zones' own.
    fn settle(&mut self, now: Instant, until: Instant, cut: Cut) {
        if now < until {
            // What ends now was sent before the cut.
            self.window = Counts::new(now);
            return;
        }
        let Some(window) = self.ended_window(now) else { return };
        let share = window.share();
        self.phase = Phase::Climb;
        let Some(before) = cut.excess else { return };
        if (share - self.zones) * 3.0 > before * 2.0 && share <= ZONES_MAX {
            self.zones = share;
            // In a storm it goes on from here, whosever it is.
            if share < STORM {
                self.rate = cut.rate;
                if cut.start {
                    self.phase = Phase::Start { since: now, lag: PERIOD };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
