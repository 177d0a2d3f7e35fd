//! Discovery in bulk: the threads that keep the engines going, and the desk between an engine and the other stages.
//!
//! An engine never waits for anybody. What the next stage cannot take yet stays at the desk, and while anything stays there
//! the engine takes no new targets.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use tokio::sync::mpsc::error::{TryRecvError, TrySendError};
use tokio::sync::{mpsc, oneshot, watch};

use crate::discover::{Also, Discovered};
use crate::error::Error;
use crate::net::NetConfig;
use crate::net::dns::bulk::{Ended, Engine, Order, Plain, Port, Supply, Told, Vitals};
use crate::net::pace::Rate;
use crate::scan::crew::{DRAIN, Done, Odd};
use crate::scan::stop::Stop;
use crate::survey::{Survey, Surveyor};
use crate::target::Target;

/// Plain domains that are passed on together: a channel's cost is then nothing beside theirs.
const TOGETHER: usize = 1_024;
/// How long they wait for each other, so that the rows of a slow scan are stored all the same.
const WAIT: std::time::Duration = std::time::Duration::from_millis(250);

/// Where targets come from, shared by the engines: each takes the next chunk.
pub(super) type Targets = Arc<Mutex<mpsc::Receiver<Vec<Target>>>>;

/// Where what was seen goes. Every channel is bounded.
#[derive(Clone)]
pub(super) struct Ways {
    /// Domains where plainly nothing stands, and nothing more is wanted.
    pub(super) plain: mpsc::Sender<Vec<Plain<Target>>>,
    /// Domains to be surveyed.
    pub(super) odd: mpsc::Sender<(Target, Odd)>,
    /// Domains that are done with.
    pub(super) done: mpsc::Sender<Done>,
}

/// The threads of discovery.
pub(super) struct Discovery {
    threads: Vec<Running>,
}

/// One of them, and how it ended once it has.
type Running = (JoinHandle<()>, oneshot::Receiver<Result<Ended, Error>>);

impl Discovery {
    /// Starts `threads` engines that have `in_flight` questions in flight together.
    ///
    /// # Errors
    /// [`Error::Usage`] and [`Error::Io`] as [`Engine::new`] has them, or where no thread can be started.
    pub(super) fn start(
        (config, rate): (&NetConfig, Option<Arc<Rate>>),
        surveyor: &Arc<Surveyor>,
        (threads, in_flight): (usize, usize),
        targets: mpsc::Receiver<Vec<Target>>,
        ways: &Ways,
        stop: &watch::Receiver<Stop>,
    ) -> Result<Self, Error> {
        let targets: Targets = Arc::new(Mutex::new(targets));
        let is_over = Arc::new(AtomicBool::new(false));
        let share = in_flight.div_ceil(threads.max(1));
        let start = |number: usize| {
            let also = surveyor.also();
            let engine = Engine::new(config, also.into(), share, rate.clone())?;
            let mut running = Together { is_over: Arc::clone(&is_over), is_done: false };
            let mut desk = Desk::new(Arc::clone(surveyor), Arc::clone(&targets), ways.clone(), stop.clone());
            desk.is_over = Arc::clone(&is_over);
            let (ended_in, ended) = oneshot::channel();
            let thread = thread::Builder::new()
                .name(format!("discovery-{number}"))
                .spawn(move || {
                    let ended = engine.run(&mut desk);
                    running.ends(matches!(ended, Ok(Ended::Done)));
                    // Before the end is told: whoever hears of it finds everything passed on.
                    let ended = desk.finish(ended);
                    // Nobody listens any more where the scan has ended for another reason.
                    let _ = ended_in.send(ended);
                })
                .map_err(Error::io("cannot start the discovery"))?;
            Ok((thread, ended))
        };
        Ok(Self { threads: (0..threads.max(1)).map(start).collect::<Result<_, Error>>()? })
    }

    /// Waits for all engines: how the first ended that ended all, else whether some were dropped, or all are done.
    ///
    /// # Errors
    /// What an engine failed with; a panic in one is a fault of ours.
    pub(super) async fn ended(self) -> Result<Ended, Error> {
        let mut all = Ok(Ended::Done);
        for (thread, ended) in self.threads {
            let ended = ended.await.unwrap_or_else(|_| Err(Error::Internal("the discovery died".to_owned())));
            // It has told its end, or panicked: either way it returns at once.
            let _ = thread.join();
            if matches!(all, Ok(Ended::Done | Ended::Dropped)) && !matches!(ended, Ok(Ended::Done)) {
                all = ended;
            }
        }
        all
    }
}

/// One engine among several: where it comes to another end than its own, by a panic too, the others are over as well.
struct Together {
    is_over: Arc<AtomicBool>,
    is_done: bool,
}

impl Together {
    /// How it ended: by itself, with everything done, or not.
    fn ends(&mut self, is_done: bool) {
        self.is_done = is_done;
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        self.is_over.fetch_or(!self.is_done, Ordering::Relaxed);
    }
}

/// What stands between one engine and the other stages.
struct Desk {
    surveyor: Arc<Surveyor>,
    also: Also,
    targets: Targets,
    ready: VecDeque<Target>,
    ways: Ways,
    plain: Vec<Plain<Target>>,
    /// When the first of `plain` came.
    since: Option<Instant>,
    /// What the other stages could not take yet.
    full: VecDeque<Parcel>,
    stop: watch::Receiver<Stop>,
    /// When what is in flight is dropped, once a signal came.
    end: Option<Instant>,
    /// Whether another engine came to an end that is the end of all.
    is_over: Arc<AtomicBool>,
}

