//! The mail hosts of a scan: each is asked once, however many domains share it, and once more where it failed for a reason
//! that may pass.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::finding::{self, Code};
use crate::name::HostName;
use crate::net::dns::Resolver;
use crate::net::reach::Reach;
use crate::net::smtp::Client;
use crate::net::task;
use crate::probe::host::{self, Judged, Seen};

/// Mail hosts whose verdict is kept at a time. An ordinary one takes about a kilobyte, so this bounds them to some 300 MiB; beyond, the
/// oldest that only one domain asked for is forgotten (tenants of big operators have a name of their own each), and would be
/// asked anew.
const KEPT: usize = 262_144;

/// How long after the first attempt a second one is due: long enough for a passing overload to pass.
const PAUSE: Duration = Duration::from_secs(3);

/// A mail host that was asked.
#[derive(Clone, Debug)]
pub struct Known {
    /// What it is worth.
    pub judged: Arc<Judged>,
    evidence: Arc<Mutex<Evidence>>,
}

/// The evidence of a mail host on its way to the dataset: there once, so that no host stands there twice.
#[derive(Debug, Default)]
enum Evidence {
    #[default]
    None,
    Waiting(Box<Seen>),
    Taken,
}

impl Known {
    fn new(judged: Judged, seen: Seen, evidence: &Arc<Mutex<Evidence>>) -> Self {
        let mut slot = lock(evidence);
        if !matches!(*slot, Evidence::Taken) {
            *slot = Evidence::Waiting(Box::new(seen));
        }
        Self { judged: Arc::new(judged), evidence: Arc::clone(evidence) }
    }

    /// The evidence, for the first who asks for it.
    #[must_use]
    pub fn take_evidence(&self) -> Option<Seen> {
        match std::mem::replace(&mut *lock(&self.evidence), Evidence::Taken) {
            Evidence::Waiting(seen) => Some(*seen),
            Evidence::None | Evidence::Taken => None,
        }
    }

    /// The evidence, as long as nobody took it.
    #[must_use]
    pub fn evidence(&self) -> Option<Seen> {
        match &*lock(&self.evidence) {
            Evidence::Waiting(seen) => Some((**seen).clone()),
            Evidence::None | Evidence::Taken => None,
        }
    }
}

/// The evidence with what it says.
fn judged(seen: Seen) -> (Seen, Judged) {
    let judged = host::judge(&seen);
    (seen, judged)
}

/// A panic while a lock was held was one of ours, and what the lock guards is whole all the same.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs all at once, and gives what each came to in the order in which they were given. Whoever waits for a host that
/// another survey asks takes over where that survey is dropped.
async fn side_by_side<F>(work: impl Iterator<Item = F>) -> Vec<Known>
where
    F: Future<Output = Known> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for (place, work) in work.enumerate() {
        tasks.spawn(async move { (place, work.await) });
    }
    let mut done: Vec<(usize, Known)> = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        done.extend(task::ended(ended));
    }
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, known)| known).collect()
}

/// A host in the table.
#[derive(Debug, Default)]
struct Entry {
    first: OnceCell<(Known, Instant)>,
    second: OnceCell<Known>,
    evidence: Arc<Mutex<Evidence>>,
    /// Whether another domain asked for it since it came, or was last spared.
    shared: AtomicBool,
}

/// The table, with the hosts in the order in which they came.
#[derive(Debug, Default)]
struct Table {
    entries: HashMap<HostName, Arc<Entry>>,
    order: VecDeque<HostName>,
}

/// Asks mail hosts, each once.
pub struct Hosts {
    resolver: Resolver,
    client: Client,
    reach: Arc<Reach>,
    blocked: Option<Code>,
    table: Mutex<Table>,
}

impl Hosts {
    /// Nothing is known yet. Where `blocked` says why, nobody is asked.
    #[must_use]
    pub fn new(resolver: &Resolver, client: Client, reach: Arc<Reach>, blocked: Option<Code>) -> Self {
        Self { resolver: resolver.telling(), client, reach, blocked, table: Mutex::default() }
    }

    /// Asks several hosts side by side. They come back in the same order.
    pub async fn ask_all(hosts: &Arc<Self>, names: Vec<HostName>) -> Vec<Known> {
        side_by_side(names.into_iter().map(|name| {
            let hosts = Arc::clone(hosts);
            async move { hosts.ask(&name).await }
        }))
        .await
    }

    /// Asks those again that failed.
    pub async fn again_all(hosts: &Arc<Self>, known: &[Known]) -> Vec<Known> {
        side_by_side(known.iter().cloned().map(|known| {
            let hosts = Arc::clone(hosts);
            async move { if known.judged.may_pass { hosts.again(&known.judged.host).await } else { known } }
        }))
        .await
    }

