//! The writer: the one thread that owns the part writers of a scan, behind a bounded channel.
//!
//! All tables commit together, the first table last: a row of `domains` is done when it is stored, so everything else about
//! that domain must be stored before it. Parts that were committed together have the same number, and the first table has
//! a part in every commit: parts of other tables with a number that the first table lacks belong to nothing.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;

use super::manifest::PartInfo;
use super::part::PartWriter;
use crate::error::Error;

/// Sendings that may wait for the disk: enough to keep it busy, few enough to bound memory.
pub const QUEUE: usize = 8;

/// How often a writer without work looks whether a part is due.
const IDLE: Duration = Duration::from_secs(1);

/// The writer of a scan. Its owner calls [`Writer::finish`].
pub struct Writer {
    sender: BatchSender,
    thread: JoinHandle<Result<Vec<PartInfo>, Error>>,
}

/// Rows of the table with this index.
pub type TableRows = (usize, RecordBatch);

/// Gives batches to the writer; cheap to clone.
#[derive(Clone, Debug)]
pub struct BatchSender(SyncSender<Vec<TableRows>>);

impl BatchSender {
    /// Hands over rows of one table that nothing in another table belongs to, and waits while the queue is full.
    ///
    /// # Errors
    /// As [`BatchSender::send_together`].
    pub fn send(&self, table: usize, batch: RecordBatch) -> Result<(), Error> {
        self.send_together(vec![(table, batch)])
    }

    /// Hands over rows of several tables that belong together, such as domains and their findings: no commit comes
    /// between them. Sent one by one, a domain might be stored as done and its findings be lost.
    ///
    /// # Errors
    /// [`Error::Internal`] where the writer has stopped; [`Writer::finish`] tells why.
    pub fn send_together(&self, batches: Vec<TableRows>) -> Result<(), Error> {
        self.0.send(batches).map_err(|_| Error::Internal("the writer has stopped".to_owned()))
    }
}

impl Writer {
    /// Starts the thread. The index of a table is its place in `tables`; the first is the one whose rows say what is done.
    ///
    /// # Errors
    /// [`Error::Io`] where no thread can be started.
    pub fn start(tables: Vec<PartWriter>, queue: usize) -> Result<Self, Error> {
        let (sender, inbox) = sync_channel(queue);
        let thread = thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || run(tables, &inbox))
            .map_err(Error::io("cannot start the writer"))?;
        Ok(Self { sender: BatchSender(sender), thread })
    }

    /// Where batches go. Every sender must be dropped for [`Writer::finish`] to return.
    #[must_use]
    pub fn sender(&self) -> BatchSender {
        self.sender.clone()
    }

    /// Whether the thread has ended, which before [`Writer::finish`] means that it failed.
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until everything sent is stored, and gives every part, by table.
    ///
    /// # Errors
    /// What stopped the writer: [`Error::Io`] where the disk refused.
    pub fn finish(self) -> Result<Vec<PartInfo>, Error> {
        drop(self.sender);
        self.thread.join().unwrap_or_else(|_| Err(Error::Internal("the writer panicked".to_owned())))
    }
}

/// The thread: until every sender is gone, or the disk refuses.
fn run(mut tables: Vec<PartWriter>, inbox: &Receiver<Vec<TableRows>>) -> Result<Vec<PartInfo>, Error> {
    loop {
        match inbox.recv_timeout(IDLE) {
            Ok(batches) => append(&mut tables, &batches)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        let now = Instant::now();
        if tables.iter().any(|table| table.is_due(now)) {
            commit(&mut tables)?;
        }
    }
    commit(&mut tables)?;
    let mut parts = Vec::new();
    for table in tables {
        parts.extend(table.finish()?);
    }
    Ok(parts)
}

fn append(tables: &mut [PartWriter], batches: &[TableRows]) -> Result<(), Error> {
    let known = tables.len();
    for (index, batch) in batches {
        let table = tables.get_mut(*index);
        table.ok_or_else(|| Error::Internal(format!("a batch for table {index} of {known}")))?.append(batch)?;
    }
    Ok(())
}

/// Commits what is open in all tables, the first table last.
fn commit(tables: &mut [PartWriter]) -> Result<(), Error> {
    if !tables.iter().any(PartWriter::is_open) {
        return Ok(());
    }
    if let Some(first) = tables.first_mut() {
        first.begin()?;
    }
    for table in tables.iter_mut().rev() {
        table.commit()?;
    }
    let next = tables.iter().map(PartWriter::next_number).max().unwrap_or(0);
    tables.iter_mut().for_each(|table| table.number_from(next));
    Ok(())
}

#[cfg(test)]
mod tests;
