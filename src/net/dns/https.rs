//! DNS over HTTPS (RFC 8484): one POST a question.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Url, redirect};

use super::message::{self, Decoded, Received};
use super::question::{Query, Question};
use super::trouble::Trouble;
use crate::error::Error;

/// The media type of DNS messages (RFC 8484 6).
const DNS_MESSAGE: &str = "application/dns-message";
/// The longest DNS message (RFC 1035 4.2.2); what a server sends beyond it is not read.
const MESSAGE_MAX: usize = 65_535;

/// A resolver that is asked by HTTPS.
pub(super) struct Https {
    client: Client,
    url: Url,
}

impl Https {
    /// A client for this URL that trusts what `config` trusts. Nothing but the URL is ever asked: no redirect, no proxy.
    pub(super) fn new(url: &str, config: &Arc<rustls::ClientConfig>, user_agent: &str) -> Result<Self, Error> {
        let mut config = rustls::ClientConfig::clone(config);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let client = Client::builder()
            .tls_backend_preconfigured(config)
            .user_agent(user_agent)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .https_only(true)
            .build()
            .map_err(|error| Error::Internal(format!("no HTTPS client for {url}: {error}")))?;
        let url = Url::parse(url).map_err(|error| Error::Usage(format!("{url} is no URL: {error}")))?;
        Ok(Self { client, url })
    }

    /// Asks one question.
    pub(super) async fn ask(&self, question: &Question, edns: bool, wait: Duration) -> Result<Decoded, Trouble> {
        let query = Query::plain(question, edns);
        let exchange = self.exchange(&query);
        let packet = tokio::time::timeout(wait, exchange).await.map_err(|_| Trouble::Timeout)??;
        match message::receive(&packet, &query) {
            Received::Answer(decoded) => Ok(*decoded),
            Received::Truncated => Err(Trouble::Truncated),
            Received::Foreign | Received::Malformed | Received::CaseChanged => Err(Trouble::Malformed),
        }
    }

    async fn exchange(&self, query: &Query) -> Result<Vec<u8>, Trouble> {
        let request = self.client.post(self.url.clone());
        let request = request.header(CONTENT_TYPE, DNS_MESSAGE).header(ACCEPT, DNS_MESSAGE);
        let mut response = request.body(query.bytes().to_vec()).send().await.map_err(transport)?;
        // RFC 8484 4.2.1: a DNS answer of any RCODE comes with a 2xx status; any other status holds no answer.
        if !response.status().is_success() {
            return Err(Trouble::Transport(format!("HTTP status {}", response.status().as_u16())));
        }
        if !is_dns_message(response.headers()) {
            return Err(Trouble::Transport("the answer is no application/dns-message".to_owned()));
        }
        let mut packet = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            if packet.len() + chunk.len() > MESSAGE_MAX {
                return Err(Trouble::Malformed);
            }
            packet.extend_from_slice(&chunk);
        }
        Ok(packet)
    }
}

fn is_dns_message(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = media_type.and_then(|value| value.split(';').next()).map(str::trim);
    essence.is_some_and(|essence| essence.eq_ignore_ascii_case(DNS_MESSAGE))
}

/// The innermost cause says most: the outer ones name layers of the client.
fn transport(error: reqwest::Error) -> Trouble {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    Trouble::Transport(cause.to_string())
}
