//! The crew: the two stages that ask the Internet, each a loop that owns its tasks and gives every target back.
//!
//! ```text
//! targets -> discovery --nothing there--------------------> plain
//!                     |--settled--------------------------> done
//!                     '--announced or odd-> surveying ----> done
//! ```
//!
//! Discovery has two forms: in bulk, on threads of its own (see [`discovery`](super::discovery)), and task by task, where the
//! resolvers take no datagrams.
//!
//! Every channel is bounded: where the next stage is full, a stage takes nothing new.

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use crate::discover::Discovered;
use crate::error::Error;
use crate::finding::Code;
use crate::name::HostName;
use crate::net::NetConfig;
use crate::net::dns::Lookup;
use crate::net::dns::bulk::{self, Plain};
use crate::progress::Meter;
use crate::scan::discovery::{Discovery, Ways};
use crate::scan::stop::Stop;
use crate::survey::{Survey, Surveyor};
use crate::target::Target;

/// Domains in discovery at a time where each is a task: beyond that, tasks only wait for each other's connection.
const TASKS_MAX: usize = 1_000;

/// Domains that wait for a survey. Where it is full, discovery takes nothing new.
const ODD_WAITING: usize = 1_024;

/// Surveys that wait for their second attempt, at most: each holds a few kilobytes. Beyond that, nobody new is taken.
const WAITING_MAX: usize = 8_192;

/// How long a survey waits before what failed is asked again: long enough for a passing overload to pass.
const PAUSE: Duration = Duration::from_secs(3);

/// How long what is in flight may take after the first signal (HOSTILE.md 146).
pub(super) const DRAIN: Duration = Duration::from_secs(10);

/// Domains in discovery when a scan begins. With every answer one more is taken, up to the concurrency: a burst would
/// overflow the queue of a resolver that has nothing cached yet.
const SLOW_START: usize = 64;

/// Domains whose look-up may fail from the very beginning before the resolver counts as unusable: a resolver whose own
/// network is down answers every question, with SERVFAIL. No list begins with so many broken domains.
const HOPELESS: usize = 32;

/// A target with all that was seen of it.
pub(super) type Done = (Target, Survey);

/// Tasks of one stage, each with the target that it works on, so that a panic costs one row and no more.
struct Tasks<T> {
    set: JoinSet<T>,
    targets: HashMap<Id, Target>,
}

impl<T: Send + 'static> Tasks<T> {
    fn new() -> Self {
        Self { set: JoinSet::new(), targets: HashMap::new() }
    }

    fn spawn(&mut self, target: Target, work: impl Future<Output = T> + Send + 'static) {
        let handle = self.set.spawn(work);
        self.targets.insert(handle.id(), target);
    }

    /// The target of a task that ended, with its result, or `None` where it panicked. `None` at all where it was dropped.
    fn settle(&mut self, ended: Result<(Id, T), JoinError>) -> Option<(Target, Option<T>)> {
        match ended {
            Ok((id, result)) => self.targets.remove(&id).map(|target| (target, Some(result))),
            Err(error) if error.is_panic() => self.targets.remove(&error.id()).map(|target| (target, None)),
            Err(error) => {
                self.targets.remove(&error.id());
                None
            }
        }
    }

    /// Drops everything in flight, and waits until it is gone.
    async fn drop_all(&mut self) {
        self.set.shutdown().await;
        self.targets.clear();
    }
}

/// What discovery passes on to be surveyed.
pub(super) enum Odd {
    /// What it saw, from which the survey goes on.
    Discovered(Box<Discovered>),
    /// Something that bulk cannot see: it is to be asked anew, the slow way.
    Slow,
}

/// How much goes on at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Threads of discovery in bulk.
    pub(super) threads: usize,
    /// Domains in discovery.
    pub(super) discovery: usize,
    /// Surveys.
    pub(super) surveys: usize,
}

