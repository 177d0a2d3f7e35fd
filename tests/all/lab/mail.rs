//! The lab's mail side, judged by clients that are not ours: conversations, TLSA records, and the bits of DNSSEC.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use sha2::{Digest as _, Sha256, Sha512};
use stscan::lab::fault::SmtpFault;
use stscan::lab::world::Address;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::client::TlsStream;

use super::*;

/// What a client waits before it calls a server silent: the lab answers within milliseconds.
const SILENT: Duration = Duration::from_millis(700);
/// More than any lawful reply.
const FLOOD: usize = 64 * 1024;
const A: u16 = 1;
const MX: u16 = 15;
const AAAA: u16 = 28;
const TLSA: u16 = 52;

/// One reply in a word: its code, or why there is none.
async fn reply(stream: &mut (impl AsyncRead + Unpin)) -> (String, String) {
    let mut text = Vec::new();
    let mut bytes = [0; 4096];
    loop {
        let complete = text.strip_suffix(b"\n").is_some_and(|lines: &[u8]| {
            let last = lines.rsplit(|byte| *byte == b'\n').next().unwrap();
            last.len() < 4 || last[3] != b'-'
        });
        let word = if complete {
            String::from_utf8_lossy(&text[..text.len().min(3)]).into_owned()
        } else if text.len() > FLOOD {
            "flood".to_owned()
        } else {
            match timeout(SILENT, stream.read(&mut bytes)).await {
                Err(_) => "silence".to_owned(),
                Ok(Ok(0)) => "closed".to_owned(),
                Ok(Err(error)) => format!("{:?}", error.kind()),
                Ok(Ok(length)) => {
                    text.extend_from_slice(&bytes[..length]);
                    continue;
                }
            }
        };
        return (word, String::from_utf8_lossy(&text).into_owned());
    }
}

async fn say(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), command: &str) -> (String, String) {
    // What cannot be sent is seen when the reply is read.
    let _ = stream.write_all(format!("{command}\r\n").as_bytes()).await;
    reply(stream).await
}

/// The first address that the lab's resolver gives for a mail host.
async fn mail_address(lab: &Lab, host: &str) -> SocketAddr {
    let answer = answers(&ask(lab.resolver, host, A).await.unwrap());
    let data: [u8; 4] = answer.records.iter().find(|(rtype, _)| *rtype == A).unwrap().1[..].try_into().unwrap();
    SocketAddr::from((data, lab.smtp_port))
}

async fn secured(lab: &Lab, host: &str, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let connect = tokio_rustls::TlsConnector::from(client(&lab.roots_pem, &[])).connect(name, stream);
    timeout(SILENT, connect).await.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?
}

