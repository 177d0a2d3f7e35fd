//! Connections at a time to one address.

use stscan::net::pace::PerHost;
use stscan::net::smtp::Client;
use tokio::task::JoinSet;

use super::server::{MailServer, say};
use super::{config, failure, host};
use crate::fetch::server::{Script, Then};
use crate::fetch::{SLACK, TIMEOUTS};
use crate::smtp::server::Step;

#[tokio::test]
async fn an_address_is_talked_to_in_turn() {
    let server = MailServer::start(vec![say("421 busy\r\n")]).await;
    let hosts = PerHost::new(2);
    let client = Client::new(&config(server.address.port(), Vec::new()), hosts.clone());
    let mut talks = JoinSet::new();
    for _ in 0..12 {
        let (client, ip) = (client.clone(), server.address.ip());
        talks.spawn(async move { client.talk(&host(), ip).await });
    }
    while let Some(talked) = talks.join_next().await {
        assert_eq!(failure(&talked.unwrap()), Some("smtp.banner_4xx"));
    }
    assert_eq!((server.accepted(), hosts.addresses()), (12, 0));
    assert!(server.most() <= 2, "{} at a time", server.most());
}

#[tokio::test]
async fn waiting_for_a_turn_does_not_count() {
    // Each says nothing for the whole time of a banner; the third one waits for twice that.
    let server = MailServer::start(vec![Step::Play(Script::new("", Then::Hold))]).await;
    let client = Client::new(&config(server.address.port(), Vec::new()), PerHost::new(1));
    let mut talks = JoinSet::new();
    for _ in 0..3 {
        let (client, ip) = (client.clone(), server.address.ip());
        talks.spawn(async move { client.talk(&host(), ip).await });
    }
    while let Some(talked) = talks.join_next().await {
        let talked = talked.unwrap();
        assert_eq!(failure(&talked), Some("smtp.banner_timeout"));
        assert!(talked.times.total.unwrap() < TIMEOUTS.banner + SLACK / 2, "{:?}", talked.times);
    }
}
