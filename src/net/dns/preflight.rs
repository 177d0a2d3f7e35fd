//! The preflight: before anything is asked in earnest, whether the resolvers answer, whether they tell the truth
//! (HOSTILE.md 58), and which of them validate.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::control::{Control, Said};
use super::exchange::{Servers, worse};
use super::server::Server;
use super::trouble::Trouble;
use crate::failure::Failure;
use crate::finding::dns;
use crate::net::Upstream;

/// How long the other resolvers are waited for once one has passed, to learn whether they validate and tell the truth: about
/// what a resolver with an empty cache takes to validate the root.
const LEARN: Duration = Duration::from_millis(500);
/// The same where canaries are asked for too: a datagram may be lost.
const LEARN_CANARIES: Duration = Duration::from_secs(2);
/// How long the answer about a name that nobody has is waited for. Silence there proves nothing.
const NOBODY: Duration = Duration::from_millis(1_500);

/// What the resolvers said of each canary, by its name: `found`, `nodata`, `nxdomain`, or the code of the failure. Where they
/// do not agree, what speaks against one of them.
pub type CanaryWords = BTreeMap<String, &'static str>;

/// The line that says why these resolvers cannot be used.
#[must_use]
pub fn unusable(upstreams: &[Upstream], failure: &Failure) -> String {
    if failure.code != dns::RESOLVER_LIES {
        let names: Vec<String> = upstreams.iter().map(ToString::to_string).collect();
        return format!("the resolver does not answer ({}): {}", names.join(", "), failure.code);
    }
    let name = failure.detail.get("name").and_then(serde_json::Value::as_str).unwrap_or_default();
    let did = match failure.detail.get("said").and_then(serde_json::Value::as_str) {
        Some("found") => format!("gives {name} an address, a name that nobody has"),
        said => format!("denies that {name} has a record ({}), which is known to have one", said.unwrap_or_default()),
    };
    format!("the resolver {} does not tell the truth: it {did}: {}", failure.subject, failure.code)
}

impl Servers {
    /// Finds out whether any resolver can be used, all of them side by side, and which of them validate.
    ///
    /// # Errors
    /// What the resolver that said most came to; above all, that one of them lies.
    pub(super) async fn preflight(self: &Arc<Self>, time: Duration) -> Result<CanaryWords, Failure> {
        let mut asking = JoinSet::new();
        for at in 0..self.servers().len() {
            let servers = Arc::clone(self);
            asking.spawn(async move { inspect(&servers, at, time).await });
        }
        let learn = if self.controls().canaries().is_empty() { LEARN } else { LEARN_CANARIES };
        let mut words = CanaryWords::new();
        let mut worst = None;
        // Set by the first that passes.
        let mut until: Option<Instant> = None;
        loop {
            let outcome = match until {
                Some(until) => tokio::time::timeout_at(until, asking.join_next()).await.unwrap_or(None),
                None => asking.join_next().await,
            };
            match outcome {
                Some(Ok((said, passed))) => {
                    add(&mut words, said);
                    match passed {
                        Ok(()) => until = until.or_else(|| Some(Instant::now() + learn)),
                        Err(failure) if failure.code == dns::RESOLVER_LIES => {
                            asking.shutdown().await;
                            return Err(failure);
                        }
                        Err(failure) => worst = worse(worst, failure),
                    }
                }
                // A panic of ours: the other resolvers may still answer.
                Some(Err(_)) => {}
                None => break,
            }
        }
        asking.shutdown().await;
        match until {
            Some(_) => Ok(words),
            None => Err(worst.unwrap_or_else(|| Trouble::Timeout.failure())),
        }
    }
}

/// Of two words for one canary, the one that speaks against a resolver stays.
fn add(words: &mut CanaryWords, said: Vec<(String, Said)>) {
    for (canary, said) in said {
        let word = words.entry(canary).or_insert(said.word());
        if *word == Said::Found.word() {
            *word = said.word();
        }
    }
}

/// What one resolver says of the canaries, and whether it can be used.
async fn inspect(servers: &Arc<Servers>, at: usize, time: Duration) -> (Vec<(String, Said)>, Result<(), Failure>) {
    let server = &servers.servers()[at];
    let root = Control::root();
    let (root, finds) = tokio::join!(server.answers(root.question(), time), finds_one(servers, at, time));
    // Whoever answers neither is asked nothing more.
    if let Err(trouble) = root
        && !finds
    {
        return (Vec::new(), Err(trouble.failure().about(server.name())));
    }
    let (nobody, said) = tokio::join!(has_nobody(server, time), canaries(servers, at, time));
    let passed = nobody.and_then(|()| tells_the_truth(server, &said));
    (said, passed)
}

/// Whether a name that nobody has is found: whoever finds one would find policy hosts and mail hosts that are not there.
async fn has_nobody(server: &Server, time: Duration) -> Result<(), Failure> {
    let nobody = Control::nobody();
    match nobody.read(server.put(nobody.question(), NOBODY.min(time)).await) {
        Said::Found => {
            let name = nobody.question().name().to_utf8();
            Err(lies(server, name.trim_end_matches('.'), Said::Found))
        }
        Said::Absent(_) | Said::Failed(_) => Ok(()),
    }
}

/// Whether one resolver finds the first canary: one that cannot get at the root, as behind a forwarder, may be fit all the same.
async fn finds_one(servers: &Servers, at: usize, time: Duration) -> bool {
    match servers.controls().canaries().first().and_then(Control::canary) {
        Some(control) => control.read(servers.servers()[at].put(control.question(), time).await) == Said::Found,
        None => false,
    }
}

/// Asks one resolver for the records of all canaries, side by side.
async fn canaries(servers: &Arc<Servers>, at: usize, time: Duration) -> Vec<(String, Said)> {
    let mut asking = JoinSet::new();
    for canary in servers.controls().canaries() {
        let Some(control) = Control::canary(canary) else { continue };
        let (servers, canary) = (Arc::clone(servers), canary.to_string());
        asking.spawn(async move {
            let said = control.read(servers.servers()[at].put(control.question(), time).await);
            (canary, said)
        });
    }
    asking.join_all().await
}

/// One canary that is found will do: another may have given up its record. Where all are denied, they are kept from us.
fn tells_the_truth(server: &Server, said: &[(String, Said)]) -> Result<(), Failure> {
    if said.is_empty() || said.iter().any(|(_, said)| *said == Said::Found) {
        return Ok(());
    }
    let failed = said.iter().find_map(|(canary, said)| match said {
        Said::Failed(code) => Some(Failure::new(*code).about(server.name()).with("name", record_of(canary))),
        Said::Found | Said::Absent(_) => None,
    });
    // Where only some are denied, that is no proof: it cannot be used, and why is not known.
    Err(failed.unwrap_or_else(|| lies(server, &record_of(&said[0].0), said[0].1)))
}

fn record_of(canary: &str) -> String {
    format!("_mta-sts.{canary}")
}

fn lies(server: &Server, name: &str, said: Said) -> Failure {
    Failure::new(dns::RESOLVER_LIES).about(server.name()).with("name", name).with("said", said.word())
}
