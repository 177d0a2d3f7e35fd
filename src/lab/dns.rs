//! The lab's resolver: UDP and TCP on one port (RFC 1035 4.2), with the faults of the worlds.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::accept::accept;
use super::fault::DnsFault;
use super::log::Log;
use super::wire::{Answer, CLASS_CH, CLASS_IN, HEADER, Message, Question, flag, push_name, signature};
use super::world::rtype;
use super::zone::{NXDOMAIN, Zones};

/// SERVFAIL (RFC 1035 4.1.1).
const SERVFAIL: u16 = 2;
/// The largest datagram that a question may be: what EDNS lets us read is more than any question needs.
const DATAGRAM_MAX: usize = 4096;
/// Datagrams read before other tasks get a turn.
const BURST: usize = 64;
/// Answers that wait for their time, at once; more are dropped as by a busy server.
const DELAYED_MAX: usize = 10_000;
/// Names with a fault that ends after some questions; one counter each.
const FLAKY_MAX: usize = 1_000_000;
/// How long a connection may be idle (RFC 7766 6.2.3 suggests seconds).
const IDLE: Duration = Duration::from_secs(10);
/// How long a silent connection is held open: longer than any scan waits.
const SILENCE: Duration = Duration::from_secs(60);

/// What happens to a question.
enum Reaction {
    Nothing,
    Send(Vec<u8>),
    Later(Duration, Vec<u8>),
    /// TCP: sent and closed.
    SendAndClose(Vec<u8>),
    /// TCP: kept open and silent.
    Silence,
}

/// Answers questions over UDP until told to stop.
pub(super) async fn serve_udp(socket: UdpSocket, zones: Arc<Zones>, log: Arc<Log>, mut stop: watch::Receiver<bool>) {
    let socket = Arc::new(socket);
    let mut flaky = HashMap::new();
    let mut delayed = JoinSet::new();
    let mut datagram = vec![0; DATAGRAM_MAX];
    loop {
        tokio::select! {
            _ = stop.changed() => break,
            Some(_) = delayed.join_next() => {}
            ready = socket.readable() => {
                if ready.is_err() {
                    break;
                }
                for _ in 0..BURST {
                    // WouldBlock ends the burst; what else recv reports is about an earlier answer and says nothing here.
                    let Ok((length, from)) = socket.try_recv_from(&mut datagram) else { break };
                    let Some(question) = Question::read(&datagram[..length]) else { continue };
                    log.dns_udp(&question.name, question.rtype);
                    match react(&zones, &question, false, &mut flaky) {
                        Reaction::Send(answer) | Reaction::SendAndClose(answer) => send(&socket, &answer, from).await,
                        Reaction::Later(wait, answer) if delayed.len() < DELAYED_MAX => {
                            let socket = Arc::clone(&socket);
                            delayed.spawn(async move {
                                tokio::time::sleep(wait).await;
                                send(&socket, &answer, from).await;
                            });
                        }
                        Reaction::Later(..) | Reaction::Nothing | Reaction::Silence => {}
                    }
                }
            }
        }
    }
    delayed.shutdown().await;
}

/// Sends one answer. A lost answer is what UDP is about.
async fn send(socket: &UdpSocket, answer: &[u8], to: SocketAddr) {
    if socket.try_send_to(answer, to).is_err() {
        let _ = socket.send_to(answer, to).await;
    }
}

/// Answers questions over TCP until told to stop.
pub(super) async fn serve_tcp(listener: TcpListener, zones: Arc<Zones>, log: Arc<Log>, stop: watch::Receiver<bool>) {
    accept(listener, stop, |stream, _| talk(stream, Arc::clone(&zones), Arc::clone(&log))).await;
}

/// One connection: questions, each behind its length (RFC 1035 4.2.2).
async fn talk(mut stream: TcpStream, zones: Arc<Zones>, log: Arc<Log>) {
    let mut flaky = HashMap::new();
    loop {
        let Ok(Ok(length)) = timeout(IDLE, stream.read_u16()).await else { return };
        let mut message = vec![0; usize::from(length)];
        let Ok(Ok(_)) = timeout(IDLE, stream.read_exact(&mut message)).await else { return };
        let Some(question) = Question::read(&message) else { return };
        log.dns_tcp(&question.name, question.rtype);
        let (answer, close) = match react(&zones, &question, true, &mut flaky) {
            Reaction::Nothing => return,
            Reaction::Silence => return tokio::time::sleep(SILENCE).await,
            Reaction::Send(answer) => (answer, false),
            Reaction::SendAndClose(answer) => (answer, true),
            Reaction::Later(wait, answer) => {
                tokio::time::sleep(wait).await;
                (answer, false)
            }
        };
        // The answer was framed by `react` only in its length, which TCP carries before it.
        let framed = [&u16::try_from(answer.len()).unwrap_or(u16::MAX).to_be_bytes()[..], &answer].concat();
        let sent = if close { &framed[..framed.len() / 2] } else { &framed[..] };
        if stream.write_all(sent).await.is_err() || close {
            return;
        }
    }
}

