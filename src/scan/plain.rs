//! Judging of domains where plainly nothing stands: nearly all of a large list, and so a way of their own to the columns.

mod rows;

pub use rows::PlainRows;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::error::Error;
use crate::net::dns::bulk::Plain;
use crate::progress::Meter;
use crate::scan::summary::Summary;
use crate::scan::tables::{Tables, Which};
use crate::store::BatchSender;
use crate::target::Target;

/// Domains whose rows are made at a time: a hundred columns of one value cost the same whatever their length, and are dear
/// only where batches are small. So many wait in four megabytes.
const BATCH: usize = 32_768;
/// How long a batch waits to fill, so that rows of a slow scan are stored all the same.
const WAIT: Duration = Duration::from_secs(1);

/// Turns domains where nothing stands into rows, a batch for each kind of nothing.
pub(super) struct PlainJudge {
    rows: PlainRows,
    writer: BatchSender,
    summary: Summary,
}

impl PlainJudge {
    /// A judge that hands record batches to `writer`.
    pub(super) fn new(scan_id: String, tables: Arc<Tables>, writer: BatchSender) -> Self {
        Self { rows: PlainRows::new(scan_id, tables), writer, summary: Summary::default() }
    }

    /// Judges until no domain comes any more. Only targets that no list mapped come here: a mapped one has a finding.
    pub(super) async fn run(
        mut self,
        mut plain: mpsc::Receiver<Vec<Plain<Target>>>,
        meter: Meter,
    ) -> Result<Summary, Error> {
        loop {
            let batch = collect(&mut plain).await;
            if batch.is_empty() {
                return Ok(self.summary);
            }
            let rows = batch.iter().map(Vec::len).sum::<usize>();
            let counted = meter.clone();
            let judged = tokio::task::spawn_blocking(move || {
                let result = self.judge(batch, &counted);
                (self, result)
            });
            let (judge, result) = judged.await.map_err(|error| Error::Internal(format!("the judge died: {error}")))?;
            self = judge;
            result?;
            meter.done(rows as u64);
        }
    }

    /// One batch of each kind. Of plain domains nothing was found and nothing failed, so nothing belongs to their rows.
    fn judge(&mut self, batch: Vec<Vec<Plain<Target>>>, meter: &Meter) -> Result<(), Error> {
        let mut asked = 0;
        let batch = batch.into_iter().flatten().inspect(|plain| asked += u64::from(plain.sent));
        let batches = self.rows.batches(batch, &mut self.summary)?;
        meter.asked(asked);
        for rows in batches {
            self.writer.send(Which::Domains as usize, rows)?;
        }
        Ok(())
    }
}

/// About [`BATCH`] domains, as they came; empty only when no more will come.
async fn collect(plain: &mut mpsc::Receiver<Vec<Plain<Target>>>) -> Vec<Vec<Plain<Target>>> {
    let mut batch = Vec::new();
    let mut rows = 0;
    let mut deadline = None;
    while rows < BATCH {
        let next = match deadline {
            None => plain.recv().await,
            Some(deadline) => tokio::time::timeout_at(deadline, plain.recv()).await.unwrap_or_default(),
        };
        let Some(next) = next else { break };
        deadline.get_or_insert_with(|| tokio::time::Instant::now() + WAIT);
        rows += next.len();
        batch.push(next);
    }
    batch
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::name::{Domain, HostName};
    use crate::net::dns::Security;
    use crate::net::dns::bulk::Absent;
    use crate::progress::{Mode, Progress};
    use crate::store::{Dataset, QUEUE, Writer};

    fn plain(seq: i64, absent: Absent) -> Plain<Target> {
        let domain = Domain::from_host(HostName::parse(&format!("d{seq}.example")).unwrap());
        Plain {
            subject: Target { seq, domain, rank: None, line: seq + 1, original: None, mapped: false, duplicates: 0 },
            absent,
            security: Security::Unknown,
            observed_at: SystemTime::now(),
            elapsed: Duration::ZERO,
            sent: 2,
            attempts: 1,
        }
    }

    #[tokio::test]
    async fn every_domain_becomes_one_row_and_is_counted() {
        let home = tempfile::tempdir().unwrap();
        let dataset = Dataset::create(home.path(), "s1").unwrap();
        let tables = Arc::new(Tables::new());
        let writer = Writer::start(tables.part_writers(&dataset).unwrap(), QUEUE).unwrap();
        let judge = PlainJudge::new("s1".to_owned(), tables, writer.sender());
        let progress = Progress::start(Mode::None, None).unwrap();
        let (sender, receiver) = mpsc::channel(1);
        let sending = async move {
            // More than one batch, in sendings of all sizes.
            let mut next = 0;
            for size in [0, 1, BATCH, 7, BATCH - 1] {
                let absent = |seq: i64| if seq % 10 == 0 { Absent::NoData } else { Absent::NxDomain };
                let sending = (next..).take(size).map(|seq| plain(seq, absent(seq))).collect();
                next += i64::try_from(size).unwrap();
                sender.send(sending).await.unwrap();
            }
        };
        let (summary, ()) = tokio::join!(judge.run(receiver, progress.meter()), sending);
        let summary = summary.unwrap();
        let rows = 2 * BATCH + 7;
        assert_eq!(summary.rows, i64::try_from(rows).unwrap());
        assert_eq!(summary.outcomes.values().sum::<i64>(), summary.rows);
        assert_eq!(summary.failed, 0);
        let parts = writer.finish().unwrap();
        let stored: u64 = parts.iter().filter(|part| part.table == "domains").map(|part| part.rows).sum();
        assert_eq!(stored, rows as u64);
    }

    #[tokio::test]
    async fn what_is_there_does_not_wait_for_a_full_batch() {
        let (sender, mut receiver) = mpsc::channel(2);
        sender.send(vec![plain(0, Absent::NxDomain)]).await.unwrap();
        let collected = tokio::time::timeout(WAIT * 10, collect(&mut receiver)).await.unwrap();
        assert_eq!(collected.len(), 1);
        drop(sender);
        assert!(collect(&mut receiver).await.is_empty());
    }
}
