//! Pace: how many questions a second, and how many connections at a time to one address.
//!
//! Both only make their caller wait; neither ever refuses.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// How much unused rate may be made up for at once: what timers of a millisecond and a busy machine swallow, and too
/// little to overflow a resolver's receive queue.
const MAKE_UP: Duration = Duration::from_millis(20);

/// A token bucket: at most so many a second, evenly spaced.
#[derive(Debug)]
pub struct Rate {
    /// The time that one token takes.
    spacing: Duration,
    /// When the next token is due. Each caller takes the next due time and waits for it, so the order is that of asking.
    due: Mutex<Instant>,
}

impl Rate {
    /// So many a second; zero counts as one.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        Self { spacing: Duration::from_secs(1) / per_second.max(1), due: Mutex::new(Instant::now()) }
    }

    /// Waits for the next token.
    pub async fn take(&self) {
        let due = self.reserve(Instant::now());
        tokio::time::sleep_until(due).await;
    }

    /// Takes as many tokens as are due now, at most `want`, without waiting. Those who wait for one in [`take`](Self::take)
    /// go first.
    #[must_use]
    pub fn take_up_to(&self, want: usize) -> usize {
        self.take_at(Instant::now(), want)
    }

    fn take_at(&self, now: Instant, want: usize) -> usize {
        let mut due = self.due();
        let first = next(*due, now);
        let Some(late) = now.checked_duration_since(first) else { return 0 };
        // The first is due, and one more for each spacing that has passed since: at most a million a second for 20 ms.
        let count = late.as_nanos() / self.spacing.as_nanos().max(1) + 1;
        let count = u32::try_from(count).unwrap_or(u32::MAX).min(u32::try_from(want).unwrap_or(u32::MAX));
        *due = first + self.spacing * count;
        usize::try_from(count).unwrap_or(want)
    }

    /// The due time of the next token; the one after it is due a spacing later.
    fn reserve(&self, now: Instant) -> Instant {
        let mut due = self.due();
        let mine = next(*due, now);
        *due = mine + self.spacing;
        mine
    }

    fn due(&self) -> MutexGuard<'_, Instant> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When the next token is due, where what was not used for longer than [`MAKE_UP`] is lost.
fn next(due: Instant, now: Instant) -> Instant {
    now.checked_sub(MAKE_UP).map_or(due, |earliest| earliest.max(due))
}

/// At most so many connections at a time to one address.
#[derive(Clone, Debug)]
pub struct PerHost {
    limit: usize,
    hosts: Arc<Mutex<HashMap<IpAddr, Host>>>,
}

/// An address that somebody is connected to, or waits for. It leaves the table with the last of them.
#[derive(Debug)]
struct Host {
    seats: Arc<Semaphore>,
    /// Who holds a seat or waits for one.
    callers: usize,
}

/// A place among the connections to one address, until it is dropped.
#[derive(Debug)]
pub struct Seat {
    // The order of the fields is the order of dropping: the seat is free before the table lets go of the address.
    _permit: OwnedSemaphorePermit,
    _caller: Caller,
}

/// One who holds a seat or waits for one.
#[derive(Debug)]
struct Caller {
    hosts: PerHost,
    address: IpAddr,
}