/// A whole conversation in words: greeting, EHLO (and HELO), STARTTLS, TLS, EHLO, QUIT.
async fn converse(lab: &Lab, host: &str) -> String {
    let mut words = Vec::new();
    let mut stream = match timeout(SILENT, TcpStream::connect(mail_address(lab, host).await)).await {
        Err(_) => return "no connection".to_owned(),
        Ok(Err(error)) => return format!("{:?}", error.kind()),
        Ok(Ok(stream)) => stream,
    };
    words.push(reply(&mut stream).await.0);
    if words[0] == "220" {
        let (mut word, mut text) = say(&mut stream, "EHLO client.test").await;
        if word.starts_with('5') {
            words.push(word);
            (word, text) = say(&mut stream, "HELO client.test").await;
        }
        words.push(word);
        if text.to_ascii_uppercase().contains("STARTTLS") {
            let (word, text) = say(&mut stream, "STARTTLS").await;
            words.push(if text.lines().count() > 1 { format!("{word} and more") } else { word.clone() });
            if word == "220" {
                match secured(lab, host, stream).await {
                    Err(error) => words.push(format!("{:?}", error.kind())),
                    Ok(mut stream) => {
                        let (word, text) = say(&mut stream, "EHLO client.test").await;
                        words.push(format!("tls {word}"));
                        if text.contains("STARTTLS") {
                            words.push("again".to_owned());
                        }
                        words.push(say(&mut stream, "QUIT").await.0);
                    }
                }
                return words.join(", ");
            }
        }
    }
    words.push(say(&mut stream, "QUIT").await.0);
    words.join(", ")
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_servers_talk_as_their_worlds_say() {
    const GOOD: &str = "220, 250, 220, tls 250, 221";
    let lab = specimens().await;
    let table = [
        ("mx1.enforce.test", GOOD),
        ("mx1.canary.test", GOOD),
        ("mx12.mailhub.test", GOOD),
        ("aspmx.l.google.com", GOOD),
        ("in.mx-none-covered.mailhost.example", GOOD),
        ("mx1.smtp-multiline.test", GOOD),
        ("mx1.smtp-delay.test", GOOD),
        ("mx1.smtp-bare-lf.test", GOOD),
        ("mx1.smtp-bytes.test", GOOD),
        ("mx1.smtp-lower-case.test", GOOD),
        ("mx1.smtp-cname.test", GOOD),
        ("mx2.smtp-two-good.test", GOOD),
        ("mx1.smtp-starttls-again.test", "220, 250, 220, tls 250, again, 221"),
        ("mx1.smtp-fails-within-tls.test", "220, 250, 220, tls 554, 221"),
        ("mx1.smtp-closes-within-tls.test", "220, 250, 220, tls closed, closed"),
        ("mx1.smtp-injection.test", "220, 250, 220 and more, tls 250, 221"),
        ("mx1.smtp-refused.test", "ConnectionRefused"),
        ("mx1.smtp-unreachable.test", "NetworkUnreachable"),
        ("mx1.smtp-backlog.test", "no connection"),
        ("mx1.smtp-closed.test", "closed, closed"),
        ("mx1.smtp-banner-silence.test", "silence, silence"),
        ("mx1.smtp-banner-drip.test", "silence, silence"),
        ("mx1.smtp-banner-421.test", "421, closed"),
        ("mx1.smtp-banner-450.test", "450, 221"),
        ("mx1.smtp-banner-554.test", "554, 221"),
        ("mx1.smtp-http.test", "HTT, closed"),
        // To this client SSH-2.0 looks like a line that another one follows.
        ("mx1.smtp-ssh.test", "closed, closed"),
        ("mx1.smtp-no-starttls.test", "220, 250, 221"),
        ("mx1.smtp-ehlo-refused.test", "220, 502, 250, 221"),
        ("mx1.smtp-ehlo-550.test", "220, 550, 550, 221"),
        ("mx1.smtp-ehlo-450.test", "220, 450, 221"),
        ("mx1.smtp-ehlo-silence.test", "220, silence, silence"),
        ("mx1.smtp-ehlo-close.test", "220, closed, closed"),
        ("mx1.smtp-starttls-454.test", "220, 250, 454, 221"),
        ("mx1.smtp-starttls-501.test", "220, 250, 501, 221"),
        ("mx1.smtp-starttls-close.test", "220, 250, closed, closed"),
        ("mx1.smtp-starttls-silence.test", "220, 250, silence, silence"),
        ("mx1.smtp-tls-old-only.test", "220, 250, 220, InvalidData"),
        ("mx1.smtp-tls-alert.test", "220, 250, 220, InvalidData"),
        ("mx1.smtp-tls-closed.test", "220, 250, 220, UnexpectedEof"),
        ("mx1.smtp-tls-reset.test", "220, 250, 220, ConnectionReset"),
        ("mx1.smtp-tls-silence.test", "220, 250, 220, TimedOut"),
        ("mx1.mail-cert-wildcard.test", GOOD),
        ("mx1.mail-cert-many-names.test", GOOD),
        ("mx1.mail-cert-expired.test", "220, 250, 220, InvalidData"),
        ("mx1.mail-cert-wrong-name.test", "220, 250, 220, InvalidData"),
        ("mx1.mail-cert-self-signed.test", "220, 250, 220, InvalidData"),
        ("mx1.mail-cert-missing-intermediate.test", "220, 250, 220, InvalidData"),
    ];
    // Side by side: the silent ones cost seconds.
    let talks = table.into_iter().map(|(host, expected)| {
        let lab = &lab;
        async move { (host, expected, converse(lab, host).await) }
    });
    let mut wrong = Vec::new();
    for (host, expected, seen) in join_all(talks).await {
        if seen != expected {
            wrong.push(format!("{host}: {expected}, seen: {seen}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Bad for one connection, and then good; SMTP that ends on no line; what is reset before the greeting.
    let flaky = "mx1.smtp-flaky.test";
    assert_eq!(converse(&lab, flaky).await, "421, closed");
    assert_eq!(converse(&lab, flaky).await, GOOD);
    let flaky = "mx1.smtp-starttls-flaky.test";
    assert_eq!(converse(&lab, flaky).await, "220, 250, 454, 221");
    assert_eq!(converse(&lab, flaky).await, GOOD);
    for host in ["mx1.smtp-banner-flood.test", "mx1.smtp-banner-line.test"] {
        assert!(converse(&lab, host).await.starts_with("flood"), "{host}");
    }
    assert!(converse(&lab, "mx1.smtp-ehlo-flood.test").await.starts_with("220, flood"));
    assert!(converse(&lab, "mx1.smtp-reset.test").await.starts_with("ConnectionReset"));
    assert!(converse(&lab, "mx1.smtp-tls-first.test").await.starts_with("closed"));
    let log = lab.stop().await.unwrap();
    assert_eq!(log.smtp_violations, 0, "nobody said what may not be said");
    assert!(log.smtp_connections >= 50 && log.smtp_most_at_once >= 1);
}

/// Awaits all of a few futures side by side.
async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(move |context| {
        let mut waits = false;
        for (future, output) in &mut futures {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(ready) => *output = Some(ready),
                    std::task::Poll::Pending => waits = true,
                }
            }
        }
        if waits {
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(futures.iter_mut().map(|(_, output)| output.take().unwrap()).collect())
    })
    .await
}

/// What no scan may do is seen, and who was talked to can be counted.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_who_was_talked_to_and_what_was_said() {
    let lab = specimens().await;
    let host = "mx1.enforce.test";
    let address = mail_address(&lab, host).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut beside = TcpStream::connect(address).await.unwrap();
    assert_eq!(reply(&mut stream).await.0, "220");
    assert_eq!(reply(&mut beside).await.0, "220");
    for (command, code) in [
        ("EHLO client.test", "250"),
        ("MAIL FROM:<>", "550"),
        ("rcpt TO:<a@enforce.test>", "550"),
        ("DATA", "550"),
        ("NOOP", "250"),
        ("nonsense", "500"),
        ("STARTTLS", "220"),
    ] {
        assert_eq!(say(&mut stream, command).await.0, code, "{command}");
    }
    let mut stream = secured(&lab, host, stream).await.unwrap();
    assert_eq!(say(&mut stream, "QUIT").await.0, "221");
    // One that cannot wait for a greeting that takes half a second.
    let address_of_delay = mail_address(&lab, "mx1.smtp-delay.test").await;
    let mut hasty = TcpStream::connect(address_of_delay).await.unwrap();
    assert_eq!(say(&mut hasty, "EHLO client.test").await.0, "220");
    drop((stream, beside, hasty));

    let log = lab.stop().await.unwrap();
    assert_eq!((log.smtp_connections, log.smtp_most_at_once, log.smtp_violations), (3, 2, 4));
    let ip = address.ip();
    let mail: Vec<&str> =
        log.lines.iter().map(String::as_str).filter(|line| line.starts_with("smtp")).take(13).collect();
    let expected = [
        format!("smtp-connect {ip}"),
        format!("smtp-connect {ip}"),
        format!("smtp {ip} EHLO"),
        format!("smtp {ip} MAIL"),
        format!("smtp-violation {ip} MAIL"),
        format!("smtp {ip} RCPT"),
        format!("smtp-violation {ip} RCPT"),
        format!("smtp {ip} DATA"),
        format!("smtp-violation {ip} DATA"),
        format!("smtp {ip} NOOP"),
        format!("smtp {ip} NONSENSE"),
        format!("smtp {ip} STARTTLS"),
        format!("smtp-tls {host} {ip}"),
    ];
    assert_eq!(mail, expected.each_ref().map(String::as_str));
    assert!(log.lines.contains(&format!("smtp {host} QUIT")));
    let hasty = format!("smtp-violation {} talks before the greeting", address_of_delay.ip());
    assert!(log.lines.contains(&hasty), "{:?}", log.lines);
}

/// A fault that counts connections must not be met by two worlds, which would count for one another.
#[test]
fn what_counts_connections_belongs_to_one_world() {
    let mut worlds: BTreeMap<SmtpFault, usize> = BTreeMap::new();
    for world in lab::worlds().unwrap() {
        let of_records = world.records.iter().filter_map(|record| match record.data {
            Data::A(Address::Faulty(fault)) => Some(fault),
            _ => None,
        });
        let faults: BTreeSet<SmtpFault> = world.mail.iter().filter_map(|host| host.fault).chain(of_records).collect();
        for fault in faults {
            if matches!(fault, SmtpFault::Flaky(_) | SmtpFault::StarttlsFlaky(_)) {
                assert_eq!(world.weight, 0, "{}: its members would share the address", world.name);
                *worlds.entry(fault).or_default() += 1;
            }
        }
    }
    assert!(!worlds.is_empty() && worlds.values().all(|count| *count == 1), "{worlds:?}");
}

/// An answer, taken apart.
struct Answers {
    rcode: u8,
    authentic: bool,
    /// Type and data.
    records: Vec<(u16, Vec<u8>)>,
    extended_error: Option<u16>,
}

fn answers(message: &[u8]) -> Answers {
    let word = |at: usize| u16::from_be_bytes([message[at], message[at + 1]]);
    let skip_name = |mut at: usize| loop {
        match message[at] {
            0 => return at + 1,
            length if length >= 0xc0 => return at + 2,
            length => at += 1 + usize::from(length),
        }
    };
    let mut at = 12;
    for _ in 0..word(4) {
        at = skip_name(at) + 4;
    }
    let mut records = Vec::new();
    let mut extended_error = None;
    for _ in 0..word(6) + word(8) + word(10) {
        at = skip_name(at);
        let (rtype, length) = (word(at), usize::from(word(at + 8)));
        let data = &message[at + 10..at + 10 + length];
        if rtype == 41 {
            // The only option that the lab's resolver gives here is 15 (RFC 8914 2).
            extended_error = data.strip_prefix(&[0, 15, 0, 2]).map(|code| u16::from_be_bytes([code[0], code[1]]));
        } else {
            records.push((rtype, data.to_vec()));
        }
        at += 10 + length;
    }
    Answers { rcode: message[3] & 0x0f, authentic: message[3] & 0x20 != 0, records, extended_error }
}

/// Asks with more bits in the header than RD.
async fn ask_with(resolver: SocketAddr, name: &str, rtype: u16, bits: u8) -> Answers {
    let mut bytes = question(0x1234, name, rtype);
    bytes[3] |= bits;
    // A TLSA record of a whole certificate may be longer than a datagram.
    let mut stream = TcpStream::connect(resolver).await.unwrap();
    stream.write_u16(u16::try_from(bytes.len()).unwrap()).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    let length = timeout(PATIENCE, stream.read_u16()).await.unwrap().unwrap();
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await.unwrap();
    answers(&answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn tlsa_records_fit_the_certificates_that_are_shown() {
    let lab = specimens().await;
    let public_key = |der: &[u8]| {
        let (_, certificate) = x509_parser::parse_x509_certificate(der).unwrap();
        certificate.tbs_certificate.subject_pki.raw.to_vec()
    };
    let root = CertificateDer::from_pem_slice(lab.roots_pem.as_bytes()).unwrap();
    // The world, the numbers, and which certificate: 0 that of the host, 1 that of its issuer, 2 the root.
    for (world, numbers, which) in [
        ("dane-ee", [3, 1, 1], 0),
        ("dane-ee-512", [3, 1, 2], 0),
        ("dane-ee-key", [3, 1, 0], 0),
        ("dane-ee-certificate", [3, 0, 1], 0),
        ("dane-ee-certificate-whole", [3, 0, 0], 0),
        ("dane-ta", [2, 0, 1], 1),
        ("dane-ta-key", [2, 1, 1], 1),
        ("dane-ta-root-whole", [2, 0, 0], 2),
        ("dane-usage", [1, 1, 1], 0),
        ("dane-mismatch", [3, 1, 1], 9),
    ] {
        let host = format!("mx1.{world}.test");
        let answer = ask_with(lab.resolver, &format!("_25._tcp.{host}"), TLSA, 0x20).await;
        assert!(answer.authentic && answer.rcode == 0 && answer.records.len() == 1, "{world}");
        let (rtype, data) = &answer.records[0];
        assert_eq!((*rtype, &data[..3]), (TLSA, &numbers[..]), "{world}");

        let mut stream = TcpStream::connect(mail_address(&lab, &host).await).await.unwrap();
        reply(&mut stream).await;
        say(&mut stream, "EHLO client.test").await;
        say(&mut stream, "STARTTLS").await;
        let stream = secured(&lab, &host, stream).await.unwrap();
        let chain = stream.get_ref().1.peer_certificates().unwrap();
        let der: &[u8] = if which < 2 { &chain[which % chain.len()] } else { &root };
        let der = if which == 9 { &chain[0][..] } else { der };
        let selected = if numbers[1] == 1 { public_key(der) } else { der.to_vec() };
        let expected = match numbers[2] {
            0 => selected,
            1 => Sha256::digest(&selected).to_vec(),
            _ => Sha512::digest(&selected).to_vec(),
        };
        assert_eq!(data[3..] == expected, which != 9, "{world}");
    }
    let rollover = ask_with(lab.resolver, "_25._tcp.mx1.dane-rollover.test", TLSA, 0).await;
    assert!(rollover.records.len() == 2 && rollover.records[0].1 != rollover.records[1].1);
    let raw = ask_with(lab.resolver, "_25._tcp.mx1.dane-tlsa-rdata.test", TLSA, 0).await;
    assert_eq!(raw.records, [(TLSA, vec![3, 1])]);
    lab.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_resolver_says_what_is_signed_and_what_is_bogus() {
    const AD: u8 = 0x20;
    const CD: u8 = 0x10;
    let lab = specimens().await;
    // Name, type, bits of the question; then: response code, AD, whether there are records, the extended error.
    for (name, rtype, bits, rcode, authentic, records, extended_error) in [
        ("", 2, AD, 0, true, true, None),
        ("", 2, 0, 0, false, true, None),
        ("enforce.test", MX, AD, 0, false, true, None),
        ("secure.test", MX, AD, 0, true, true, None),
        ("secure.test", MX, 0, 0, false, true, None),
        ("mx1.secure.test", AAAA, AD, 0, true, false, None),
        ("_25._tcp.mx1.secure.test", TLSA, AD, 3, true, false, None),
        ("nobody.test", MX, AD, 3, false, false, None),
        ("dane-mx-insecure.test", MX, AD, 0, false, true, None),
        ("mx1.dane-mx-insecure.test", A, AD, 0, true, true, None),
        ("_25._tcp.mx1.dane-mx-insecure.test", TLSA, AD, 0, true, true, None),
        ("mx1.dane-tlsa-insecure.test", A, AD, 0, true, true, None),
        ("_25._tcp.mx1.dane-tlsa-insecure.test", TLSA, AD, 0, false, true, None),
        ("mx1.dane-cname-expanded.test", A, AD, 0, true, true, None),
        ("dnssec-bogus-mx.test", MX, AD, 2, false, false, Some(6)),
        ("dnssec-bogus-mx.test", MX, AD | CD, 0, false, true, None),
        ("dnssec-bogus-mx-plain.test", MX, AD, 2, false, false, None),
        ("dnssec-bogus-mx-plain.test", MX, CD, 0, false, true, None),
        ("_25._tcp.mx1.dnssec-bogus-tlsa.test", TLSA, AD, 2, false, false, Some(7)),
        ("_25._tcp.mx1.dane-tlsa-servfail.test", TLSA, AD | CD, 2, false, false, None),
    ] {
        let answer = ask_with(lab.resolver, name, rtype, bits).await;
        let seen = (answer.rcode, answer.authentic, !answer.records.is_empty(), answer.extended_error);
        assert_eq!(seen, (rcode, authentic, records, extended_error), "{name} {rtype} {bits:#x}");
    }
    lab.stop().await.unwrap();
}

/// The addresses of one host that behave differently, and the one of IPv6.
#[tokio::test(flavor = "multi_thread")]
async fn one_host_has_several_addresses() {
    let lab = specimens().await;
    let two = answers(&ask(lab.resolver, "mx1.smtp-two-addresses.test", A).await.unwrap()).records;
    assert!(two.len() == 2 && two[0].1 != two[1].1 && two.iter().all(|(_, data)| data[..3] == [127, 10, 0]));
    let differ = answers(&ask(lab.resolver, "mx1.smtp-addresses-differ.test", A).await.unwrap()).records;
    let faulty = SmtpFault::read("no-starttls").unwrap().address();
    assert_eq!(differ[1].1, faulty.octets());
    let mut hub = BTreeSet::new();
    for number in 1..=12 {
        hub.insert(mail_address(&lab, &format!("mx{number}.mailhub.test")).await);
    }
    assert_eq!(hub.len(), 12, "each of the shared hosts has an address of its own");
    let v6 = answers(&ask(lab.resolver, "mx1.smtp-v6.test", AAAA).await.unwrap()).records;
    assert_eq!(v6, [(AAAA, Ipv6Addr::LOCALHOST.octets().to_vec())]);
    let (served, left_out) = lab::servable(lab::worlds().unwrap());
    if left_out.is_empty() {
        let address = SocketAddr::new(IpAddr::from(Ipv6Addr::LOCALHOST), lab.smtp_port);
        let mut stream = TcpStream::connect(address).await.unwrap();
        assert_eq!(reply(&mut stream).await.0, "220");
    } else {
        assert!(left_out.contains(&"smtp-v6".to_owned()) && served.iter().all(|world| world.name != "smtp-v6"));
    }
    lab.stop().await.unwrap();
}

/// A lab stands at the ports that it is told to, as it does in a network of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_lab_stands_where_it_is_told_to() {
    let start = |options: LabOptions| {
        let worlds = lab::worlds().unwrap().into_iter().filter(|world| world.name == "canary").collect();
        Lab::start(Population::new(worlds, 0, 1), options)
    };
    let lab = start(LabOptions::default()).await.unwrap();
    let (dns_port, https_port, smtp_port) = (lab.resolver.port(), lab.https_port, lab.smtp_port);
    let options = LabOptions { dns_port, https_port, smtp_port, ..LabOptions::default() };
    assert_eq!(start(options.clone()).await.err().unwrap().exit_status(), 74, "the ports are taken");
    lab.stop().await.unwrap();
    let lab = start(options).await.unwrap();
    assert_eq!((lab.resolver.port(), lab.https_port, lab.smtp_port), (dns_port, https_port, smtp_port));
    assert_eq!(converse(&lab, "mx1.canary.test").await, "220, 250, 220, tls 250, 221");
    lab.stop().await.unwrap();
}
