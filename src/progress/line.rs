//! One line of progress: the counts of a moment, the rate and the time left, for people and as JSON.

use std::time::Duration;

use serde_json::{Value, json};

/// Over how long the rate is smoothed: steady to read, yet soon to tell of a slow-down.
const SMOOTHED_OVER: f64 = 15.0;

/// The counts of one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snapshot {
    pub(super) total: Option<u64>,
    pub(super) done: u64,
    pub(super) announced: u64,
    pub(super) failed: u64,
    pub(super) asked: u64,
    pub(super) elapsed: Duration,
    /// Domains a second.
    pub(super) rate: f64,
}

impl Snapshot {
    /// For people. What they look for first comes first: a narrow terminal cuts the end off.
    pub(super) fn line(&self) -> String {
        let done = match self.total {
            Some(total) => format!("{} of {} domains", grouped(self.done), grouped(total)),
            None => format!("{} domains", grouped(self.done)),
        };
        let time = match self.seconds_left() {
            Some(0) => format!(", {} in all", duration(self.elapsed.as_secs())),
            Some(seconds) => format!(", {} left", duration(seconds)),
            None => String::new(),
        };
        format!(
            "{done}, {}/s{time}, {} announced, {} failed, {} asked",
            // A rate is never negative, and a conversion of a larger float than fits gives the largest number.
            grouped(self.rate.round() as u64),
            grouped(self.announced),
            grouped(self.failed),
            grouped(self.asked)
        )
    }

    /// For programs: one object, numbers only.
    pub(super) fn json(&self, last: bool) -> Value {
        json!({
            "done": self.done,
            "total": self.total,
            "announced": self.announced,
            "failed": self.failed,
            "asked": self.asked,
            "elapsed_ms": u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX),
            "rate": (self.rate * 10.0).round() / 10.0,
            "seconds_left": self.seconds_left(),
            "finished": last,
        })
    }

    /// `None` while it cannot be told: no total, or nothing done lately.
    fn seconds_left(&self) -> Option<u64> {
        let left = self.total?.saturating_sub(self.done);
        if left == 0 {
            return Some(0);
        }
        let seconds = (left as f64 / self.rate).ceil();
        // A longer wait than a century is no prediction; this also leaves out a rate of nothing.
        (seconds < 3.2e9).then_some(seconds as u64)
    }
}

/// The rate, smoothed.
#[derive(Debug, Default)]
pub(super) struct Rate {
    elapsed: Duration,
    done: u64,
    value: Option<f64>,
}

impl Rate {
    /// Takes a new reading and gives the rate, in domains a second.
    pub(super) fn update(&mut self, elapsed: Duration, done: u64) -> f64 {
        let seconds = elapsed.saturating_sub(self.elapsed).as_secs_f64();
        if seconds > 0.0 {
            let now = done.saturating_sub(self.done) as f64 / seconds;
            let weight = 1.0 - (-seconds / SMOOTHED_OVER).exp();
            self.value = Some(self.value.map_or(now, |before| before + (now - before) * weight));
            self.elapsed = elapsed;
            self.done = done;
        }
        self.value.unwrap_or(0.0)
    }
}

/// A number with a comma between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A duration by its two largest units.
fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Snapshot = Snapshot {
        total: Some(1_000_000),
        done: 12_345,
        announced: 678,
        failed: 9,
        asked: 24_000,
        elapsed: Duration::from_millis(61_500),
        rate: 200.04,
    };

    #[test]
    fn lines_tell_what_is_known() {
        let cases = [
            (MOMENT, "12,345 of 1,000,000 domains, 200/s, 1 h 22 min left, 678 announced, 9 failed, 24,000 asked"),
            (Snapshot { total: None, ..MOMENT }, "12,345 domains, 200/s, 678 announced, 9 failed, 24,000 asked"),
            (
                Snapshot { rate: 0.0, ..MOMENT },
                "12,345 of 1,000,000 domains, 0/s, 678 announced, 9 failed, 24,000 asked",
            ),
            (
                Snapshot { done: 1_000_000, ..MOMENT },
                "1,000,000 of 1,000,000 domains, 200/s, 1 min 1 s in all, 678 announced, 9 failed, 24,000 asked",
            ),
        ];
        for (snapshot, expected) in cases {
            assert_eq!(snapshot.line(), expected);
        }
    }

    #[test]
    fn a_terminal_of_eighty_columns_shows_the_time_left() {
        let busy = Snapshot { done: 123_456, rate: 10_250.0, ..MOMENT }.line();
        let beside_the_bar = 80 - super::super::BAR_WIDTH - 1;
        let shown: String = busy.chars().take(beside_the_bar).collect();
        assert!(shown.contains("1 min 26 s left,"), "{shown}");
    }

    #[test]
    fn json_says_null_for_what_cannot_be_told() {
        let known = json!({
            "done": 12_345, "total": 1_000_000, "announced": 678, "failed": 9, "asked": 24_000, "elapsed_ms": 61_500,
            "rate": 200.0, "seconds_left": 4_938, "finished": false
        });
        assert_eq!(MOMENT.json(false), known);
        let unknown = Snapshot { total: None, ..MOMENT }.json(true);
        assert_eq!((&unknown["total"], &unknown["seconds_left"]), (&Value::Null, &Value::Null));
        assert_eq!(unknown["finished"], true);
    }

    #[test]
    fn the_rate_begins_with_what_is_seen_and_then_follows_slowly() {
        let second = Duration::from_secs(1);
        let mut rate = Rate::default();
        assert_eq!(rate.update(Duration::ZERO, 0), 0.0);
        assert_eq!(rate.update(second, 100), 100.0);
        assert_eq!(rate.update(second, 100), 100.0, "no time has gone by");
        let slower = rate.update(second * 2, 100);
        assert!(slower > 90.0 && slower < 100.0, "{slower}");
        let long_after = rate.update(second * 200, 100);
        assert!(long_after < 0.1, "{long_after}");
    }

    #[test]
    fn numbers_and_durations_read_well() {
        for (number, expected) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (123_456, "123,456"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(number), expected);
        }
        for (seconds, expected) in
            [(0, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (3_661, "1 h 1 min"), (90_000, "1 d 1 h")]
        {
            assert_eq!(duration(seconds), expected);
        }
    }
}
