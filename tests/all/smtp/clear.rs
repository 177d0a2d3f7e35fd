//! The conversation in the clear (HOSTILE.md 72-76, 125-134).

use std::time::Duration;

use stscan::finding::Severity;
use stscan::net::pace::PerHost;
use stscan::net::smtp::Client;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::server::{MailServer, Step, say};
use super::{Case, HOST, client, config, failure, findings, host, play, talk};
use crate::fetch::pki::{Authority, Identity, VALID};
use crate::fetch::server::{Script, Then};
use crate::fetch::{SLACK, TIMEOUTS};
use Step::{Hear, Skip};

const GREETING: &str = "220 mx.example.com ESMTP\r\n";
const EHLO: &str = "250-mx.example.com\r\n250-SIZE 1000\r\n250 STARTTLS\r\n";

/// What somebody on the way puts behind the answer to STARTTLS.
const SMUGGLED: &str = "250-evil\r\n250 STARTTLS\r\n";

/// What is read of one phase, and the certificates of these tests.
const CLEAR_MAX: u64 = 48 * 1024;
/// What one connection may send.
const WIRE_MAX: u64 = 512 * 1024;
/// What one read may take beyond a bound.
const SURPLUS: u64 = 32 * 1024;

/// A script that ends the conversation.
fn ends(bytes: impl AsRef<[u8]>, then: Then) -> Step {
    Step::Play(Script::new(bytes, then))
}

fn endless(head: &str, again: &str) -> Step {
    Step::Play(Script::endless(head, again.repeat(100)))
}

