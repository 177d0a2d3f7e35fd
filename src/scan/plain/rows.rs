//! Rows of domains where plainly nothing stands, in bulk: what such rows have in common is read once, of one row that the
//! ordinary way makes; what differs goes straight into columns.

use std::sync::Arc;

use arrow_array::builder::{Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};

use crate::column;
use crate::discover::Discovered;
use crate::error::Error;
use crate::name::Domain;
use crate::net::dns::Security;
use crate::net::dns::bulk::{Absent, Plain};
use crate::scan::summary::Summary;
use crate::scan::tables::Tables;
use crate::survey::Domains;
use crate::target::Target;

/// What is kept of a kind is made for a multiple of so many rows, so that a batch that is a little longer than those before
/// does not make it anew.
const ROUND: usize = 4_096;

/// Makes the rows.
pub struct PlainRows {
    scan_id: String,
    tables: Arc<Tables>,
    /// By kind; too few for a map.
    kinds: Vec<Common>,
}

/// What rows have in common: everything but the target and the times. There are at most sixteen: a domain is attempted once
/// or twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind {
    absent: Absent,
    security: Security,
    attempts: u8,
}

/// The columns of a kind.
struct Common {
    kind: Kind,
    /// One row of the kind, as the ordinary way makes it.
    row: Domains,
    /// That row many times over, as many as were needed so far.
    repeated: RecordBatch,
}

impl PlainRows {
    /// A maker of rows for `tables`.
    #[must_use]
    pub fn new(scan_id: String, tables: Arc<Tables>) -> Self {
        Self { scan_id, tables, kinds: Vec::new() }
    }

    /// The rows of `domains`, a batch for each kind of nothing, so that nearly every column of a batch is one value or null.
    /// Counts them in `summary`.
    ///
    /// # Errors
    /// [`Error::Internal`] where a column cannot be made, or a list mapped the domain, so that it has a finding: a fault of
    /// ours.
    pub fn batches(
        &mut self,
        plain: impl IntoIterator<Item = Plain<Target>>,
        summary: &mut Summary,
    ) -> Result<Vec<RecordBatch>, Error> {
        let mut sorted: Vec<(Kind, Plain<Target>, Varying)> = Vec::new();
        for plain in plain {
            if plain.subject.mapped {
                return Err(Error::Internal(format!("{} is mapped, and no plain domain", plain.subject.domain)));
            }
            let kind = Kind { absent: plain.absent, security: plain.security, attempts: plain.attempts };
            match sorted.iter_mut().find(|(other, ..)| *other == kind) {
                Some((.., columns)) => columns.push(&plain),
                None => {
                    let mut columns = Varying::default();
                    columns.push(&plain);
                    sorted.push((kind, plain, columns));
                }
            }
        }
        sorted.into_iter().map(|(kind, first, columns)| self.batch(kind, first, columns, summary)).collect()
    }

    /// The batch of one kind; `first` is one of its rows.
    fn batch(
        &mut self,
        kind: Kind,
        first: Plain<Target>,
        columns: Varying,
        summary: &mut Summary,
    ) -> Result<RecordBatch, Error> {
        let rows = columns.rows;
        let common = self.common(kind, first, rows)?;
        summary.count_alike(&common.row, i64::try_from(rows).unwrap_or(i64::MAX));
        let repeated = common.repeated.slice(0, rows);
        let schema = repeated.schema();
        let mut arrays = repeated.columns().to_vec();
        for (name, array) in columns.finish() {
            let fault = |what: &dyn std::fmt::Display| Error::Internal(format!("column domains.{name}: {what}"));
            let at = schema.index_of(name).map_err(|error| fault(&error))?;
            *arrays.get_mut(at).ok_or_else(|| fault(&"it is not there"))? = array;
        }
        RecordBatch::try_new_with_options(schema, arrays, &RecordBatchOptions::new().with_row_count(Some(rows)))
            .map_err(|error| Error::Internal(format!("rows of plain domains: {error}")))
    }

