//! What a scan stored, held against the truth.

use std::path::PathBuf;

use clap::Args;
use stscan::store::{self, reader};

use crate::clients::{self, Outcome};
use crate::fault::Fault;
use crate::truth::{Digest, Shares, Stands, Truth};

/// Hold the newest scan of a dataset against the truth of the responder
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The dataset
    dataset: PathBuf,
    #[command(flatten)]
    shares: Shares,
}

/// Columns that are read.
const COLUMNS: [&str; 2] = ["domain", "record_status"];

/// Prints what is in the dataset, as an [`Outcome`].
pub(crate) fn run(arguments: &Arguments) -> Result<(), Fault> {
    let cannot = || Fault::while_doing::<stscan::error::Error>(format!("read {}", arguments.dataset.display()));
    let scans = store::scans(&arguments.dataset).map_err(cannot())?;
    let scan = scans.last().filter(|scan| scan.finished).ok_or_else(|| Fault::new("the scan is not finished"))?;
    let manifest = store::read_manifest(&arguments.dataset, &scan.scan_id).map_err(cannot())?;
    let parts = reader::parts(&arguments.dataset, &scan.scan_id, "domains", manifest.as_ref()).map_err(cannot())?;
    let truth = Truth::new(&arguments.shares);
    let (mut outcome, mut found, mut wrong) = (Outcome::default(), 0, 0);
    for part in parts {
        let read = reader::read(&part, &COLUMNS, &COLUMNS, |rows| {
            for row in 0..rows.len() {
                let domain = rows.text("domain", row).unwrap_or_default();
                let seen = match rows.text("record_status", row) {
                    Some("found") => Some(Stands::Record),
                    Some("nodata") => Some(Stands::Other),
                    Some("nxdomain") => Some(Stands::Nothing),
                    _ => None,
                };
                outcome.domains += 1;
                outcome.failed += u64::from(seen.is_none());
                found += u64::from(seen == Some(Stands::Record));
                wrong += u64::from(seen.is_some_and(|seen| seen != truth.of(Digest::of(domain))));
            }
            Ok(())
        });
        read.map_err(cannot())?;
    }
    (outcome.found, outcome.wrong) = (Some(found), Some(wrong));
    clients::print(&outcome)
}
