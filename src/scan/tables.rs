//! The tables of a scan: which row type fills which, and the columns that the probes bring.

use crate::error::Error;
use crate::probe::{host, mx, policy, record, tlsrpt};
use crate::store::{ColumnInfo, Dataset, PartWriter, Table};
use crate::survey::{Body, Certificate, DELIVERY_COLUMNS, Domains, Found, Rejected};

/// All tables of a scan.
pub struct Tables {
    /// One accepted input line a row.
    pub domains: Table<Domains>,
    /// One mail host at one address a row.
    pub hosts: Table<host::Row>,
    /// One finding a row.
    pub findings: Table<Found>,
    /// One distinct body a row.
    pub policies: Table<Body>,
    /// One distinct certificate a row.
    pub certificates: Table<Certificate>,
    /// One refused input line a row.
    pub rejects: Table<Rejected>,
}

/// The number of a table among the writer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// `domains`
    Domains,
    /// `hosts`
    Hosts,
    /// `findings`
    Findings,
    /// `policies`
    Policies,
    /// `certificates`
    Certificates,
    /// `rejects`
    Rejects,
}

impl Default for Tables {
    fn default() -> Self {
        Self::new()
    }
}

impl Tables {
    /// The tables.
    #[must_use]
    pub fn new() -> Self {
        Self {
            domains: Table::new("domains")
                .columns(Domains::COLUMNS)
                .probe("record_", record::COLUMNS, |row| Some(&row.judged.record))
                .probe("policy_", policy::COLUMNS, |row| row.judged.policy.as_deref())
                .probe("mx_", mx::COLUMNS, |row| row.judged.mx.as_ref())
                .probe("delivery_", DELIVERY_COLUMNS, |row| row.judged.delivery.as_deref())
                .probe("tlsrpt_", tlsrpt::COLUMNS, |row| row.judged.tlsrpt.as_ref()),
            hosts: Table::new("hosts").columns(host::COLUMNS),
            findings: Table::new("findings").columns(Found::COLUMNS),
            policies: Table::new("policies").columns(Body::COLUMNS),
            certificates: Table::new("certificates").columns(Certificate::COLUMNS),
            rejects: Table::new("rejects").columns(Rejected::COLUMNS),
        }
    }

    /// The names of the tables, in the order of [`Which`].
    pub const NAMES: [&'static str; 6] = ["domains", "hosts", "findings", "policies", "certificates", "rejects"];

    /// A part writer for each table, in the order of [`Which`].
    ///
    /// # Errors
    /// [`Error::Create`] where a directory cannot be made.
    pub fn part_writers(&self, dataset: &Dataset) -> Result<Vec<PartWriter>, Error> {
        [
            (self.domains.name(), self.domains.schema()),
            (self.hosts.name(), self.hosts.schema()),
            (self.findings.name(), self.findings.schema()),
            (self.policies.name(), self.policies.schema()),
            (self.certificates.name(), self.certificates.schema()),
            (self.rejects.name(), self.rejects.schema()),
        ]
        .into_iter()
        .map(|(name, schema)| dataset.part_writer(name, schema))
        .collect()
    }

    /// Every column of every table, for `stscan columns`.
    #[must_use]
    pub fn describe(&self) -> Vec<ColumnInfo> {
        [
            self.domains.describe(),
            self.hosts.describe(),
            self.findings.describe(),
            self.policies.describe(),
            self.certificates.describe(),
            self.rejects.describe(),
        ]
        .concat()
    }
}
