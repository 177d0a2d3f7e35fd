//! Signals: the first SIGINT or SIGTERM stops reading and drains, the second drops what is in flight.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::Error;

/// The number of SIGINT.
const SIGINT: i32 = 2;
/// The number of SIGTERM.
const SIGTERM: i32 = 15;

/// Whether a scan is to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Go on.
    No,
    /// Take nothing new, and finish what is in flight. The signal's number.
    Drain(i32),
    /// Drop what is in flight. The signal's number.
    Now(i32),
}

impl Stop {
    /// The signal, if one came.
    #[must_use]
    pub(super) fn signal(self) -> Option<i32> {
        match self {
            Self::No => None,
            Self::Drain(number) | Self::Now(number) => Some(number),
        }
    }
}

/// Listens for the signals until it is dropped.
pub(super) struct Listener {
    stop: watch::Receiver<Stop>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Begins to listen.
    ///
    /// # Errors
    /// Where the signals cannot be caught.
    pub(super) fn start() -> Result<Self, Error> {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::io("cannot listen for SIGINT"))?;
        let mut terminate = signal(SignalKind::terminate()).map_err(Error::io("cannot listen for SIGTERM"))?;
        let (sender, stop) = watch::channel(Stop::No);
        let task = tokio::spawn(async move {
            loop {
                let number = tokio::select! {
                    _ = interrupt.recv() => SIGINT,
                    _ = terminate.recv() => SIGTERM,
                };
                sender.send_modify(|stop| {
                    *stop = match *stop {
                        Stop::No => Stop::Drain(number),
                        Stop::Drain(first) | Stop::Now(first) => Stop::Now(first),
                    }
                });
            }
        });
        Ok(Self { stop, task })
    }

    /// The signal, once one has come.
    pub(super) async fn came(&self) -> i32 {
        let mut stop = self.stop.clone();
        // The task ends with the listener alone.
        let number = stop.wait_for(|stop| stop.signal().is_some()).await.ok().and_then(|stop| stop.signal());
        match number {
            Some(number) => number,
            None => std::future::pending().await,
        }
    }

    /// The signal, if one came.
    #[must_use]
    pub(super) fn signal(&self) -> Option<i32> {
        self.stop.borrow().signal()
    }

    /// What to watch.
    #[must_use]
    pub(super) fn watch(&self) -> watch::Receiver<Stop> {
        self.stop.clone()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}