/// Both stages together, until every target is done. Discovery goes in bulk where the resolvers take datagrams.
pub(super) async fn work(
    config: &NetConfig,
    surveyor: &Arc<Surveyor>,
    targets: mpsc::Receiver<Vec<Target>>,
    (plain, done): (mpsc::Sender<Vec<Plain<Target>>>, mpsc::Sender<Done>),
    room: Room,
    meter: Meter,
    stop: watch::Receiver<Stop>,
) -> Result<Ended, Error> {
    let (odd_in, odd) = mpsc::channel(ODD_WAITING);
    let surveying = survey(Arc::clone(surveyor), odd, done.clone(), room.surveys, meter, stop.clone());
    let discovering = async {
        if !bulk::is_possible(config) {
            let concurrency = room.discovery.min(TASKS_MAX);
            let unusable = discover(Arc::clone(surveyor), targets, odd_in, done, concurrency, stop).await;
            return Ok::<_, Error>(unusable);
        }
        let ways = Ways { plain, odd: odd_in, done };
        let network = (config, surveyor.resolver().rate());
        let discovery = Discovery::start(network, surveyor, (room.threads, room.discovery), targets, &ways, &stop)?;
        // The next stage ends when nobody can send it anything any more.
        drop(ways);
        match discovery.ended().await? {
            bulk::Ended::Unusable(failure) => Ok(Some(failure.code)),
            bulk::Ended::Done | bulk::Ended::Dropped => Ok(None),
        }
    };
    let (mut discovering, mut surveying) = (pin!(discovering), pin!(surveying));
    tokio::select! {
        unusable = &mut discovering => {
            let unusable = unusable?;
            let is_cut = unusable.is_none() && surveying.await;
            Ok(Ended { unusable, is_cut })
        }
        // Nobody takes rows any more, or the time to drain is over: discovery finds that out too.
        is_cut = &mut surveying => Ok(Ended { unusable: discovering.await?, is_cut }),
    }
}

/// How the work ended.
pub(super) struct Ended {
    /// How the resolver's answers failed, where it proved unusable.
    pub(super) unusable: Option<Code>,
    /// Whether surveys were cut short.
    pub(super) is_cut: bool,
}

/// Asks every target the one question, at most `concurrency` at a time.
async fn discover(
    surveyor: Arc<Surveyor>,
    mut targets: mpsc::Receiver<Vec<Target>>,
    odd: mpsc::Sender<(Target, Odd)>,
    done: mpsc::Sender<Done>,
    concurrency: usize,
    mut stop: watch::Receiver<Stop>,
) -> Option<Code> {
    let mut tasks: Tasks<Discovered> = Tasks::new();
    let mut ready: VecDeque<Target> = VecDeque::new();
    let mut failed = Some(0);
    let mut window = SLOW_START.min(concurrency);
    let mut open = true;
    let mut end = None;
    while open || !ready.is_empty() || !tasks.set.is_empty() {
        while tasks.set.len() < window
            && let Some(target) = ready.pop_front()
        {
            let (surveyor, domain) = (Arc::clone(&surveyor), target.domain.clone());
            tasks.spawn(target, async move { surveyor.discover(&domain).await });
        }
        tokio::select! {
            Some(ended) = tasks.set.join_next_with_id() => {
                window = (window + 1).min(concurrency);
                let ended = tasks.settle(ended);
                if let Some((_, Some(discovered))) = &ended
                    && let Some(code) = hopeless(&mut failed, discovered)
                    && !answers_now(&surveyor).await
                {
                    tasks.drop_all().await;
                    return Some(code);
                }
                let sent = match ended {
                    None => true,
                    Some((target, None)) => done.send((target, Survey::panicked())).await.is_ok(),
                    Some((target, Some(discovered))) if surveyor.is_settled(&discovered) => {
                        done.send((target, discovered.into())).await.is_ok()
                    }
                    Some((target, Some(discovered))) => odd.send((target, Odd::Discovered(Box::new(discovered)))).await.is_ok(),
                };
                // Nobody takes the rows any more: the writer failed, and says why.
                if !sent {
                    tasks.drop_all().await;
                    return None;
                }
            }
            next = targets.recv(), if open && ready.is_empty() && tasks.set.len() < window => match next {
                Some(chunk) => ready = chunk.into(),
                None => open = false,
            },
            Ok(()) = stop.changed() => match *stop.borrow_and_update() {
                Stop::No => {}
                Stop::Drain(_) => {
                    open = false;
                    ready.clear();
                    targets.close();
                    end = Some(Instant::now() + DRAIN);
                }
                Stop::Now(_) => {
                    tasks.drop_all().await;
                    return None;
                }
            },
            // Nobody takes the rows any more: the writer failed, and says why.
            () = done.closed() => {
                tasks.drop_all().await;
                return None;
            }
            () = at(end) => {
                tasks.drop_all().await;
                return None;
            }
        }
    }
    None
}