impl PerHost {
    /// At most `limit` at a time; zero counts as one.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit: limit.clamp(1, Semaphore::MAX_PERMITS), hosts: Arc::default() }
    }

    /// Waits for a place at this address. An IPv4-mapped address is the IPv4 address.
    pub async fn enter(&self, address: IpAddr) -> Seat {
        let (seats, caller) = self.call(address.to_canonical());
        let permit = seats.acquire_owned().await.expect("the semaphore is never closed");
        Seat { _permit: permit, _caller: caller }
    }

    /// How many addresses are in the table: those connected to or waited for.
    #[must_use]
    pub fn addresses(&self) -> usize {
        self.table().len()
    }

    fn call(&self, address: IpAddr) -> (Arc<Semaphore>, Caller) {
        let mut table = self.table();
        let host =
            table.entry(address).or_insert_with(|| Host { seats: Arc::new(Semaphore::new(self.limit)), callers: 0 });
        host.callers += 1;
        (Arc::clone(&host.seats), Caller { hosts: self.clone(), address })
    }

    fn table(&self) -> MutexGuard<'_, HashMap<IpAddr, Host>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        let mut table = self.hosts.table();
        if let Some(host) = table.get_mut(&self.address) {
            host.callers -= 1;
            if host.callers == 0 {
                table.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn a_rate_is_kept_within_ten_percent() {
        for per_second in [50, 400, 3000] {
            let rate = Arc::new(Rate::new(per_second));
            let taken = Arc::new(AtomicUsize::new(0));
            let mut takers = JoinSet::new();
            let start = Instant::now();
            for _ in 0..8 {
                let (rate, taken) = (Arc::clone(&rate), Arc::clone(&taken));
                takers.spawn(async move {
                    loop {
                        rate.take().await;
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            // Measured, not assumed: a busy machine oversleeps.
            let due = f64::from(per_second) * start.elapsed().as_secs_f64();
            let got = taken.load(Ordering::Relaxed) as f64;
            takers.shutdown().await;
            assert!((got - due).abs() <= due * 0.1 + 1.0, "{got} instead of {due}");
        }
    }

    /// Takers of both kinds at one bucket, a thread that comes by every so often and tasks that wait; for two seconds.
    #[test]
    fn both_kinds_of_takers_together_keep_to_the_rate() {
        for per_second in [50, 999, 3_000, 30_000, 100_000] {
            for (turn, tasks, want) in
                [(1, 0, 4_096), (1, 8, 4_096), (7, 3, 4_096), (15, 1, 4_096), (1, 50, 2), (1, 8, 0)]
            {
                let rate = Rate::new(per_second);
                let begun = Instant::now();
                let mut waiting = vec![begun; tasks];
                let (mut bulk, mut single) = (0, 0);
                for at in (0..2_000).step_by(turn) {
                    let now = begun + Duration::from_millis(at);
                    for due in &mut waiting {
                        // Each has its token when it is due, and asks for the next.
                        while *due <= now {
                            *due = rate.reserve(now.min(*due + Duration::from_millis(1)));
                            single += 1;
                        }
                    }
                    bulk += rate.take_at(now, want);
                }
                let got = (bulk + single) as f64;
                let due = 2.0 * f64::from(per_second);
                let told =
                    format!("{per_second}: {bulk} and {single}, every {turn} ms, {tasks} tasks, {want} at a time");
                // Those that wait have one more each under way.
                assert!(got <= due * 1.05 + 1.0 + tasks as f64, "{told}");
                if want > 2 {
                    assert!(got >= due * 0.95 - 1.0, "{told}");
                }
            }
        }
    }

    #[test]
    fn what_is_due_is_taken_at_once_and_no_more_than_is_wanted() {
        let rate = Rate::new(1_000);
        let begun = *rate.due();
        let at = |ms| begun + Duration::from_millis(ms);
        assert_eq!([rate.take_at(at(0), 5), rate.take_at(at(0), 5)], [1, 0]);
        assert_eq!([rate.take_at(at(5), 3), rate.take_at(at(5), 3), rate.take_at(at(5), 3)], [3, 2, 0]);
        assert_eq!(rate.take_at(at(6), 0), 0);
        // A second of idleness is worth what may be made up for.
        assert_eq!(rate.take_at(at(1_006), 5_000), 21);
        // Who waits goes first.
        assert_eq!([1_007, 1_008].map(at), [rate.reserve(at(1_006)), rate.reserve(at(1_006))]);
        assert_eq!([rate.take_at(at(1_008), 5), rate.take_at(at(1_009), 5)], [0, 1]);
    }

    #[tokio::test]
    async fn idleness_is_not_saved_up() {
        let rate = Rate::new(100);
        tokio::time::sleep(Duration::from_millis(300)).await;
        let start = Instant::now();
        for _ in 0..10 {
            rate.take().await;
        }
        // Ten tokens of 10 ms, less the first and what may be made up for.
        assert!(start.elapsed() >= Duration::from_millis(65), "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn at_most_so_many_at_one_address_and_none_kept() {
        let hosts = PerHost::new(2);
        let crowded: IpAddr = "192.0.2.1".parse().unwrap();
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut visitors = JoinSet::new();
        for i in 0..20 {
            let (hosts, now, most) = (hosts.clone(), Arc::clone(&now), Arc::clone(&most));
            visitors.spawn(async move {
                let _seat = hosts.enter(if i % 2 == 0 { crowded } else { mapped }).await;
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(5)).await;
                now.fetch_sub(1, Ordering::SeqCst);
            });
        }
        // Another address does not wait for the crowded one.
        tokio::time::timeout(Duration::from_millis(20), hosts.enter("192.0.2.2".parse().unwrap())).await.unwrap();
        while visitors.join_next().await.is_some() {}
        assert_eq!(most.load(Ordering::SeqCst), 2);
        assert_eq!(hosts.addresses(), 0);
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_nothing_behind() {
        let hosts = PerHost::new(1);
        let address: IpAddr = "2001:db8::1".parse().unwrap();
        let seat = hosts.enter(address).await;
        assert!(tokio::time::timeout(Duration::from_millis(5), hosts.enter(address)).await.is_err());
        drop(seat);
        assert_eq!(hosts.addresses(), 0);
    }
}