/// Decides what happens to a question.
fn react(zones: &Zones, question: &Question, tcp: bool, flaky: &mut HashMap<(u32, String), u32>) -> Reaction {
    let (reply, owner) = zones.answer(&question.name, question.rtype);
    let mut message = Message {
        id: question.id,
        flags: flag::QR | flag::RA | (question.flags & flag::RD),
        rcode: reply.rcode,
        question: question.section.clone(),
        name: question.name.clone(),
        answers: reply.answers,
        authority: Vec::new(),
        opts: u8::from(question.edns),
        option_bytes: 0,
        extended_error: None,
    };
    // AD is given to those who ask for it or for DNSSEC (RFC 6840 5.8).
    if reply.secure && (question.dnssec || question.flags & flag::AD != 0) {
        message.flags |= flag::AD;
    }
    let fault = owner.as_ref().and_then(|owner| owner.fault);
    let cut_off = |mut message: Message| {
        message.answers.clear();
        message.flags |= flag::TC;
        Reaction::Send(message.write())
    };
    match fault {
        None => {}
        Some(DnsFault::Drop) => return if tcp { Reaction::Silence } else { Reaction::Nothing },
        Some(DnsFault::Truncate) if !tcp => return cut_off(message),
        Some(DnsFault::TruncateTwice) => return cut_off(message),
        Some(DnsFault::TruncateClose) => return if tcp { Reaction::Nothing } else { cut_off(message) },
        Some(DnsFault::TruncateSilent) => return if tcp { Reaction::Silence } else { cut_off(message) },
        Some(DnsFault::TruncateHalf) if tcp => return Reaction::SendAndClose(message.write()),
        Some(DnsFault::TruncateHalf) => return cut_off(message),
        Some(DnsFault::Delay(ms)) => return Reaction::Later(Duration::from_millis(*ms), message.write()),
        Some(DnsFault::Flaky(times)) => {
            let number = owner.as_ref().map_or(0, |owner| owner.number);
            if flaky.len() < FLAKY_MAX {
                let asked = flaky.entry((number, question.name.clone())).or_insert(0);
                *asked += 1;
                if *asked <= *times && !tcp {
                    message.answers.clear();
                    message.flags &= !flag::AD;
                    message.rcode = SERVFAIL;
                }
            }
        }
        Some(DnsFault::Case) if tcp => {}
        Some(DnsFault::Bogus(extended_error)) => {
            // What fails validation is authentic to nobody.
            message.flags &= !flag::AD;
            if question.flags & flag::CD == 0 {
                message.answers.clear();
                message.rcode = SERVFAIL;
                message.extended_error = *extended_error;
            } else if question.dnssec {
                // Only what is signed fails validation: whoever asks for signatures sees one (RFC 4035 3.2.1).
                let signed = signature(&question.name, question.rtype);
                let section = if message.answers.is_empty() { &mut message.authority } else { &mut message.answers };
                section.push(signed);
            }
        }
        Some(fault) => return Reaction::Send(faulty(fault, message, question)),
    }
    let bytes = message.write();
    if !tcp && bytes.len() > usize::from(question.size) { cut_off(message) } else { Reaction::Send(bytes) }
}

/// The bytes of an answer that breaks a rule.
fn faulty(fault: &DnsFault, mut message: Message, question: &Question) -> Vec<u8> {
    match fault {
        DnsFault::Rcode(rcode) => {
            message.flags &= !flag::AD;
            message.rcode = *rcode;
            message.answers.clear();
            message.opts = message.opts.max(u8::from(*rcode > 15));
        }
        DnsFault::WrongId => message.id ^= 0x5555,
        DnsFault::WrongQuestion => {
            message.question = Vec::new();
            push_name(&mut message.question, "another.lab.test");
            message.question.extend_from_slice(&[0, 16, 0, 1]);
        }
        DnsFault::NoQuestion => message.question.clear(),
        DnsFault::UnrelatedOwner => {
            for answer in &mut message.answers {
                answer.owner = "another.lab.test".to_owned();
            }
        }
        DnsFault::UnrelatedType => {
            message.answers = vec![Answer {
                owner: question.name.clone(),
                rtype: rtype::A,
                class: CLASS_IN,
                ttl: 300,
                data: vec![127, 10, 0, 1],
            }];
        }
        DnsFault::Referral => {
            // NS records in the authority section and nothing else (RFC 2308 2.2).
            let mut data = Vec::new();
            push_name(&mut data, "ns.lab.test");
            let owner = question.name.rsplit('.').next().unwrap_or("").to_owned();
            message.answers.clear();
            message.authority = vec![Answer { owner, rtype: rtype::NS, class: CLASS_IN, ttl: 300, data }];
        }
        DnsFault::NxdomainWithAnswer => message.rcode = NXDOMAIN,
        DnsFault::ClassChaos => {
            for answer in &mut message.answers {
                answer.class = CLASS_CH;
            }
        }
        DnsFault::TwoOpts => message.opts = 2,
        DnsFault::FormerrOnEdns if question.edns => {
            message.rcode = 1;
            message.answers.clear();
            message.opts = 0;
        }
        DnsFault::BigOption if question.edns => message.option_bytes = 500,
        DnsFault::EmptyRdata => {
            for answer in &mut message.answers {
                answer.data.clear();
            }
        }
        DnsFault::Case => {
            for byte in &mut message.question {
                if byte.is_ascii_alphabetic() {
                    *byte ^= 0x20;
                }
            }
        }
        _ => {}
    }
    let mut bytes = message.write();
    let answers_at = HEADER + message.question.len();
    match fault {
        DnsFault::Garbage => {
            bytes.truncate(answers_at);
            bytes.extend((0..64_u8).map(|n| n.wrapping_mul(0x9d) | 0xc1));
        }
        DnsFault::Cut => bytes.truncate(answers_at + 15),
        DnsFault::AnswerCount => bytes[6..8].copy_from_slice(&[0xff, 0xff]),
        DnsFault::PointerLoop => {
            let at = u16::try_from(answers_at).unwrap_or(0) | 0xc000;
            bytes[answers_at..answers_at + 2].copy_from_slice(&at.to_be_bytes());
        }
        DnsFault::Trailing => bytes.extend_from_slice(b"bytes behind the end"),
        _ => {}
    }
    bytes
}