#[tokio::test]
async fn every_conversation_ends_in_its_code_and_in_time() {
    let identity = Authority::root("root").identity(&[HOST], VALID);
    let tls = || Step::Tls(identity.config(&[]));
    let up_to_tls = || vec![say(GREETING), Hear, say(EHLO), Hear, say("220 go\r\n"), tls(), Hear];
    let within_tls = |step: Step| [up_to_tls(), vec![step]].concat();
    let drip = |text: &str| Step::Play(Script::dripping(text, Duration::from_millis(150)));
    let case = |what, steps, failure, findings, says| Case { what, steps, failure, findings, says };
    let all = "EHLO STARTTLS * EHLO QUIT";
    let cases = vec![
        // 125
        case("no banner", vec![ends("", Then::Hold)], Some("smtp.banner_timeout"), &[], ""),
        case("dripping banner", vec![drip(&GREETING.repeat(10))], Some("smtp.banner_timeout"), &[], ""),
        case("half a banner", vec![ends("220-mx", Then::Hold)], Some("smtp.banner_timeout"), &[], ""),
        case("EHLO unanswered", vec![say(GREETING), Hear, ends("", Then::Hold)], Some("smtp.timeout"), &[], "EHLO"),
        case("EHLO dripped", vec![say(GREETING), Hear, drip(&EHLO.repeat(5))], Some("smtp.timeout"), &[], "EHLO"),
        // 126
        case("endless banner", vec![endless("", "220-mx\r\n")], Some("smtp.too_long"), &[], ""),
        case("endless EHLO", vec![say(GREETING), Hear, endless("", "250-X\r\n")], Some("smtp.too_long"), &[], "EHLO"),
        case("endless line", vec![endless("220 ", "xxxxxxxxxx")], Some("smtp.too_long"), &[], ""),
        case(
            "a reply after the other",
            vec![say(GREETING), Hear, say(EHLO), Hear, endless("", &format!("220-{}\r\n", "x".repeat(500)))],
            Some("smtp.too_long"),
            &[],
            "EHLO STARTTLS",
        ),
        // 127
        case("421", vec![say("421 busy\r\n")], Some("smtp.banner_4xx"), &[], "QUIT"),
        case("421, closed", vec![ends("421 busy\r\n", Then::Close)], Some("smtp.banner_4xx"), &[], "QUIT"),
        case("450", vec![say("450 later\r\n")], Some("smtp.banner_4xx"), &[], "QUIT"),
        case("554", vec![say("554-5.7.1 not\r\n554 you\r\n")], Some("smtp.banner_5xx"), &[], "QUIT"),
        case("another code", vec![ends("220-a\r\n250 b\r\n", Then::Hold)], Some("smtp.syntax"), &[], ""),
        case(
            "junk after the banner",
            vec![say(GREETING), Hear, ends("what?", Then::Hold)],
            Some("smtp.syntax"),
            &[],
            "EHLO",
        ),
        // 128
        case(
            "502, HELO",
            vec![say(GREETING), Hear, say("502 what?\r\n"), Hear, say("250 mx\r\n")],
            Some("smtp.no_starttls"),
            &["smtp.no_ehlo"],
            "EHLO HELO QUIT",
        ),
        case(
            "500, 500",
            vec![say(GREETING), Hear, say("500 what?\r\n"), Hear, say("500 what?\r\n")],
            Some("smtp.ehlo_5xx"),
            &[],
            "EHLO HELO QUIT",
        ),
        case("EHLO 451", vec![say(GREETING), Hear, say("451 a\r\n")], Some("smtp.ehlo_4xx"), &[], "EHLO QUIT"),
        case(
            "lower case",
            vec![
                say(GREETING),
                Hear,
                say("250-mx\r\n250-starttls\r\n250 size\r\n"),
                Hear,
                say("220 go\r\n"),
                tls(),
                Hear,
                say("250 mx\r\n"),
            ],
            None,
            &[],
            all,
        ),
        case("no STARTTLS", vec![say(GREETING), Hear, say("250 mx\r\n")], Some("smtp.no_starttls"), &[], "EHLO QUIT"),
        case(
            "only in a second EHLO",
            vec![say(GREETING), Hear, say("250 mx\r\n"), Hear, say(EHLO)],
            Some("smtp.no_starttls"),
            &[],
            "EHLO QUIT",
        ),
        // 129
        case(
            "454",
            vec![say(GREETING), Hear, say(EHLO), Hear, say("454 no key\r\n")],
            Some("smtp.starttls_refused"),
            &[],
            "EHLO STARTTLS QUIT",
        ),
        case(
            "501",
            vec![say(GREETING), Hear, say(EHLO), Hear, say("501 what?\r\n")],
            Some("smtp.starttls_refused"),
            &[],
            "EHLO STARTTLS QUIT",
        ),
        case(
            "hung up",
            vec![say(GREETING), Hear, say(EHLO), Hear, ends("", Then::Close)],
            Some("smtp.starttls_refused"),
            &[],
            "EHLO STARTTLS",
        ),
        // 75
        case("FIN for a banner", vec![ends("", Then::Close)], Some("smtp.closed"), &[], ""),
        case("FIN in the banner", vec![ends("220 mx", Then::Close)], Some("smtp.closed"), &[], ""),
        case("RST for a banner", vec![ends("", Then::Reset)], Some("smtp.reset"), &[], ""),
        case("FIN for EHLO", vec![say(GREETING), Hear, ends("", Then::Close)], Some("smtp.closed"), &[], "EHLO"),
        case("RST for EHLO", vec![say(GREETING), Hear, ends("", Then::Reset)], Some("smtp.reset"), &[], "EHLO"),
        // 130
        case(
            "injection",
            vec![
                say(GREETING),
                Hear,
                say(EHLO),
                Hear,
                say(format!("220 go\r\n{SMUGGLED}")),
                tls(),
                Hear,
                say("250-mx\r\n250 SIZE 1\r\n"),
            ],
            None,
            &["smtp.injection"],
            all,
        ),
        // 131
        case(
            "500 for a ServerHello",
            vec![
                say(GREETING),
                Hear,
                say(EHLO),
                Hear,
                say("220 go\r\n"),
                Skip,
                ends("500 5.5.1 what?\r\n", Then::Hold),
            ],
            Some("tls.not_tls"),
            &[],
            "EHLO STARTTLS",
        ),
        // 132
        case("TLS alert", vec![ends([21, 3, 3, 0, 2, 2, 40], Then::Hold)], Some("smtp.not_smtp"), &[], ""),
        case("TLS handshake", vec![ends([22, 3, 1, 2, 0, 1], Then::Hold)], Some("smtp.not_smtp"), &[], ""),
        case("HTTP", vec![ends("HTTP/1.1 400 Bad Request\r\n\r\n", Then::Close)], Some("smtp.not_smtp"), &[], ""),
        case("SSH", vec![ends("SSH-2.0-OpenSSH_9.6\r\n", Then::Hold)], Some("smtp.not_smtp"), &[], ""),
        case("IMAP", vec![ends("* OK IMAP4rev1\r\n", Then::Hold)], Some("smtp.not_smtp"), &[], ""),
        // 133
        case(
            "odd bytes",
            vec![say("220 \x1b]0;x\x07 gr\u{fc}\u{df}e\0\n"), Hear, say("250 mx\n")],
            Some("smtp.no_starttls"),
            &["smtp.bytes", "smtp.line_end"],
            "EHLO QUIT",
        ),
        // 134
        case("QUIT unanswered", within_tls(ends("250 mx\r\n", Then::Hold)), None, &[], "EHLO STARTTLS * EHLO"),
        case("good", within_tls(say("250 mx\r\n")), None, &[], all),
        // Within TLS.
        case("STARTTLS again", within_tls(say(EHLO)), None, &["smtp.starttls_again"], all),
        case("503 within TLS", within_tls(say("503 no\r\n")), None, &["smtp.fails_within_tls"], all),
        case(
            "FIN within TLS",
            within_tls(ends("", Then::Close)),
            None,
            &["smtp.fails_within_tls"],
            "EHLO STARTTLS * EHLO",
        ),
        // 93: an end without close_notify.
        case(
            "cut off within TLS",
            within_tls(ends("", Then::Drop)),
            None,
            &["smtp.fails_within_tls"],
            "EHLO STARTTLS * EHLO",
        ),
        case("RST within TLS", within_tls(ends("", Then::Reset)), None, &[], "EHLO STARTTLS * EHLO"),
        case("silence within TLS", within_tls(ends("", Then::Hold)), None, &[], "EHLO STARTTLS * EHLO"),
        case(
            "junk within TLS",
            within_tls(ends("what?\r\n", Then::Hold)),
            None,
            &["smtp.fails_within_tls"],
            "EHLO STARTTLS * EHLO",
        ),
        case(
            "endless within TLS",
            within_tls(endless("", "250-X\r\n")),
            None,
            &["smtp.fails_within_tls"],
            "EHLO STARTTLS * EHLO",
        ),
    ];
    let count = cases.len();
    let outcomes = play(cases, Vec::new()).await;
    assert_eq!(outcomes.len(), count);
    for outcome in outcomes {
        let (what, talked) = (outcome.what, outcome.talked);
        let detail = |name| talked.failure.as_ref().and_then(|failure| failure.detail.get(name)).cloned();
        let found = |name| talked.facts.findings.first().and_then(|finding| finding.detail.get(name)).cloned();
        // Nothing endless is read for long.
        assert!(talked.wire_bytes < CLEAR_MAX + SURPLUS, "{what}: {}", talked.wire_bytes);
        // TLS came up exactly where the conversation went on behind it, and the certificate was seen wherever it did.
        assert_eq!(talked.tls.is_some(), !talked.chain.is_empty(), "{what}");
        assert!(talked.times.connect.is_some(), "{what}");
        let total = talked.times.total.unwrap();
        match what {
            "no banner" | "dripping banner" | "half a banner" => {
                assert!(total >= TIMEOUTS.banner && total < TIMEOUTS.banner + SLACK, "{what}: {total:?}");
                assert_eq!(talked.times.banner, None);
            }
            "EHLO unanswered" => assert_eq!(detail("stage").unwrap(), "ehlo"),
            "454" => assert_eq!(detail("reply_code").unwrap(), 454),
            "hung up" => assert_eq!(detail("cause").unwrap(), "smtp.closed"),
            "injection" => {
                assert_eq!(found("bytes").unwrap(), SMUGGLED.len());
                // What was smuggled in is nowhere.
                assert_eq!(talked.facts.secure_keywords, ["SIZE 1"]);
            }
            "odd bytes" => {
                let banner = talked.facts.banner.as_ref().unwrap();
                assert_eq!(banner.lines, ["\x1b]0;x\x07 gr\u{fc}\u{df}e\0".as_bytes()], "kept raw");
            }
            "QUIT unanswered" => assert!(total < TIMEOUTS.smtp + SLACK),
            "junk within TLS" => assert_eq!(found("cause").unwrap(), "smtp.syntax"),
            "silence within TLS" => assert!(talked.tls.is_some() && total >= TIMEOUTS.tls, "{total:?}"),
            "cut off within TLS" | "FIN within TLS" => assert_eq!(found("cause").unwrap(), "smtp.closed", "{what}"),
            "good" => {
                let times = talked.times;
                let stages = [times.banner, times.ehlo, times.starttls, times.tls];
                assert!(stages.iter().all(|time| time.is_some_and(|time| time < total)), "{times:?}");
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn floods_within_tls_end() {
    let config = Identity::self_signed(&[HOST]).config(&[]);
    // 92: TLS itself has had enough, or the budget of the wire is spent before the bound of what is read.
    let rows = [(Step::KeyUpdates, "tls.protocol", 0, CLEAR_MAX), (Step::Crumbs, "smtp.too_long", WIRE_MAX, WIRE_MAX)];
    for (flood, cause, least, most) in rows {
        let steps =
            vec![say(GREETING), Hear, say(EHLO), Hear, say("220 go\r\n"), Step::Tls(config.clone()), Hear, flood];
        let findings: &[&str] = &["smtp.fails_within_tls"];
        let case = Case { what: cause, steps, failure: None, findings, says: "EHLO STARTTLS * EHLO" };
        let talked = play(vec![case], Vec::new()).await.remove(0).talked;
        assert_eq!(talked.facts.findings[0].detail.get("cause").unwrap(), cause);
        assert!((least..most + SURPLUS).contains(&talked.wire_bytes), "{cause}: {}", talked.wire_bytes);
        assert!(talked.tls.is_some() && talked.verdict.is_some(), "the certificate was seen");
    }
}

#[tokio::test]
async fn a_farewell_is_not_waited_for_long() {
    let quit_limit = Duration::from_secs(2);
    let server = MailServer::start(vec![say(GREETING), Hear, ends("250 mx\r\n", Then::Hold)]).await;
    let mut config = config(server.address.port(), Vec::new());
    config.timeouts.smtp = 10 * quit_limit;
    let talked = Client::new(&config, PerHost::new(1)).talk(&host(), server.address.ip()).await;
    assert_eq!(failure(&talked), Some("smtp.no_starttls"));
    let total = talked.times.total.unwrap();
    assert!(total >= quit_limit && total < quit_limit + SLACK, "{total:?}");
}

#[tokio::test]
async fn ipv6_works_and_the_guard_holds() {
    let server = MailServer::start_at("::1".parse().unwrap(), 0, vec![say("421 busy\r\n")]).await;
    let talked = talk(server.address, Vec::new()).await;
    assert_eq!(failure(&talked), Some("smtp.banner_4xx"));
    assert_eq!(server.accepted(), 1);

    // The address is judged where it is connected to, and no packet goes to it.
    for address in ["10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "64:ff9b::a00:5"] {
        let talked =
            talk((address.parse::<std::net::IpAddr>().unwrap(), server.address.port()).into(), Vec::new()).await;
        assert_eq!(failure(&talked), Some("reach.forbidden"), "{address}");
        assert_eq!((talked.times.connect, talked.wire_bytes), (None, 0));
    }
    // An address in the place of a name is none, whatever it leads to.
    let client = client(server.address.port(), Vec::new());
    let literal = stscan::name::HostName::parse("127.0.0.1").unwrap();
    assert_eq!(failure(&client.talk(&literal, server.address.ip()).await), Some("reach.literal"));
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_port_where_nobody_listens_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let talked = talk(address, Vec::new()).await;
    assert_eq!(failure(&talked), Some("tcp.refused"));
    assert_eq!(talked.failure.unwrap().subject, address.to_string());
    assert_eq!(talked.times.connect, None);
}

#[tokio::test]
async fn a_full_backlog_is_a_timeout() {
    // Nobody accepts, and the queue holds one: the kernel drops what comes beyond it.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(Ok(stream)) = timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
        held.push(stream);
        assert!(held.len() < 10, "the queue never fills");
    }
    let talked = talk(address, Vec::new()).await;
    assert_eq!((failure(&talked), talked.times.connect), (Some("tcp.timeout"), None));
    assert!(talked.times.total.unwrap() < TIMEOUTS.connect + SLACK, "{:?}", talked.times);
}

#[tokio::test]
async fn what_ends_a_conversation_is_a_finding_or_a_loss_of_sight() {
    let rows =
        [("421 busy\r\n", false), ("554 not you\r\n", false), ("HTTP/1.1 400\r\n", true), ("220-a\r\n221 b\r\n", true)];
    for (banner, is_finding) in rows {
        let server = MailServer::start(vec![say(banner)]).await;
        let talked = talk(server.address, Vec::new()).await;
        assert_eq!(findings(&talked), [""; 0]);
        let failure = talked.failure.unwrap();
        assert_eq!(failure.subject, host().as_str());
        let finding = failure.into_finding().ok();
        assert_eq!(finding.map(|finding| finding.severity()), is_finding.then_some(Severity::Fatal), "{banner}");
    }
}
