//! The conversation with mail hosts that behave well, badly, or not at all (HOSTILE.md 72-92 over STARTTLS, 125-134): the
//! exact code, in time, and not a word more than was to be said.

mod certificates;
mod clear;
mod outlook;
mod server;
mod turns;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use stscan::cert::RootStore;
use stscan::name::HostName;
use stscan::net::NetConfig;
use stscan::net::pace::PerHost;
use stscan::net::reach::Reach;
use stscan::net::smtp::{Client, Talked};
use tokio::task::JoinSet;

use crate::fetch::{SLACK, TIMEOUTS};
use server::{MailServer, Step};

const HOST: &str = "mx.example.com";

fn host() -> HostName {
    HostName::parse(HOST).unwrap()
}

/// A configuration with the guard on but for loopback of both families.
fn config(port: u16, roots: Vec<RootStore>) -> NetConfig {
    let reach = Reach::new(vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]);
    NetConfig { smtp_port: port, reach: Arc::new(reach), ..crate::fetch::config(443, roots) }
}

fn client(port: u16, roots: Vec<RootStore>) -> Client {
    let config = config(port, roots);
    Client::new(&config, PerHost::new(config.per_host))
}

/// Talks to one server, within the time bound of the whole conversation.
async fn talk(address: SocketAddr, roots: Vec<RootStore>) -> Talked {
    let client = client(address.port(), roots);
    let started = Instant::now();
    let talked = client.talk(&host(), address.ip()).await;
    assert!(started.elapsed() < TIMEOUTS.smtp + SLACK, "took {:?}", started.elapsed());
    assert_eq!(talked.address, address);
    talked
}

fn failure(talked: &Talked) -> Option<&'static str> {
    talked.failure.as_ref().map(|failure| failure.code.as_str())
}

/// The codes of the findings about the conversation.
fn findings(talked: &Talked) -> Vec<&'static str> {
    talked.facts.findings.iter().map(|finding| finding.code.as_str()).collect()
}

/// The codes of the verdict on the chain.
fn verdict(talked: &Talked) -> Vec<&'static str> {
    let verdict = talked.verdict.iter().flat_map(|verdict| &verdict.findings);
    verdict.map(|finding| finding.code.as_str()).collect()
}

/// A server, what it does, and what is to come of it.
struct Case {
    what: &'static str,
    steps: Vec<Step>,
    failure: Option<&'static str>,
    findings: &'static [&'static str],
    /// All that the client says, a word a command; `*` for the TLS handshake.
    says: &'static str,
}

/// How a case went.
struct Outcome {
    what: &'static str,
    talked: Talked,
}

/// Talks to the server of every case, side by side, and checks what all of them must keep.
async fn play(cases: Vec<Case>, roots: Vec<RootStore>) -> Vec<Outcome> {
    let mut tasks = JoinSet::new();
    for case in cases {
        let roots = roots.clone();
        tasks.spawn(async move {
            let server = MailServer::start(case.steps.clone()).await;
            let talked = talk(server.address, roots).await;
            let record = server.stop().await;
            (case, talked, record)
        });
    }
    let (mut outcomes, mut wrong) = (Vec::new(), Vec::new());
    while let Some(done) = tasks.join_next().await {
        let (Case { what, failure, findings, says, .. }, talked, record) = done.unwrap();
        let got = (self::failure(&talked), self::findings(&talked), record.says());
        if got != (failure, findings.to_vec(), says.to_owned()) {
            wrong.push(format!("{what}: {got:?}, {:?}", talked.failure));
        }
        // HOSTILE.md 134: the client never speaks first, and says nothing that has to do with a message.
        if !record.early.is_empty() {
            wrong.push(format!("{what}: spoke before the greeting: {:?}", record.early));
        }
        for line in &record.lines {
            if !["EHLO client.example", "HELO client.example", "STARTTLS", "QUIT"].contains(&line.as_str()) {
                wrong.push(format!("{what}: said {line:?}"));
            }
        }
        if talked.failure.as_ref().is_some_and(|failure| failure.subject.is_empty()) {
            wrong.push(format!("{what}: a failure about nothing"));
        }
        outcomes.push(Outcome { what, talked });
    }
    assert_eq!(wrong, Vec::<String>::new());
    outcomes
}
