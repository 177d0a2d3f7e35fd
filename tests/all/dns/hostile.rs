//! A DNS server that answers what a test tells it to, byte by byte, over UDP and TCP on one loopback port.
//!
//! It knows nothing of the code under test: messages are put together here by hand, so that a mistake there is not made
//! here as well.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// The zone that every question is in; the label in front of it names the case.
pub(crate) const ZONE: &str = "hostile.example";

pub(crate) const A: u16 = 1;
pub(crate) const NS: u16 = 2;
pub(crate) const CNAME: u16 = 5;
pub(crate) const SOA: u16 = 6;
pub(crate) const HINFO: u16 = 13;
pub(crate) const TXT: u16 = 16;
pub(crate) const DNAME: u16 = 39;
pub(crate) const RRSIG: u16 = 46;
pub(crate) const TLSA: u16 = 52;
pub(crate) const IN: u16 = 1;
pub(crate) const CH: u16 = 3;

/// What a question was, as it came in.
pub(crate) struct Ask {
    pub(crate) id: u16,
    /// The question section, raw.
    pub(crate) section: Vec<u8>,
    /// The name in lower case.
    pub(crate) name: String,
    pub(crate) qtype: u16,
    pub(crate) edns: bool,
    /// Whether CD is set: answer without validation.
    pub(crate) unchecked: bool,
    /// Whether DO is set: answer with the signatures.
    pub(crate) dnssec: bool,
    /// How many datagrams of this case came before.
    pub(crate) before: usize,
}

/// A datagram to send.
pub(crate) enum Packet {
    Reply(Vec<u8>),
    /// From another port of the same address.
    OtherPort(Vec<u8>),
    /// From another address.
    OtherAddress(Vec<u8>),
}

/// What to do on a TCP connection.
pub(crate) enum Stream {
    /// A message with its length in front.
    Message(Vec<u8>),
    /// A message, then the end of the connection.
    MessageAndClose(Vec<u8>),
    /// Bytes as they are, then the end of the connection.
    Raw(Vec<u8>),
    /// A message after a while.
    Late(Duration, Vec<u8>),
    /// A message at one byte a second.
    Drip(Vec<u8>),
}

pub(crate) type Udp = fn(&Ask) -> Vec<Packet>;
pub(crate) type Tcp = fn(&Ask) -> Stream;

/// How the server behaves in each case.
pub(crate) type Script = HashMap<&'static str, (Udp, Tcp)>;

/// A running server.
pub(crate) struct Hostile {
    pub(crate) address: SocketAddr,
    counts: Arc<Mutex<HashMap<String, usize>>>,
    tasks: JoinSet<()>,
}

impl Hostile {
    /// Starts on a free port of 127.0.0.1, with or without TCP.
    pub(crate) async fn start(script: Script, with_tcp: bool) -> Self {
        let script = Arc::new(script);
        let counts = Arc::new(Mutex::new(HashMap::new()));
        let mut tasks = JoinSet::new();
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            // The same port may be taken for TCP: try another one.
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let other_port = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let other_address = UdpSocket::bind(("127.0.0.2", address.port())).await.unwrap();
        let sockets = [udp, other_port, other_address];
        tasks.spawn(serve_udp(sockets, Arc::clone(&script), Arc::clone(&counts)));
        if with_tcp {
            tasks.spawn(serve_tcp(tcp, script));
        }
        Self { address, counts, tasks }
    }

    /// How many datagrams came for a case.
    pub(crate) fn datagrams(&self, case: &str) -> usize {
        self.counts.lock().unwrap().get(case).copied().unwrap_or(0)
    }

    pub(crate) async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn serve_udp(sockets: [UdpSocket; 3], script: Arc<Script>, counts: Arc<Mutex<HashMap<String, usize>>>) {
    let [socket, other_port, other_address] = sockets;
    let mut buffer = [0; 2048];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        let mut ask = Ask::read(&buffer[..length]);
        let case = ask.case();
        {
            let mut counts = counts.lock().unwrap();
            let count = counts.entry(case.clone()).or_default();
            ask.before = *count;
            *count += 1;
        }
        let Some((udp, _)) = script.get(case.as_str()) else { continue };
        for packet in udp(&ask) {
            match packet {
                Packet::Reply(bytes) => socket.send_to(&bytes, from).await,
                Packet::OtherPort(bytes) => other_port.send_to(&bytes, from).await,
                Packet::OtherAddress(bytes) => other_address.send_to(&bytes, from).await,
            }
            .unwrap();
        }
    }
}

async fn serve_tcp(listener: TcpListener, script: Arc<Script>) {
    let mut connections = JoinSet::new();
    loop {
        let (connection, _) = listener.accept().await.unwrap();
        connections.spawn(speak_tcp(connection, Arc::clone(&script)));
    }
}

/// Answers one question after the other until the client or the script ends it.
async fn speak_tcp(mut connection: TcpStream, script: Arc<Script>) {
    while let Ok(length) = connection.read_u16().await {
        let mut query = vec![0; usize::from(length)];
        connection.read_exact(&mut query).await.unwrap();
        let ask = Ask::read(&query);
        let Some((_, tcp)) = script.get(ask.case().as_str()) else { return };
        let (bytes, goes_on) = match tcp(&ask) {
            Stream::Message(message) => (framed(&message), true),
            Stream::MessageAndClose(message) => (framed(&message), false),
            Stream::Raw(bytes) => (bytes, false),
            Stream::Late(after, message) => {
                tokio::time::sleep(after).await;
                (framed(&message), true)
            }
            Stream::Drip(message) => {
                for byte in framed(&message) {
                    if connection.write_all(&[byte]).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                return;
            }
        };
        if connection.write_all(&bytes).await.is_err() || !goes_on {
            return;
        }
    }
}

/// A message with its length in front.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
}

