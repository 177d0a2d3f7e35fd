//! TLS behind STARTTLS (HOSTILE.md 77-92): handshakes that fail, and the verdict on each chain.

use std::sync::Arc;

use rustls::ServerConfig;

use super::server::{MailServer, Step, say};
use super::{Case, HOST, failure, findings, play, talk, verdict};
use crate::fetch::pki::{Authority, Identity, VALID};
use crate::fetch::tls::{broken_handshakes, chains};
use Step::Hear;

const EHLO: &str = "250-mx.example.com\r\n250 STARTTLS\r\n";

/// A script up to the answer to STARTTLS, and what comes then.
fn then(steps: impl IntoIterator<Item = Step>) -> Vec<Step> {
    let start = [say("220 mx.example.com\r\n"), Hear, say(EHLO), Hear, say("220 go\r\n")];
    start.into_iter().chain(steps).collect()
}

/// A script of a good conversation with this configuration.
fn good(config: Arc<ServerConfig>) -> Vec<Step> {
    then([Step::Tls(config), Hear, say("250 mx.example.com\r\n")])
}

#[tokio::test]
async fn a_handshake_that_fails_says_why() {
    let cases = broken_handshakes().into_iter().map(|(what, script, code)| Case {
        what,
        steps: then([Step::Skip, Step::Play(script)]),
        failure: Some(code),
        findings: &[],
        says: "EHLO STARTTLS",
    });
    for outcome in play(cases.collect(), Vec::new()).await {
        let (what, talked) = (outcome.what, outcome.talked);
        assert_eq!((&talked.tls, &talked.verdict, talked.times.tls), (&None, &None, None), "{what}");
        assert!(talked.times.starttls.is_some(), "{what}");
        let failure = talked.failure.unwrap();
        assert_eq!(failure.subject, HOST, "{what}");
        if what == "alert 40" {
            assert_eq!(failure.detail.get("alert").unwrap(), 40);
        }
    }
}

#[tokio::test]
async fn what_is_said_behind_a_bad_certificate_is_observed_unauthenticated() {
    let (stores, rows) = chains(HOST);
    for (what, identity, expected) in rows {
        let server = MailServer::start(good(identity.config(&[]))).await;
        let talked = talk(server.address, stores.clone()).await;
        assert_eq!((failure(&talked), findings(&talked)), (None, Vec::new()), "{what}");
        assert_eq!(verdict(&talked), expected, "{what}");
        let judged = talked.verdict.unwrap();
        assert_eq!(judged.authenticated, what == "good", "{what}");
        let sent: Vec<Vec<u8>> = identity.chain.iter().map(|der| der.to_vec()).collect();
        assert_eq!(talked.chain, sent, "{what}");
        let facts = talked.tls.unwrap();
        assert_eq!((facts.version, facts.alpn), ("1.3", None), "{what}");
        assert!(facts.cipher.starts_with("TLS_"), "{what}: {}", facts.cipher);
        // The mail host is named, and nothing is offered by ALPN.
        let record = server.stop().await;
        assert_eq!(
            (record.sni.as_deref(), record.alpn.clone(), record.says().as_str()),
            (Some(HOST), None, "EHLO STARTTLS * EHLO QUIT")
        );
    }
}

#[tokio::test]
async fn tls_1_2_is_enough() {
    let identity = Authority::root("root").identity(&[HOST], VALID);
    let key = rustls_pki_types::PrivatePkcs8KeyDer::from(identity.key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(identity.chain.clone(), key.into())
        .unwrap();
    let server = MailServer::start(good(Arc::new(config))).await;
    let talked = talk(server.address, Vec::new()).await;
    assert_eq!((failure(&talked), talked.tls.unwrap().version), (None, "1.2"));
}

#[tokio::test]
async fn a_chain_that_is_too_large_ends_the_handshake() {
    let mut identity = Authority::root("root").identity(&[HOST], VALID);
    let more = Authority::root("more");
    identity.chain.extend((0..200).map(|_| more.der.clone()));
    let server = MailServer::start(good(identity.config(&[]))).await;
    let talked = talk(server.address, Vec::new()).await;
    assert_eq!(failure(&talked), Some("tls.too_large"), "{:?}", talked.failure);
    assert_eq!(server.stop().await.says(), "EHLO STARTTLS");
}

#[tokio::test]
async fn a_server_of_another_protocol_says_so() {
    // Without ALPN on our side there is nothing to disagree about.
    let server = MailServer::start(good(Identity::self_signed(&[HOST]).config(&[b"smtp"]))).await;
    assert_eq!(failure(&talk(server.address, Vec::new()).await), None);
}

#[tokio::test]
async fn tickets_in_plenty_do_no_harm() {
    let mut config = Arc::unwrap_or_clone(Identity::self_signed(&[HOST]).config(&[]));
    // As many as a server of rustls can send.
    config.send_tls13_tickets = 200;
    let server = MailServer::start(good(Arc::new(config))).await;
    let talked = talk(server.address, Vec::new()).await;
    assert_eq!((failure(&talked), findings(&talked)), (None, Vec::new()));
    assert!(talked.wire_bytes > 10_000, "{}", talked.wire_bytes);
}
