//! Resolvers of a capacity, with zones that fail whatever the rate, asked as fast as the rate allows. All time is made up.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::collections::VecDeque;

use super::*;

const TICK: Duration = Duration::from_millis(1);
/// How long a try waits: the first one's time.
const WAIT: Duration = Duration::from_secs(1);

/// A resolver that answers so many questions a second, and loses what is beyond it.
#[derive(Clone, Copy, Debug)]
struct Simulated {
    /// Questions a second, by the second of the run.
    capacity: fn(f64) -> f64,
    /// The share that fails at any rate: half of them are silent, half are broken.
    zones: f64,
    round_trip: Duration,
    /// What is asked a second, at most.
    asked: f64,
}

const PLAIN: Simulated =
    Simulated { capacity: |_| 20_000.0, zones: 0.0, round_trip: Duration::from_millis(20), asked: f64::INFINITY };

/// What came of a run: the rate every 100 ms, and the tries that failed beside those that their zones failed.
#[derive(Debug, Default)]
struct Seen {
    rates: Vec<f64>,
    sent: f64,
    lost: f64,
}

impl Seen {
    /// The mean, the lowest and the highest rate between two seconds.
    fn between(&self, from: usize, to: usize) -> (f64, f64, f64) {
        let rates = &self.rates[from * 10..to * 10];
        let mean = rates.iter().sum::<f64>() / rates.len() as f64;
        (mean, rates.iter().copied().fold(f64::MAX, f64::min), rates.iter().copied().fold(0.0, f64::max))
    }
}

fn run(seconds: u64, resolver: Simulated) -> Seen {
    let begun = Instant::now();
    let mut rate = Adaptive::new(begun);
    let mut seen = Seen::default();
    // What ends when, by the kind of its end; each in the order of time.
    let (mut answers, mut broken, mut silent): (VecDeque<_>, VecDeque<_>, VecDeque<_>) = Default::default();
    let (mut room, mut asked, mut dice) = (0.0_f64, 0.0_f64, 1_u64);
    for tick in 0..seconds * 1000 {
        let (at, now) = (tick as f64 / 1000.0, begun + TICK * u32::try_from(tick).unwrap());
        let ended = |queue: &mut VecDeque<(Instant, usize)>| {
            let due = queue.partition_point(|(end, _)| *end <= now);
            queue.drain(..due).map(|(_, count)| count).sum::<usize>()
        };
        let (good, bad) = (ended(&mut answers), ended(&mut broken) + ended(&mut silent));
        rate.outcome(now, good, bad);
        asked = (asked + resolver.asked / 1000.0).min(resolver.asked / 10.0);
        let count = rate.allowance(now).min(if asked.is_finite() { asked as usize } else { usize::MAX });
        asked -= count as f64;
        rate.sent(count);
        // The resolver's queue holds what it answers in 10 ms.
        room = (room + (resolver.capacity)(at) / 1000.0).min((resolver.capacity)(at) / 100.0);
        let taken = (count as f64).min(room.floor());
        room -= taken;
        let mut failing = 0;
        for _ in 0..taken as usize {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            failing += usize::from(((dice >> 33) as f64) < resolver.zones * f64::from(1_u32 << 31));
        }
        answers.push_back((now + resolver.round_trip, taken as usize - failing));
        broken.push_back((now + resolver.round_trip * 5, failing / 2));
        silent.push_back((now + WAIT, count - taken as usize + failing - failing / 2));
        seen.sent += count as f64;
        seen.lost += count as f64 - taken;
        if tick % 100 == 0 {
            seen.rates.push(f64::from(rate.per_second()));
        }
    }
    seen
}

#[test]
fn the_rate_finds_the_capacity_and_stays_under_it() {
    for (capacity, capacity_of) in [
        (1_000.0, (|_| 1_000.0) as fn(f64) -> f64),
        (5_000.0, |_| 5_000.0),
        (20_000.0, |_| 20_000.0),
        (30_000.0, |_| 30_000.0),
        (150_000.0, |_| 150_000.0),
    ] {
        for round_trip in [1, 20, 150] {
            let round_trip = Duration::from_millis(round_trip);
            let seen = run(90, Simulated { capacity: capacity_of, round_trip, ..PLAIN });
            let (mean, low, high) = seen.between(15, 90);
            let told = format!("{capacity} {round_trip:?}: {mean:.0} {low} {high}, lost {:.4}", seen.lost / seen.sent);
            assert!(mean >= 0.85 * capacity && mean <= capacity, "{told}");
            assert!(low >= 0.7 * capacity && high <= 1.1 * capacity, "{told}");
            assert!(seen.lost <= 0.012 * seen.sent, "{told}");
        }
    }
}