/// Whether nothing but failures came so far, and enough of them. `failed` counts until the first answer.
fn hopeless(failed: &mut Option<usize>, discovered: &Discovered) -> Option<Code> {
    let count = failed.as_mut()?;
    let Some(failure) = discovered.record.failure() else {
        // A name that is too long was not asked for, and proves nothing.
        if discovered.record.answer.is_some() {
            *failed = None;
        }
        return None;
    };
    *count += 1;
    if *count < HOPELESS {
        return None;
    }
    *failed = None;
    Some(failure.code)
}

/// Whether the resolver answers after a pause, which a passing trouble does not outlast: any answer about a name that every
/// resolver knows, and that is in no list.
async fn answers_now(surveyor: &Surveyor) -> bool {
    tokio::time::sleep(PAUSE).await;
    match HostName::parse("com") {
        Ok(name) => !matches!(surveyor.resolver().txt(&name).await.lookup, Lookup::Failed(_)),
        Err(_) => true,
    }
}

/// A survey that waits for its second attempt.
struct Waiting {
    due: Instant,
    target: Target,
    survey: Survey,
}

/// Asks everything else of what discovery passes on, at most `concurrency` at a time; what failed is asked again later.
/// Returns whether it was cut short: a survey was dropped, or passed on without the second attempt that it was owed.
async fn survey(
    surveyor: Arc<Surveyor>,
    mut odd: mpsc::Receiver<(Target, Odd)>,
    done: mpsc::Sender<Done>,
    concurrency: usize,
    meter: Meter,
    mut stop: watch::Receiver<Stop>,
) -> bool {
    let mut tasks: Tasks<Survey> = Tasks::new();
    // All wait equally long, so the first is always the next.
    let mut waiting: VecDeque<Waiting> = VecDeque::new();
    let mut open = true;
    let mut end = None;
    let mut cut = false;
    while open || !tasks.set.is_empty() || !waiting.is_empty() {
        let room = tasks.set.len() < concurrency;
        let due = waiting.front().map(|first| first.due);
        tokio::select! {
            Some(ended) = tasks.set.join_next_with_id() => {
                let sent = match tasks.settle(ended) {
                    None => true,
                    Some((target, Some(survey))) if survey.is_owed_another() && end.is_none() => {
                        waiting.push_back(Waiting { due: Instant::now() + PAUSE, target, survey });
                        true
                    }
                    Some((target, seen)) => {
                        let seen = seen.unwrap_or_else(Survey::panicked);
                        cut |= seen.is_owed_another();
                        done.send((target, seen)).await.is_ok()
                    }
                };
                if !sent {
                    tasks.drop_all().await;
                    return true;
                }
            }
            () = at(due), if room => {
                if let Some(Waiting { target, mut survey, .. }) = waiting.pop_front() {
                    let (surveyor, domain) = (Arc::clone(&surveyor), target.domain.clone());
                    tasks.spawn(target, async move {
                        surveyor.again(&domain, &mut survey).await;
                        survey
                    });
                }
            }
            next = odd.recv(), if open && room && waiting.len() < WAITING_MAX => match next {
                Some((target, odd)) => {
                    let (surveyor, domain, meter) = (Arc::clone(&surveyor), target.domain.clone(), meter.clone());
                    tasks.spawn(target, async move {
                        let discovered = match odd {
                            Odd::Discovered(discovered) => *discovered,
                            Odd::Slow => surveyor.discover(&domain).await,
                        };
                        meter.announced(u64::from(discovered.record.announced()));
                        if surveyor.is_settled(&discovered) {
                            return discovered.into();
                        }
                        surveyor.survey(&domain, discovered).await
                    });
                }
                None => open = false,
            },
            Ok(()) = stop.changed() => match *stop.borrow_and_update() {
                Stop::No => {}
                Stop::Drain(_) => end = Some(Instant::now() + DRAIN),
                Stop::Now(_) => {
                    tasks.drop_all().await;
                    return true;
                }
            },
            () = at(end) => {
                tasks.drop_all().await;
                return true;
            }
            // Nobody takes the rows any more: the writer failed, and says why.
            () = done.closed() => {
                tasks.drop_all().await;
                return true;
            }
        }
        // There is no time for second attempts any more: what was seen counts.
        if end.is_some() {
            cut |= !waiting.is_empty();
            for Waiting { target, survey, .. } in waiting.drain(..) {
                if done.send((target, survey)).await.is_err() {
                    tasks.drop_all().await;
                    return true;
                }
            }
        }
    }
    cut
}

/// Waits until a time; for ever where there is none.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
