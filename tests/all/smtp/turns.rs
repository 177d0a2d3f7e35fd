//! Connections at a time to one address.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use stscan::net::pace::PerHost;
use stscan::net::smtp::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::server::{MailServer, Step};
use super::{config, failure, host};
use crate::fetch::server::{Script, Server, Then};
use crate::fetch::{SLACK, TIMEOUTS};

#[tokio::test]
async fn an_address_is_talked_to_in_turn() {
    let (now, most): (Arc<AtomicUsize>, Arc<AtomicUsize>) = Default::default();
    let (now_too, most_too) = (Arc::clone(&now), Arc::clone(&most));
    let server = Server::start(Ipv4Addr::LOCALHOST.into(), 0, move |mut stream| {
        let (now, most) = (Arc::clone(&now_too), Arc::clone(&most_too));
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            stream.write_all(b"421 busy\r\n").await.unwrap();
            stream.read_exact(&mut [0; b"QUIT\r\n".len()]).await.unwrap();
            // Over, as far as we are concerned; the client waits for the answer, so it cannot be back before that.
            now.fetch_sub(1, Ordering::SeqCst);
            stream.write_all(b"221 bye\r\n").await.unwrap();
        }
    })
    .await;
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
    assert_eq!((most.load(Ordering::SeqCst), now.load(Ordering::SeqCst)), (2, 0));
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