#[test]
fn what_zones_fail_at_any_rate_is_not_held_against_the_resolver() {
    for zones in [0.01, 0.03, 0.05] {
        let seen = run(60, Simulated { zones, ..PLAIN });
        let (mean, low, high) = seen.between(20, 60);
        let told = format!("{zones}: {mean} {low} {high} lost {}", seen.lost / seen.sent);
        assert!(mean >= 0.8 * 20_000.0 && low >= 0.6 * 20_000.0 && high <= 1.15 * 20_000.0, "{told}");
        assert!(seen.lost <= 0.02 * seen.sent, "{told}");
    }
    // Nor where nothing is the resolver's: it does more than is asked of it.
    let seen = run(60, Simulated { zones: 0.03, capacity: |_| 1e9, asked: 20_000.0, ..PLAIN });
    assert!(seen.between(20, 60).1 >= 20_000.0, "{:?}", seen.between(20, 60));
}

#[test]
fn a_list_of_dead_domains_is_still_scanned() {
    let seen = run(120, Simulated { zones: 0.45, ..PLAIN });
    let (mean, low, high) = seen.between(60, 120);
    assert!(mean >= 5_000.0, "{mean} {low} {high}");
}

#[test]
fn the_rate_follows_a_capacity_that_falls_and_rises() {
    let seen =
        run(120, Simulated { capacity: |at| if (30.0..60.0).contains(&at) { 4_000.0 } else { 20_000.0 }, ..PLAIN });
    let (before, fallen, risen) = (seen.between(15, 30), seen.between(40, 60), seen.between(90, 120));
    let told = format!("{before:?} {fallen:?} {risen:?} lost {}", seen.lost / seen.sent);
    assert!(before.0 >= 0.85 * 20_000.0, "{told}");
    assert!(fallen.0 >= 0.7 * 4_000.0 && fallen.2 <= 1.15 * 4_000.0, "{told}");
    assert!(risen.0 >= 0.8 * 20_000.0, "{told}");
}

/// HOSTILE.md 57.
#[test]
fn in_a_storm_of_failures_the_rate_halves() {
    let begun = Instant::now();
    let mut rate = Adaptive::new(begun);
    let mut highest = 0;
    for ms in 0..3_000 {
        let now = begun + Duration::from_millis(ms);
        let count = rate.allowance(now).min(40);
        rate.sent(count);
        let bad = if ms < 1_500 { 0 } else { count * 3 / 10 };
        rate.outcome(now, count - bad, bad);
        highest = highest.max(if ms < 1_500 { rate.per_second() } else { 0 });
    }
    assert!(rate.per_second() <= highest / 2, "{} of {highest}", rate.per_second());
    // And it never ends.
    for ms in 3_000..60_000 {
        let now = begun + Duration::from_millis(ms);
        let count = rate.allowance(now);
        rate.sent(count);
        rate.outcome(now, 0, count);
    }
    assert_eq!(f64::from(rate.per_second()), FLOOR);
}

#[test]
fn what_is_not_used_is_not_saved_up_and_not_taken_for_headroom() {
    let begun = Instant::now();
    let mut rate = Adaptive::new(begun);
    assert!(rate.allowance(begun + Duration::from_secs(10)) <= (BEGIN * MAKE_UP) as usize);
    let seen = run(20, Simulated { capacity: |_| 1e9, asked: 1_000.0, ..PLAIN });
    assert!(seen.rates.iter().all(|rate| *rate <= 2.0 * BEGIN), "{:?}", seen.rates);
}

#[test]
fn after_a_fall_the_rate_starts_slowly() {
    let begun = Instant::now();
    let mut rate = Adaptive::new(begun);
    for ms in 0..2_000 {
        let now = begun + Duration::from_millis(ms);
        let count = rate.allowance(now);
        rate.sent(count);
        rate.outcome(now, count, 0);
    }
    assert!(rate.per_second() > 100_000);
    rate.restart(begun + Duration::from_secs(2));
    assert_eq!(f64::from(rate.per_second()), BEGIN);
}
