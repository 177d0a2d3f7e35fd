//! `stscan export`: what a dataset holds, in the formats of others.

mod place;
mod rows;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use crate::cli::output;
use crate::error::Error;
use crate::name::HostName;
use crate::store::{self, ScanInfo};
use crate::text::{shown, shown_json};
use crate::tlsrpt::report::{self, Range, Report};
use place::Place;
use rows::Scan;

/// Who reports, where nobody says so.
const ORGANIZATION: &str = "stscan";
/// The mailbox of a reporter who gave none: RFC 8460 4.4 wants an address, and RFC 2606 2 keeps this one from being anyone's.
const NOBODY: &str = "noreply@stscan.invalid";
/// Bytes of a mailbox (RFC 5321 4.5.3.1.3, without the angle brackets).
const MAILBOX_MAX: usize = 254;
/// Characters of an organization in the name of a file: those of a label (RFC 1035 2.3.4).
const SENDER_MAX: usize = 63;

/// Arguments of `stscan export`.
#[derive(Args, Debug)]
pub struct ExportArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// What a sender would report on each domain that announces a policy: RFC 8460 reports in JSON
    Tlsrpt(TlsrptArgs),
}

/// Arguments of `stscan export tlsrpt`.
#[derive(Args, Debug)]
struct TlsrptArgs {
    /// The dataset
    #[arg(value_name = "DATASET")]
    dataset: PathBuf,
    /// A directory for a file a report, named as RFC 8460 5.1 asks; or FILE.jsonl or - for a line a report
    #[arg(long, value_name = "DIR|FILE")]
    out: PathBuf,
    /// The scan [default: the newest that is finished]
    #[arg(long, value_name = "ID")]
    scan: Option<String>,
    /// Take a scan that is not finished as it is
    #[arg(long)]
    unfinished: bool,
    /// The organization that reports
    #[arg(long, value_name = "NAME", default_value = ORGANIZATION, value_parser = organization)]
    organization: String,
    /// The mailbox of who is responsible for the reports [default: the contact of the scan]
    #[arg(long, value_name = "ADDRESS", value_parser = mailbox)]
    contact_info: Option<String>,
    /// Compress with gzip (RFC 8460 5.2)
    #[arg(long)]
    gzip: bool,
}

/// Exports.
///
/// # Errors
/// By exit status: 2 where the arguments make no sense, 65 where the dataset is none, is damaged or is not finished, 73
/// where the output cannot be created, 74 where something cannot be read or written.
pub fn run(args: ExportArgs) -> Result<u8, Error> {
    match args.what {
        What::Tlsrpt(args) => tlsrpt(&args),
    }
}

fn tlsrpt(args: &TlsrptArgs) -> Result<u8, Error> {
    let scan = chosen(args)?;
    let contact = args.contact_info.clone().or_else(|| scan.info.as_ref().and_then(contact));
    let sender = sender(&args.organization, contact.as_deref());
    let contact = contact.as_deref().unwrap_or(NOBODY);
    let mut place = Place::new(&args.out, args.gzip)?;
    let (mut written, mut silent) = (0_u64, 0_u64);
    rows::domains(&scan, |domain| {
        let policies = report::applied(&domain.seen);
        if policies.is_empty() {
            silent += 1;
            return Ok(());
        }
        let seen_at = Timestamp::from_microsecond(domain.observed_at).unwrap_or(Timestamp::UNIX_EPOCH);
        let first = scan.info.as_ref().map_or(seen_at, |info| info.started_at);
        let last = scan.manifest.as_ref().map_or(seen_at, |manifest| manifest.finished_at);
        let id = format!("{}-{}", scan.id, domain.seq);
        let range = Range::days(first, last);
        let report = Report { organization: &args.organization, contact, id: &id, range, policies };
        let json = shown_json(&report.to_json().to_string());
        // Letters and digits alone (RFC 8460 5.1).
        let unique: String = id.replace('-', "x").chars().filter(char::is_ascii_alphanumeric).collect();
        let name = |extension: &str| report::file_name(&sender, &domain.seen.domain, range, &unique, extension);
        written += 1;
        place.add(name, &json)
    })?;
    place.finish()?;
    let left_out = match silent {
        0 => String::new(),
        1 => "; 1 domain is left out: its policy was not seen".to_owned(),
        many => format!("; {many} domains are left out: their policies were not seen"),
    };
    let out = shown(&args.out.display().to_string());
    output::complain(&format!("{written} reports on scan {} in {out}{left_out}", scan.id));
    Ok(0)
}