    /// What a kind has in common, for at least so many rows.
    fn common(&mut self, kind: Kind, first: Plain<Target>, rows: usize) -> Result<&Common, Error> {
        let known = self.kinds.iter().position(|common| common.kind == kind);
        if let Some(at) = known.filter(|at| self.kinds[*at].repeated.num_rows() >= rows) {
            return Ok(&self.kinds[at]);
        }
        let row = Domains::new(first.subject.clone(), Discovered::plain(&first).into());
        let repeated = self.tables.domains.repeated(&self.scan_id, &row, rows.next_multiple_of(ROUND))?;
        let common = Common { kind, row, repeated };
        let at = match known {
            Some(at) => {
                self.kinds[at] = common;
                at
            }
            None => {
                self.kinds.push(common);
                self.kinds.len() - 1
            }
        };
        Ok(&self.kinds[at])
    }
}

/// The columns that differ between rows of one kind.
#[derive(Default)]
struct Varying {
    rows: usize,
    seq: Int64Builder,
    domain: StringBuilder,
    domain_unicode: StringBuilder,
    registrable_domain: StringBuilder,
    public_suffix: StringBuilder,
    rank: Int64Builder,
    line: Int64Builder,
    duplicates: Int64Builder,
    original: StringBuilder,
    observed_at: TimestampMicrosecondBuilder,
    elapsed_ms: Int64Builder,
}

impl Varying {
    fn push(&mut self, plain: &Plain<Target>) {
        let target = &plain.subject;
        let (registrable, suffix) = parts(&target.domain);
        self.rows += 1;
        self.seq.append_value(target.seq);
        self.domain.append_value(target.domain.as_str());
        self.registrable_domain.append_option(registrable);
        self.public_suffix.append_option(suffix);
        self.rank.append_option(target.rank);
        self.line.append_value(target.line);
        self.duplicates.append_value(target.duplicates);
        self.observed_at.append_option(column::microseconds(plain.observed_at));
        self.elapsed_ms.append_value(column::milliseconds(plain.elapsed));
        self.domain_unicode.append_option(unicode(&target.domain));
        self.original.append_option(target.original.as_deref());
    }

    /// The columns by name.
    fn finish(mut self) -> [(&'static str, ArrayRef); 11] {
        [
            ("seq", Arc::new(self.seq.finish())),
            ("domain", Arc::new(self.domain.finish())),
            ("domain_unicode", Arc::new(self.domain_unicode.finish())),
            ("registrable_domain", Arc::new(self.registrable_domain.finish())),
            ("public_suffix", Arc::new(self.public_suffix.finish())),
            ("rank", Arc::new(self.rank.finish())),
            ("line", Arc::new(self.line.finish())),
            ("duplicates", Arc::new(self.duplicates.finish())),
            ("original", Arc::new(self.original.finish())),
            ("observed_at", Arc::new(self.observed_at.finish().with_timezone("UTC"))),
            ("elapsed_ms", Arc::new(self.elapsed_ms.finish())),
        ]
    }
}

/// The domain with its A-labels decoded. Few names have a hyphen at all, which is found faster than four characters are.
fn unicode(domain: &Domain) -> Option<String> {
    let name = domain.as_str();
    let is_coded = memchr::memchr(b'-', name.as_bytes()).is_some() && name.contains("xn--");
    is_coded.then(|| domain.to_unicode())
}

/// The registrable domain and the public suffix, by one search of the list.
fn parts(domain: &Domain) -> (Option<&str>, Option<&str>) {
    let name = domain.as_str();
    let end = |length: usize| name.get(name.len() - length..);
    match psl::domain(name.as_bytes()) {
        Some(found) => (end(found.as_bytes().len()), end(found.suffix().as_bytes().len())),
        None => (None, domain.public_suffix()),
    }
}

#[cfg(test)]
mod tests;