impl Ask {
    /// Reads a query. It comes from the code under test, so anything unexpected fails the test.
    pub(crate) fn read(query: &[u8]) -> Self {
        assert_eq!(query[4..6], [0, 1], "one question");
        let mut labels = Vec::new();
        let mut at = 12;
        while query[at] != 0 {
            let length = usize::from(query[at]);
            labels.push(String::from_utf8(query[at + 1..at + 1 + length].to_ascii_lowercase()).unwrap());
            at += 1 + length;
        }
        let end = at + 5;
        let edns = query[11] == 1;
        assert_eq!(query.len(), if edns { end + 11 } else { end });
        Self {
            id: u16::from_be_bytes([query[0], query[1]]),
            section: query[12..end].to_vec(),
            name: labels.join("."),
            qtype: u16::from_be_bytes([query[at + 1], query[at + 2]]),
            edns,
            unchecked: query[3] & 0x10 != 0,
            dnssec: edns && query[end + 7] & 0x80 != 0,
            before: 0,
        }
    }

    /// The label in front of the zone; empty for any other name.
    fn case(&self) -> String {
        let inside = self.name.strip_suffix(ZONE).and_then(|inside| inside.strip_suffix('.'));
        inside.and_then(|inside| inside.rsplit('.').next()).unwrap_or_default().to_owned()
    }

    /// A name below that of the case.
    pub(crate) fn below(&self, label: &str) -> String {
        format!("{label}.{}.{ZONE}", self.case())
    }

    /// A message with this header and these parts behind it.
    pub(crate) fn message(&self, flags: u16, counts: [u16; 4], parts: &[&[u8]]) -> Vec<u8> {
        let mut bytes = self.id.to_be_bytes().to_vec();
        bytes.extend(flags.to_be_bytes());
        counts.iter().for_each(|count| bytes.extend(count.to_be_bytes()));
        parts.iter().for_each(|part| bytes.extend(*part));
        bytes
    }

    /// The usual answer: QR, RD, RA, this RCODE, the question repeated, an OPT record where one was sent.
    pub(crate) fn answer(&self, rcode: u16, answers: &[Vec<u8>]) -> Vec<u8> {
        self.sections(rcode, answers, &[])
    }

    /// The usual answer with authority records as well.
    pub(crate) fn sections(&self, rcode: u16, answers: &[Vec<u8>], authorities: &[Vec<u8>]) -> Vec<u8> {
        let opt = if self.edns { opt(rcode >> 4, 0, &[]) } else { Vec::new() };
        let counts = [answers.len(), authorities.len()].map(|count| u16::try_from(count).unwrap());
        self.message(
            0x8180 | rcode & 0x0f,
            [1, counts[0], counts[1], u16::from(self.edns)],
            &[&self.section, &answers.concat(), &authorities.concat(), &opt],
        )
    }

    /// The usual answer with one TXT record at the name asked.
    pub(crate) fn found(&self) -> Vec<u8> {
        self.answer(0, &[txt(&self.name, &[RECORD])])
    }
}

/// A message with the AD bit set.
pub(crate) fn secure(mut message: Vec<u8>) -> Vec<u8> {
    message[3] |= 0x20;
    message
}

/// The text that every found record of the tests holds, unless the case is about another.
pub(crate) const RECORD: &[u8] = b"v=STSv1; id=1;";

/// A name on the wire, without compression.
pub(crate) fn name(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// A resource record.
pub(crate) fn record(owner: &str, rtype: u16, class: u16, ttl: u32, rdata: &[u8]) -> Vec<u8> {
    let mut bytes = name(owner);
    bytes.extend(rtype.to_be_bytes());
    bytes.extend(class.to_be_bytes());
    bytes.extend(ttl.to_be_bytes());
    bytes.extend(u16::try_from(rdata.len()).unwrap().to_be_bytes());
    bytes.extend(rdata);
    bytes
}

/// A TXT record of these character-strings.
pub(crate) fn txt(owner: &str, strings: &[&[u8]]) -> Vec<u8> {
    let mut rdata = Vec::new();
    for string in strings {
        rdata.push(u8::try_from(string.len()).unwrap());
        rdata.extend(*string);
    }
    record(owner, TXT, IN, 300, &rdata)
}

/// A CNAME record.
pub(crate) fn cname(owner: &str, target: &str) -> Vec<u8> {
    record(owner, CNAME, IN, 300, &name(target))
}

/// A SOA record.
pub(crate) fn soa(zone: &str) -> Vec<u8> {
    record(zone, SOA, IN, 300, &[name("ns.example"), name("hostmaster.example"), vec![0; 20]].concat())
}

/// A signature over the TXT records at a name (RFC 4034 3.1). Nobody looks at what it is worth.
pub(crate) fn rrsig(owner: &str) -> Vec<u8> {
    let fixed = [&TXT.to_be_bytes()[..], &[13, 3, 0, 0, 1, 44], &[0x70; 4], &[0x60; 4], &[0x12, 0x34]].concat();
    record(owner, RRSIG, IN, 300, &[fixed, name(ZONE), vec![0x5a; 64]].concat())
}

/// An OPT record with this upper part of the RCODE, version and options.
pub(crate) fn opt(rcode_high: u16, version: u8, options: &[u8]) -> Vec<u8> {
    let ttl = u32::from(rcode_high) << 24 | u32::from(version) << 16;
    record("", 41, 1232, ttl, options)
}

/// An EDNS option.
pub(crate) fn option(code: u16, data: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes()[..], &u16::try_from(data.len()).unwrap().to_be_bytes(), data].concat()
}
