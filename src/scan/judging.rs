//! Judging: surveys in batches become rows, rows become record batches, all cores together (rayon).

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use tokio::sync::mpsc;

use crate::cert;
use crate::error::Error;
use crate::finding::Finding;
use crate::probe::host;
use crate::probe::policy::body_sha256;
use crate::progress::Meter;
use crate::scan::crew::Done;
use crate::scan::summary::Summary;
use crate::scan::tables::{Tables, Which};
use crate::store::BatchSender;
use crate::survey::{Body, Certificate, Domains, Found, Known, Survey};
use crate::target::Target;

/// Surveys that are judged at a time: enough to keep all cores busy and columns cheap, about a megabyte. Larger ones cost
/// memory: what one thread allocates and another frees stays with the allocator, once for each thread of the pool.
const BATCH: usize = 512;
/// How long a batch waits to fill, so that rows of a slow scan are stored all the same.
const WAIT: Duration = Duration::from_secs(1);

/// Turns surveys into rows.
pub(super) struct Judge {
    scan_id: String,
    tables: Arc<Tables>,
    writer: BatchSender,
    summary: Summary,
    /// Digests of the bodies that are stored. Bodies are few: one in a thousand domains has one, and most share it.
    bodies: HashSet<String>,
    /// Digests of the certificates that are stored.
    certificates: HashSet<[u8; 32]>,
}

impl Judge {
    /// A judge that hands record batches to `writer`.
    pub(super) fn new(scan_id: String, tables: Arc<Tables>, writer: BatchSender) -> Self {
        let (bodies, certificates) = (HashSet::new(), HashSet::new());
        Self { scan_id, tables, writer, summary: Summary::default(), bodies, certificates }
    }

    /// Judges until no survey comes any more.
    pub(super) async fn run(mut self, mut done: mpsc::Receiver<Done>, meter: Meter) -> Result<Summary, Error> {
        loop {
            let batch = collect(&mut done).await;
            if batch.is_empty() {
                return Ok(self.summary);
            }
            let rows = batch.len();
            let counted = meter.clone();
            let judged = tokio::task::spawn_blocking(move || {
                let result = self.judge(batch, &counted);
                (self, result)
            });
            let (judge, result) = judged.await.map_err(|error| Error::Internal(format!("the judge died: {error}")))?;
            self = judge;
            meter.failed(result? as u64);
            meter.done(rows as u64);
        }
    }

    /// One batch. Returns how many of its rows have a failure.
    fn judge(&mut self, batch: Vec<Done>, meter: &Meter) -> Result<usize, Error> {
        let rows: Vec<Domains> = batch.into_par_iter().map(|(target, survey)| row(target, survey)).collect();
        let failed = rows.iter().filter(|row| !row.judged.failures.is_empty()).count();
        for row in &rows {
            self.summary.count(row);
        }
        let found: Vec<Found> = rows.iter().flat_map(found).collect();
        let hosts: Vec<host::Row> = rows.iter().flat_map(|row| &row.hosts).flat_map(rows_of).collect();
        hosts.iter().for_each(|host| self.summary.count_host(host));
        let questions: u64 = rows.iter().map(|row| row.judged.questions()).sum();
        meter.asked(questions + hosts.iter().map(host::Row::questions).sum::<u64>());
        let (bodies, certificates) = self.evidence(&rows, &hosts);
        // Columns that are null throughout cost next to nothing, so short rows are kept apart from long ones.
        let (long, short): (Vec<Domains>, Vec<Domains>) = rows.into_iter().partition(|row| row.judged.policy.is_some());
        let (id, tables) = (&self.scan_id, &self.tables);
        // Together, so that no commit falls between a domain and what was found of it.
        self.writer.send_together(vec![
            (Which::Domains as usize, tables.domains.batch(id, &short)?),
            (Which::Domains as usize, tables.domains.batch(id, &long)?),
            (Which::Hosts as usize, tables.hosts.batch(id, &hosts)?),
            (Which::Findings as usize, tables.findings.batch(id, &found)?),
            (Which::Policies as usize, tables.policies.batch(id, &bodies)?),
            (Which::Certificates as usize, tables.certificates.batch(id, &certificates)?),
        ])?;
        Ok(failed)
    }

    /// Bodies and certificates that were not seen before in this scan.
    fn evidence(&mut self, rows: &[Domains], hosts: &[host::Row]) -> (Vec<Body>, Vec<Certificate>) {
        let (mut bodies, mut certificates) = (Vec::new(), Vec::new());
        let fetches = rows.iter().filter_map(|row| row.judged.policy.as_ref()?.seen.fetch.as_ref());
        for fetch in fetches {
            if let Some(response) = fetch.response.as_ref().filter(|_| fetch.failure.is_none())
                && self.bodies.insert(body_sha256(&response.body))
            {
                bodies.push(Body::new(response.body.clone()));
            }
        }
        let fetches = rows.iter().filter_map(|row| row.judged.policy.as_ref()?.seen.fetch.as_ref());
        let chains = fetches.map(|fetch| fetch.chain.as_slice()).chain(hosts.iter().map(host::Row::chain));
        for (position, der) in chains.flat_map(|chain| chain.iter().enumerate()) {
            if self.certificates.insert(cert::sha256(der)) {
                certificates.push(Certificate::new(der.clone(), position));
            }
        }
        (bodies, certificates)
    }
}

/// The row of a target. A panic while judging is a fault of ours, and costs one row.
fn row(target: Target, survey: Survey) -> Domains {
    let spare = target.clone();
    catch_unwind(AssertUnwindSafe(|| Domains::new(target, survey)))
        .unwrap_or_else(|_| Domains::new(spare, Survey::panicked()))
}

/// The rows of a mail host, for the first domain that brings it.
fn rows_of(known: &Known) -> Vec<host::Row> {
    known.take_evidence().map(|seen| host::Row::all(seen, Arc::clone(&known.judged))).unwrap_or_default()
}

fn found(row: &Domains) -> Vec<Found> {
    let found = |finding: &Finding| Found {
        seq: row.target.seq,
        domain: row.target.domain.as_str().to_owned(),
        rank: row.target.rank,
        finding: finding.clone(),
    };
    let hosts = row.judged.delivery.iter().flat_map(|delivery| &delivery.findings);
    row.judged.findings.iter().chain(hosts).map(found).collect()
}

/// Up to [`BATCH`] surveys; empty only when no more will come.
async fn collect(done: &mut mpsc::Receiver<Done>) -> Vec<Done> {
    let mut batch = Vec::with_capacity(BATCH);
    if done.recv_many(&mut batch, BATCH).await == 0 {
        return batch;
    }
    let deadline = tokio::time::Instant::now() + WAIT;
    while batch.len() < BATCH {
        let room = BATCH - batch.len();
        match tokio::time::timeout_at(deadline, done.recv_many(&mut batch, room)).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    batch
}