/// Something to be passed on.
enum Parcel {
    Plain(Vec<Plain<Target>>),
    Odd(Box<(Target, Odd)>),
    Done(Box<Done>),
}

/// What became of trying to pass something on.
enum Passed {
    Yes,
    /// The next stage has no room.
    Full(Parcel),
    /// The next stage is gone.
    Gone,
}

impl Desk {
    fn new(surveyor: Arc<Surveyor>, targets: Targets, ways: Ways, stop: watch::Receiver<Stop>) -> Self {
        Self {
            also: surveyor.also(),
            surveyor,
            targets,
            ready: VecDeque::new(),
            ways,
            plain: Vec::new(),
            since: None,
            full: VecDeque::new(),
            stop,
            end: None,
            is_over: Arc::default(),
        }
    }

    /// Passes on what is left, waiting for room.
    fn finish(&mut self, ended: Result<Ended, Error>) -> Result<Ended, Error> {
        self.bundle();
        while let Some(parcel) = self.full.pop_front() {
            let sent = match parcel {
                Parcel::Plain(plain) => self.ways.plain.blocking_send(plain).is_ok(),
                Parcel::Odd(odd) => self.ways.odd.blocking_send(*odd).is_ok(),
                Parcel::Done(done) => self.ways.done.blocking_send(*done).is_ok(),
            };
            if !sent {
                return ended.map(|_| Ended::Dropped);
            }
        }
        ended
    }

    /// Makes a parcel of the plain ones.
    fn bundle(&mut self) {
        self.since = None;
        if !self.plain.is_empty() {
            let plain = std::mem::replace(&mut self.plain, Vec::with_capacity(TOGETHER));
            self.full.push_back(Parcel::Plain(plain));
        }
    }

    /// Passes on as much as the next stages take. Whether they are all still there.
    fn pass_on(&mut self) -> bool {
        while let Some(parcel) = self.full.pop_front() {
            match self.ways.pass(parcel) {
                Passed::Yes => {}
                Passed::Full(parcel) => {
                    self.full.push_front(parcel);
                    return true;
                }
                Passed::Gone => return false,
            }
        }
        !self.ways.done.is_closed()
    }

    fn discovered(&mut self, target: Target, discovered: Discovered) {
        let parcel = if self.surveyor.is_settled(&discovered) || discovered.has_failed_for_good() {
            Parcel::Done(Box::new((target, Survey::from(discovered))))
        } else {
            Parcel::Odd(Box::new((target, Odd::Discovered(Box::new(discovered)))))
        };
        self.full.push_back(parcel);
    }
}

impl Ways {
    fn pass(&self, parcel: Parcel) -> Passed {
        match parcel {
            Parcel::Plain(plain) => passed(self.plain.try_send(plain), Parcel::Plain),
            Parcel::Odd(odd) => passed(self.odd.try_send(*odd), |odd| Parcel::Odd(Box::new(odd))),
            Parcel::Done(done) => passed(self.done.try_send(*done), |done| Parcel::Done(Box::new(done))),
        }
    }
}

fn passed<T>(sent: Result<(), TrySendError<T>>, back: impl Fn(T) -> Parcel) -> Passed {
    match sent {
        Ok(()) => Passed::Yes,
        Err(TrySendError::Full(parcel)) => Passed::Full(back(parcel)),
        Err(TrySendError::Closed(_)) => Passed::Gone,
    }
}

impl Port<Target> for Desk {
    fn take(&mut self, room: usize, queue: &mut VecDeque<Target>) -> Supply {
        let mut left = room;
        while left > 0 {
            if self.ready.is_empty() {
                let next = self.targets.lock().unwrap_or_else(PoisonError::into_inner).try_recv();
                match next {
                    Ok(chunk) => self.ready = chunk.into(),
                    Err(TryRecvError::Empty) => return Supply::More,
                    Err(TryRecvError::Disconnected) => return Supply::End,
                }
            }
            let taken = left.min(self.ready.len());
            queue.extend(self.ready.drain(..taken));
            left -= taken;
        }
        Supply::More
    }

    fn tell(&mut self, told: Told<Target>) {
        match told {
            Told::Plain(plain) if !plain.subject.mapped && self.surveyor.wants_no_more() => {
                if self.plain.is_empty() {
                    self.since = Some(Instant::now());
                }
                self.plain.push(plain);
                if self.plain.len() >= TOGETHER {
                    self.bundle();
                }
            }
            Told::Plain(plain) => {
                let discovered = Discovered::plain(&plain);
                self.discovered(plain.subject, discovered);
            }
            Told::Seen(seen) => match Discovered::seen(*seen, self.also) {
                (target, Some(discovered)) => self.discovered(target, discovered),
                (target, None) => self.full.push_back(Parcel::Odd(Box::new((target, Odd::Slow)))),
            },
        }
    }

    fn turn(&mut self, _vitals: &Vitals) -> Order {
        if self.since.is_some_and(|since| since.elapsed() >= WAIT) {
            self.bundle();
        }
        // Nobody takes the rows any more: the writer failed, and says why.
        if !self.pass_on() || self.is_over.load(Ordering::Relaxed) {
            return Order::Drop;
        }
        match *self.stop.borrow() {
            Stop::Now(_) => Order::Drop,
            Stop::Drain(_) => {
                let end = *self.end.get_or_insert_with(|| Instant::now() + DRAIN);
                if Instant::now() >= end { Order::Drop } else { Order::Drain }
            }
            Stop::No if self.full.is_empty() => Order::Go,
            Stop::No => Order::Hold,
        }
    }
}
