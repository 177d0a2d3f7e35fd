//! The mail hosts on the page of `check`: what each said, address by address, and what a sender makes of it.

use std::fmt::Write as _;

use super::{Page, bounded};
use crate::cert;
use crate::net::dns::Lookup;
use crate::net::smtp::Talked;
use crate::probe::host::{Attempt, Seen};
use crate::smtp::reply::Reply;
use crate::smtp::talk::StartTls;
use crate::sts::sender::{Dane, Sight, Verdict};
use crate::survey::{Delivery, Domains, Host, Known};
use crate::text::{excerpt, shown};

/// Characters of a TLSA record's data that are shown: the rest is in the dataset.
const DATA_SHOWN: usize = 16;

/// Everything about the mail hosts.
pub(super) fn hosts(page: &mut Page, row: &Domains) {
    let Some(delivery) = &row.judged.delivery else { return };
    if delivery.hosts.is_empty() || row.hosts.is_empty() && !delivery.hosts.iter().any(is_broken) {
        return;
    }
    page.line("");
    page.line("  Mail hosts, in the order in which senders try them:");
    for host in &delivery.hosts {
        page.line(&format!("    {}{}", shown(&host.name), worth(host)));
        let known = row.hosts.iter().find(|known| known.judged.host.as_str() == host.name);
        if let Some((known, seen)) = known.and_then(|known| Some((known, known.evidence()?))) {
            one(page, host, known, &seen);
        }
    }
    verdict(page, delivery);
}

fn is_broken(host: &Host) -> bool {
    host.found.sight().broken().is_some()
}

/// What a sender makes of the host.
fn worth(host: &Host) -> String {
    let covered = if host.covered == Some(false) { " is not covered by the policy," } else { "" };
    let why = host.found.sight().code().map(|code| format!(" ({code})")).unwrap_or_default();
    let worth = match host.found.sight() {
        Sight::Passed if host.found.dane_applies() => " passes by DANE",
        Sight::Passed => " passes",
        Sight::Broken(_) => " fails",
        Sight::Unseen(_) => " could not be seen",
        Sight::NotAsked(_) => " was not asked",
    };
    format!("{covered}{worth}{why}")
}

fn one(page: &mut Page, host: &Host, known: &Known, seen: &Seen) {
    for (address, block) in &seen.sorted.forbidden {
        page.line(&format!("      {address:<40} not asked: {block}"));
    }
    for (talked, attempt) in seen.talked.iter().zip(&known.judged.attempts) {
        let [first, rest @ ..] = &conversation(talked, attempt)[..] else { continue };
        page.line(&format!("      {:<40} {first}", talked.address.ip().to_string()));
        for line in rest {
            page.line(&format!("      {:<40} {line}", ""));
        }
    }
    if seen.beyond() > 0 {
        page.line(&format!("      and {} addresses that were not asked", seen.beyond()));
    }
    if let Some((base, answer)) = &seen.tlsa
        && let Lookup::Found(set) = &answer.lookup
    {
        for record in set.records.iter().take(super::LIST_SHOWN) {
            let mut data = record.presentation();
            if let Some((cut, _)) = data.char_indices().nth(DATA_SHOWN + "3 1 1 ".len()) {
                data.truncate(cut);
                data.push('…');
            }
            page.line(&format!("      TLSA _25._tcp.{base}  {data}  ({})", answer.security.word()));
        }
        page.line(&format!("      DANE: {}", dane(host)));
    }
}

/// What DANE says of the host to this domain, in words.
fn dane(host: &Host) -> &'static str {
    match host.found.dane {
        Dane::NotAsked | Dane::Untold => {
            "the resolver does not say whether the records are secure, so they count for nothing here"
        }
        Dane::None => "no records",
        Dane::Insecure => "not secured by DNSSEC from the MX record on, so senders do not use the records",
        Dane::Unusable => "no record can be used",
        Dane::Applies if host.found.sight() == Sight::Passed => "the certificate fits",
        Dane::Applies => "decides, and the host does not pass",
        Dane::Bogus => "fails validation: senders that validate cannot use the host",
        Dane::Unseen(_) => "could not be seen",
    }
}

/// What was said, in a few lines.
fn conversation(talked: &Talked, attempt: &Attempt) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(banner) = &talked.facts.banner {
        lines.push(reply(banner));
    }
    let mut parts = Vec::new();
    match talked.facts.starttls {
        StartTls::Unknown => {}
        StartTls::NotOffered => parts.push("no STARTTLS".to_owned()),
        StartTls::Refused => parts.push(match &talked.facts.starttls_reply {
            Some(answer) => format!("STARTTLS refused: {}", reply(answer)),
            None => "STARTTLS refused".to_owned(),
        }),
        StartTls::Accepted => parts.push("STARTTLS".to_owned()),
    }
    if let Some(tls) = &talked.tls {
        parts.push(format!("TLS {} {}", tls.version, tls.cipher));
    }
    if let Some(verdict) = &talked.verdict {
        parts.push(if verdict.authenticated { "certificate ok".to_owned() } else { "certificate refused".to_owned() });
        let leaf = talked.chain.first().and_then(|der| cert::facts(der));
        if let Some(until) = leaf.and_then(|facts| jiff::Timestamp::from_second(facts.not_after).ok()) {
            parts.push(format!("valid until {until}"));
        }
    }
    if let Some(failure) = &talked.failure {
        parts.push(failure.code.to_string());
    }
    if attempt.session.tls == Sight::NotAsked(crate::finding::sts::NO_ROUTE) {
        parts = vec!["not asked: this machine has no way there".to_owned()];
    }
    if !parts.is_empty() {
        lines.push(parts.join(", "));
    }
    lines
}

fn reply(reply: &Reply) -> String {
    let mut text = format!("{}", reply.code);
    if let Some(first) = reply.lines.first() {
        // Writing to a String cannot fail.
        let _ = write!(text, " {}", shown(&excerpt(first)));
    }
    text
}

/// What it comes to, and what a sender would report.
fn verdict(page: &mut Page, delivery: &Delivery) {
    let reports: Vec<String> = delivery
        .reports
        .iter()
        .map(|report| format!("{} {} ({})", report.count, report.result_type, report.policy.word()))
        .collect();
    if !reports.is_empty() {
        page.line(&format!("  A sender that tries each address once would report: {}", bounded(&reports)));
    }
    if delivery.outcome.verdict == Some(Verdict::Refuse)
        && let Some(until) = delivery.outcome.refused_until.and_then(|until| jiff::Timestamp::try_from(until).ok())
        && let Ok(until) = until.round(jiff::Unit::Second)
    {
        page.line(&format!("  A sender that has fetched this policy goes on refusing until {until}."));
    }
}