    /// Asks a host, or waits for whoever asks it, or remembers.
    pub async fn ask(self: &Arc<Self>, host: &HostName) -> Known {
        let entry = self.entry(host);
        let first = entry.first.get_or_init(|| async {
            let (seen, judged) = match self.blocked {
                Some(why) => judged(Seen::not_asked(host, why)),
                None => self.seen(host, None).await,
            };
            (Known::new(judged, seen, &entry.evidence), Instant::now())
        });
        let known = first.await.0.clone();
        entry.second.get().cloned().unwrap_or(known)
    }

    /// Asks a host again that failed, once and for all domains that share it.
    pub async fn again(self: &Arc<Self>, host: &HostName) -> Known {
        let known = lock(&self.table).entries.get(host).cloned();
        // What is forgotten by now is asked as if for the first time.
        let Some(entry) = known else { return self.ask(host).await };
        let Some((first, at)) = entry.first.get() else { return self.ask(host).await };
        if !first.judged.may_pass {
            return first.clone();
        }
        let second = entry.second.get_or_init(|| async {
            sleep_until(*at + PAUSE).await;
            let seen = match first.evidence() {
                Some(seen) => seen,
                // The scan is ending, and what was seen first is stored already.
                None => return first.clone(),
            };
            let (seen, judged) = self.seen(host, Some(seen)).await;
            // It is not asked a third time.
            Known::new(Judged { may_pass: false, ..judged }, seen, &entry.evidence)
        });
        second.await.clone()
    }

    /// Looks at a host, or looks again, and judges it beside the tasks of the network: a hostile chain costs up to a second
    /// (HOSTILE.md 87). A panic is a fault of ours: it costs this host, and not every domain that shares it.
    async fn seen(self: &Arc<Self>, host: &HostName, before: Option<Seen>) -> (Seen, Judged) {
        let (hosts, name) = (Arc::clone(self), host.clone());
        let mut task = JoinSet::new();
        task.spawn(async move {
            let Self { resolver, client, reach, .. } = &*hosts;
            let seen = match before {
                None => host::see(resolver, client, reach, &name).await,
                Some(mut seen) => {
                    host::again(resolver, client, reach, &mut seen).await;
                    seen
                }
            };
            tokio::task::spawn_blocking(|| judged(seen)).await
        });
        match task.join_next().await {
            Some(Ok(Ok(seen))) => seen,
            Some(Ok(Err(_)) | Err(_)) | None => judged(Seen::not_asked(host, finding::sts::PANIC)),
        }
    }

    fn entry(&self, host: &HostName) -> Arc<Entry> {
        lock(&self.table).entry(host, KEPT)
    }
}

impl Table {
    /// The entry of a host; where there is none, a new one, for which the oldest of `kept` makes room.
    fn entry(&mut self, host: &HostName, kept: usize) -> Arc<Entry> {
        if let Some(entry) = self.entries.get(host) {
            entry.shared.store(true, Ordering::Relaxed);
            return Arc::clone(entry);
        }
        // What several domains asked for is spared once, and then again only if another domain asked for it meanwhile.
        while self.order.len() >= kept {
            let Some(oldest) = self.order.pop_front() else { break };
            let shared = self.entries.get(&oldest).is_some_and(|entry| entry.shared.swap(false, Ordering::Relaxed));
            if shared {
                self.order.push_back(oldest);
            } else {
                self.entries.remove(&oldest);
            }
        }
        let entry = Arc::new(Entry::default());
        self.entries.insert(host.clone(), Arc::clone(&entry));
        self.order.push_back(host.clone());
        entry
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
mod tests {
    use super::*;

    fn name(text: &str) -> HostName {
        HostName::parse(text).unwrap()
    }

    #[test]
    fn the_table_keeps_what_is_shared_and_stays_within_its_bound() {
        let mut table = Table::default();
        let shared = table.entry(&name("mx.big.example"), 4);
        table.entry(&name("mx.big.example"), 4);
        for number in 0..20 {
            table.entry(&name(&format!("mx.tenant-{number}.example")), 4);
            // Another tenant of the big one comes along now and then.
            if number % 2 == 0 {
                assert!(Arc::ptr_eq(&shared, &table.entry(&name("mx.big.example"), 4)), "{number}");
            }
            assert!(table.entries.len() <= 4 && table.entries.len() == table.order.len(), "{number}");
        }
        for number in 20..28 {
            table.entry(&name(&format!("mx.tenant-{number}.example")), 4);
        }
        assert!(!Arc::ptr_eq(&shared, &table.entry(&name("mx.big.example"), 4)), "nobody asks for it any more");
    }

    #[test]
    fn the_evidence_of_a_host_is_stored_once_whatever_comes_later() {
        let slot = Arc::new(Mutex::new(Evidence::default()));
        let known = || {
            let (seen, judged) = judged(Seen::not_asked(&name("mx.example"), finding::sts::PORT_BLOCKED));
            Known::new(judged, seen, &slot)
        };
        let first = known();
        assert!(first.evidence().is_some());
        let second = known();
        assert!(second.take_evidence().is_some());
        assert!(first.take_evidence().is_none() && first.evidence().is_none());
        assert!(known().take_evidence().is_none());
    }
}