/// The scan that is asked for, or the newest that is finished. One without a manifest is taken only where that is asked for.
fn chosen(args: &TlsrptArgs) -> Result<Scan, Error> {
    let dataset = shown(&args.dataset.display().to_string());
    let scans = store::scans(&args.dataset)?;
    let entry = match &args.scan {
        None => {
            let newest = scans.last().ok_or_else(|| Error::Input(format!("{dataset} holds no scan")))?;
            let taken = scans.iter().rfind(|entry| entry.finished || args.unfinished).unwrap_or(newest);
            if taken.scan_id != newest.scan_id {
                let (newest, taken) = (shown(&newest.scan_id), shown(&taken.scan_id));
                output::complain(&format!("scan {newest} of {dataset} is not finished and is passed over for {taken}"));
            }
            taken
        }
        Some(id) => scans
            .iter()
            .find(|entry| entry.scan_id == *id)
            .ok_or_else(|| Error::Usage(format!("{dataset} holds no scan {}", shown(id))))?,
    };
    let id = entry.scan_id.clone();
    let manifest = store::read_manifest(&args.dataset, &id)?;
    if manifest.is_none() && !args.unfinished {
        let way = "--unfinished takes it as it is, --scan another";
        return Err(Error::Input(format!("scan {} of {dataset} is not finished: {way}", shown(&id))));
    }
    let info = store::read_scan_info(&args.dataset, &id)?;
    Ok(Scan { dataset: args.dataset.clone(), id, info, manifest })
}

/// A name that says something.
fn organization(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("an organization has a name".to_owned()) } else { Ok(text.to_owned()) }
}

/// The mailbox in the user agent of a scan, if its contact is one: a URL is none.
fn contact(info: &ScanInfo) -> Option<String> {
    let agent = info.options.get("user_agent")?.as_str()?;
    let contact = agent.split_once("(+")?.1.strip_suffix(')')?;
    mailbox(contact.strip_prefix("mailto:").unwrap_or(contact)).ok()
}

/// A mailbox as most are: a local part that needs no quotes (RFC 5321 4.1.2, dot-string), and a domain.
fn mailbox(text: &str) -> Result<String, String> {
    let atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    let is_mailbox = text.len() <= MAILBOX_MAX
        && text.rsplit_once('@').is_some_and(|(local, domain)| {
            local.split('.').all(|part| !part.is_empty() && part.chars().all(atom)) && HostName::parse(domain).is_ok()
        });
    if is_mailbox { Ok(text.to_owned()) } else { Err(format!("{} is no mail address", shown(text))) }
}

/// Who reports, in the name of a file: the domain of the contact (RFC 8460 5.1), or else the organization, as far as it
/// can stand there.
fn sender(organization: &str, contact: Option<&str>) -> String {
    let domain = contact.and_then(|contact| contact.rsplit_once('@')).and_then(|(_, d)| HostName::parse(d).ok());
    if let Some(domain) = domain {
        return domain.to_string();
    }
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' };
    let label: String = organization.chars().map(plain).take(SENDER_MAX).collect();
    let label = label.trim_matches(['-', '.']);
    if label.is_empty() { ORGANIZATION.to_owned() } else { label.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_needs_a_local_part_and_a_domain() {
        for good in ["a@example.com", "tls-reports+1@mail.example.com", "a.b@example.com"] {
            assert_eq!(mailbox(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "a",
            "@example.com",
            "a@",
            "a b@example.com",
            "a..b@example.com",
            "<a@example.com>",
            "a@b@c d",
            "https://example.com/",
        ] {
            assert!(mailbox(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_sender_is_a_domain_where_there_is_one_and_never_a_path() {
        for (organization, contact, expected) in [
            ("Example", Some("a@Example.ORG"), "example.org"),
            ("Example Org", None, "example-org"),
            ("../../etc!", None, "etc"),
            ("例え", None, "stscan"),
            ("", None, "stscan"),
        ] {
            assert_eq!(sender(organization, contact), expected, "{organization}");
        }
        assert!(sender(&"a".repeat(500), None).len() <= SENDER_MAX);
    }
}
