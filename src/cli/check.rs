//! `stscan check`: one domain, explained to a person; or the same facts as JSON.

mod page;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::net::NetArgs;
use crate::cli::output;
use crate::discover::Also;
use crate::error::Error;
use crate::failure::Failure;
use crate::name::Domain;
use crate::net::dns::{Resolver, unusable};
use crate::probe::host;
use crate::scan::Tables;
use crate::sts::sender::Outcome;
use crate::survey::{Body, Certificate, Depth, Domains, Judged, Known, Questions, Survey, Surveyor};
use crate::target::Target;
use crate::text::{shown, shown_json};

/// Domains in one call: more than that is a scan.
const DOMAINS_MAX: usize = 100;

/// How long to wait before what failed is asked again: a person waits too.
const PAUSE: Duration = Duration::from_secs(1);

/// Arguments of `stscan check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The domains
    #[arg(value_name = "DOMAIN", required = true, num_args = 1..=DOMAINS_MAX)]
    domains: Vec<String>,
    /// One JSON object a domain, a line each
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    net: NetArgs,
}

/// Surveys each domain and explains it. Exit status 1 where one is broken, 75 where one could not be seen.
///
/// # Errors
/// Where the arguments are no domains, or no resolver answers.
pub async fn run(args: CheckArgs) -> Result<u8, Error> {
    let targets =
        args.domains.iter().enumerate().map(|(seq, text)| target(seq, text)).collect::<Result<Vec<_>, _>>()?;
    let mut config = args.net.config()?;
    if !args.net.names_dns_canaries() {
        // A person who asks about one domain sees at once what a scan would have to be told.
        config.dns_canaries = [].into();
    }
    let resolver = Resolver::new(&config)?;
    if let Err(failure) = resolver.preflight().await {
        resolver.close().await;
        return Err(Error::Unavailable(unusable(&config.upstreams, &failure)));
    }
    // A person wants to know where the record stands if it is not at its place: deep.
    let questions =
        Questions { depth: Depth::Mail, deep: true, also: Also { mx: true, tlsrpt: true }, all_hosts: true };
    let canaries = args.net.canaries();
    let (surveyor, outlook) = Surveyor::open(&config, resolver, questions, canaries.as_deref()).await;
    if let Some(notice) = outlook.notice(config.smtp_port) {
        output::complain(&format!("stscan: {}", shown(&notice)));
    }
    let surveyor = Arc::new(surveyor);
    let mut status = 0;
    for target in targets {
        let survey = survey(&surveyor, &target.domain).await;
        let row = Domains::new(target, survey);
        status = status.max(exit_status(&row.judged));
        if args.json {
            output::print(&format!("{}\n", shown_json(&facts(&row).to_string())))?;
        } else {
            output::print(&page::page(&row, output::colour()))?;
        }
    }
    if let Ok(surveyor) = Arc::try_unwrap(surveyor) {
        surveyor.into_resolver().close().await;
    }
    Ok(status)
}

fn target(seq: usize, text: &str) -> Result<Target, Error> {
    let named = Domain::read(text)
        .map_err(|code| Error::Usage(format!("{}: {} ({code})", crate::text::shown(text), code.entry().sentence)))?;
    Ok(Target {
        seq: i64::try_from(seq).unwrap_or(i64::MAX),
        domain: named.domain,
        rank: None,
        line: i64::try_from(seq + 1).unwrap_or(i64::MAX),
        original: named.original,
        mapped: named.mapped,
        duplicates: 0,
    })
}

async fn survey(surveyor: &Surveyor, domain: &Domain) -> Survey {
    let discovered = surveyor.discover(domain).await;
    let mut survey: Survey = surveyor.survey(domain, discovered).await;
    if survey.failed() {
        tokio::time::sleep(PAUSE).await;
        surveyor.again(domain, &mut survey).await;
    }
    survey
}

/// 0 where all is well or nothing is announced, 1 where it is broken, 75 where we could not see.
fn exit_status(judged: &Judged) -> u8 {
    match judged.decision.outcome {
        Outcome::Unusable | Outcome::EnforceRefused | Outcome::TestingFailing => 1,
        Outcome::Unknown => 75,
        Outcome::NotAnnounced | Outcome::None | Outcome::Testing | Outcome::EnforceDeliverable => 0,
    }
}

/// Everything that could not be seen, of the domain and of its mail hosts.
fn unseen(judged: &Judged) -> impl Iterator<Item = &Failure> {
    judged.failures.iter().chain(judged.delivery.iter().flat_map(|delivery| &delivery.failures))
}

/// The facts of the tables about one domain.
fn facts(row: &Domains) -> Value {
    let tables = Tables::new();
    let mut object: Map<String, Value> = tables.domains.json(row);
    let at_hosts = row.judged.delivery.iter().flat_map(|delivery| &delivery.findings);
    let findings = row.judged.findings.iter().chain(at_hosts).map(crate::finding::Finding::to_json).collect();
    object.insert("findings".into(), Value::Array(findings));
    let failures = unseen(&row.judged).map(|failure| {
        json!({"code": failure.code.as_str(), "stage": failure.code.entry().stage.word(),
               "subject": failure.subject, "detail": failure.detail.to_json()})
    });
    object.insert("failures".into(), failures.collect());
    let fetch = row.judged.policy.as_ref().and_then(|policy| policy.seen.fetch.as_ref());
    if let Some(response) = fetch.and_then(|fetch| fetch.response.as_ref()) {
        object.insert("policy".into(), Value::Object(tables.policies.json(&Body::new(response.body.clone()))));
    }
    let rows = |known: &Known| {
        known.evidence().map(|seen| host::Row::all(seen, Arc::clone(&known.judged))).unwrap_or_default()
    };
    let hosts: Vec<host::Row> = row.hosts.iter().flat_map(rows).collect();
    object.insert("hosts".into(), hosts.iter().map(|host| Value::Object(tables.hosts.json(host))).collect());
    let chains = fetch.map(|fetch| fetch.chain.as_slice()).into_iter().chain(hosts.iter().map(host::Row::chain));
    let mut known = HashSet::new();
    let certificates = chains
        .flat_map(|chain| chain.iter().enumerate())
        .filter(|(_, der)| known.insert(*der))
        .map(|(position, der)| Value::Object(tables.certificates.json(&Certificate::new(der.clone(), position))));
    object.insert("certificates".into(), certificates.collect());
    Value::Object(object)
}
