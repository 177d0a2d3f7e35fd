//! The lab's mail servers: one port on many loopback addresses (RFC 5321, RFC 3207).
//!
//! SMTP names nobody before TLS, so what goes wrong there goes by the local address; certificates go by SNI (RFC 6066 3).

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::{Acceptor, ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;

use super::accept::accept;
use super::broken_tls;
use super::certificates::{Certificates, config};
use super::fault::SmtpFault;
use super::log::{Log, SmtpConnection};
use super::population::Population;
use super::zone::mail_certificate;
use crate::error::Error;

/// How long one connection may last: longer than any scan waits.
const LIFETIME: Duration = Duration::from_secs(120);
/// How long the end of a connection may go unnoticed.
const NOTICE: Duration = Duration::from_millis(50);
/// The longest command: four times what RFC 5321 4.5.3.1.4 grants.
const COMMAND_MAX: usize = 2_048;
/// How often a dripping server sends a byte.
const DRIP: Duration = Duration::from_secs(1);
/// The most that an endless reply sends: far beyond every bound of a scan, and an end for a client without one.
const ENDLESS: usize = 16 << 20;
/// What a mail server that nobody has named yet calls itself.
const NAME: &str = "mail.lab.test";
/// Commands that no scan may send: they begin mail, ask for mailboxes or show a password.
const FORBIDDEN: [&str; 9] = ["MAIL", "RCPT", "DATA", "BDAT", "VRFY", "EXPN", "AUTH", "TURN", "ETRN"];

/// What all mail servers share.
pub(super) struct Mail {
    log: Arc<Log>,
    tls: Arc<ServerConfig>,
    /// How often an address was connected to that is bad only at first.
    flaky: Mutex<HashMap<IpAddr, u16>>,
}

/// The certificates of mail servers, by SNI.
#[derive(Debug)]
struct MailCertificates {
    population: Arc<Population>,
    certificates: Arc<Certificates>,
}

impl ResolvesServerCert for MailCertificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?.to_ascii_lowercase();
        self.certificates.of(&name, mail_certificate(&self.population, &name)?)
    }
}

impl Mail {
    pub(super) fn new(
        population: Arc<Population>,
        certificates: Arc<Certificates>,
        log: Arc<Log>,
    ) -> Result<Self, Error> {
        let tls = config(Arc::new(MailCertificates { population, certificates }), &[])?;
        Ok(Self { log, tls, flaky: Mutex::new(HashMap::new()) })
    }

    /// Whether this connection is one of the first so many at its address.
    fn is_early(&self, address: IpAddr, times: u16) -> bool {
        // A panic while the lock was held can only have miscounted.
        let mut flaky = self.flaky.lock().unwrap_or_else(PoisonError::into_inner);
        let count = flaky.entry(address).or_default();
        *count = count.saturating_add(1);
        *count <= times
    }
}

/// Accepts at one address until told to stop. With a fault, every conversation has it.
pub(super) async fn serve(
    listener: TcpListener,
    fault: Option<SmtpFault>,
    mail: Arc<Mail>,
    stop: watch::Receiver<bool>,
) {
    accept(listener, stop, |stream, address| {
        attend(stream, fault, mail.log.smtp_connection(address), Arc::clone(&mail))
    })
    .await;
}

/// One connection, counted as long as it lasts.
async fn attend(stream: TcpStream, fault: Option<SmtpFault>, connection: SmtpConnection, mail: Arc<Mail>) {
    if connection.is_record() {
        // The end of another may not have been noticed yet.
        tokio::time::sleep(NOTICE).await;
        connection.count();
    }
    let server = Server { fault, mail: &mail, address: connection.address };
    // A peer that goes away ends the conversation, which is all that an error here says.
    let _ = timeout(LIFETIME, server.talk(stream)).await;
}

/// How a conversation goes on behind a command.
enum Next {
    /// A reply, and the next command.
    Reply(String),
    /// A reply, and the end.
    Last(String),
    /// Lines for ever.
    Flood(&'static str),
    Silence,
    StartTls,
}

/// One mail server in one conversation.
struct Server<'a> {
    fault: Option<SmtpFault>,
    mail: &'a Mail,
    address: IpAddr,
}

impl Server<'_> {
    async fn talk(&self, mut stream: TcpStream) -> io::Result<()> {
        if !self.greet(&mut stream).await? {
            return Ok(());
        }
        let host = self.address.to_string();
        if !self.commands(&mut stream, &host, false).await? {
            return Ok(());
        }
        if let Some(SmtpFault::Tls(fault)) = self.fault {
            return broken_tls::serve(stream, fault).await;
        }
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let host = start.client_hello().server_name().unwrap_or("-").to_ascii_lowercase();
        self.mail.log.smtp_tls(&host, self.address);
        let mut stream = start.into_stream(Arc::clone(&self.mail.tls)).await?;
        self.commands(&mut stream, &host, true).await?;
        stream.shutdown().await
    }

    /// Greets. Says whether the conversation goes on.
    async fn greet(&self, stream: &mut TcpStream) -> io::Result<bool> {
        let Some(fault) = self.fault else {
            return self.open(stream, format!("220 {NAME} ESMTP\r\n").as_bytes()).await;
        };
        match fault {
            SmtpFault::Delay(ms) => tokio::time::sleep(Duration::from_millis(u64::from(ms))).await,
            SmtpFault::BannerSilence(_) => return until_closed(stream).await.map(|()| false),
            SmtpFault::BannerDrip => {
                for byte in b"220 a greeting that takes its time \x2e".iter().cycle() {
                    stream.write_all(&[*byte]).await?;
                    tokio::time::sleep(DRIP).await;
                }
            }
            SmtpFault::BannerFlood => endless(stream, b"220-mail.lab.test and there is more to say\r\n").await?,
            SmtpFault::BannerEndlessLine => {
                stream.write_all(b"220 ").await?;
                endless(stream, b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").await?;
            }
            SmtpFault::CloseOnConnect => return Ok(false),
            SmtpFault::Reset => {
                // The client has to see that it is connected before it sees the reset.
                tokio::time::sleep(NOTICE).await;
                return stream.set_zero_linger().map(|()| false);
            }
            _ => {}
        }
        let flaky = matches!(fault, SmtpFault::Flaky(times) if self.mail.is_early(self.address, times));
        let greeting: &[u8] = match fault {
            SmtpFault::BannerBytes => b"220 mail.lab.test \x00\x1b[31m gr\xfc\xdfe ESMTP\r\n",
            SmtpFault::BannerBareLf => b"220 mail.lab.test ESMTP\n",
            SmtpFault::BannerMultiline => b"220-mail.lab.test ESMTP\r\n220-no unsolicited mail\r\n220 please\r\n",
            SmtpFault::CodeChanges => b"220-mail.lab.test ESMTP\r\n554 no service\r\n",
            SmtpFault::NotSmtpHttp => b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            SmtpFault::NotSmtpSsh => b"SSH-2.0-OpenSSH_9.6\r\n",
            // A fatal alert, handshake_failure: what a TLS server says that has waited too long (RFC 8446 6.2).
            SmtpFault::TlsFirst => b"\x15\x03\x03\x00\x02\x02\x28",
            SmtpFault::Early => b"220 mail.lab.test ESMTP\r\n250-mail.lab.test\r\n250 STARTTLS\r\n",
            SmtpFault::Banner(421) => b"421 mail.lab.test closing\r\n",
            SmtpFault::Banner(code) => return self.open(stream, format!("{code} {NAME}\r\n").as_bytes()).await,
            _ if flaky => b"421 mail.lab.test too busy\r\n",
            _ => b"220 mail.lab.test ESMTP\r\n",
        };
        let ends = flaky
            || matches!(
                fault,
                SmtpFault::NotSmtpHttp | SmtpFault::NotSmtpSsh | SmtpFault::TlsFirst | SmtpFault::Banner(421)
            );
        self.open(stream, greeting).await?;
        if ends {
            linger(stream).await?;
        }
        Ok(!ends)
    }

    /// Sends the greeting; a client that talked before it has broken RFC 5321 3.1.
    async fn open(&self, stream: &mut TcpStream, greeting: &[u8]) -> io::Result<bool> {
        if let Ok(Ok(1..)) = timeout(Duration::ZERO, stream.peek(&mut [0])).await {
            self.mail.log.smtp_violation(self.address, "talks before the greeting");
        }
        stream.write_all(greeting).await?;
        Ok(true)
    }

    /// Answers commands until the client quits or TLS begins. Says whether it does.
    async fn commands<S>(&self, stream: &mut S, host: &str, secure: bool) -> io::Result<bool>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut commands = Commands::default();
        while let Some(command) = commands.next(stream).await? {
            let verb = command.split(' ').next().unwrap_or("").to_ascii_uppercase();
            self.mail.log.smtp_command(host, &verb);
            if FORBIDDEN.contains(&verb.as_str()) {
                self.mail.log.smtp_violation(self.address, &verb);
            }
            match if secure { self.reply_within_tls(&verb) } else { self.reply(&verb) } {
                Next::Reply(reply) => send(stream, reply.as_bytes()).await?,
                Next::Last(reply) => {
                    send(stream, reply.as_bytes()).await?;
                    return Ok(false);
                }
                Next::Flood(line) => return endless(stream, line.as_bytes()).await.map(|()| false),
                Next::Silence => return until_closed(stream).await.map(|()| false),
                Next::StartTls => {
                    let reply: &[u8] = match self.fault {
                        Some(SmtpFault::Injection) => b"220 ready\r\n250 said in the clear\r\n",
                        _ => b"220 ready\r\n",
                    };
                    send(stream, reply).await?;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// What happens to a command before TLS.
    fn reply(&self, verb: &str) -> Next {
        let fault = self.fault;
        let line = |text: &str| Next::Reply(format!("{text}\r\n"));
        match (verb, fault) {
            ("QUIT", _) => Next::Last("221 bye\r\n".to_owned()),
            (_, Some(SmtpFault::Banner(_))) => line("503 no service"),
            // It has been said with the greeting.
            ("EHLO", Some(SmtpFault::Early)) => Next::Reply(String::new()),
            ("EHLO", Some(SmtpFault::EhloSilence)) => Next::Silence,
            ("EHLO", Some(SmtpFault::EhloClose)) => Next::Last(String::new()),
            ("EHLO", Some(SmtpFault::EhloFlood)) => Next::Flood("250-X-KEYWORD\r\n"),
            ("EHLO", Some(SmtpFault::EhloRefused)) => line("502 command not implemented"),
            ("EHLO" | "HELO", Some(SmtpFault::EhloHeloRefused(code))) => line(&format!("{code} not you")),
            ("EHLO", Some(SmtpFault::NoStarttls)) => Next::Reply(hello(None)),
            ("EHLO", Some(SmtpFault::LowerCase)) => Next::Reply(hello(Some("starttls"))),
            ("EHLO", _) => Next::Reply(hello(Some("STARTTLS"))),
            ("HELO", _) => line(&format!("250 {NAME}")),
            ("STARTTLS", Some(SmtpFault::NoStarttls | SmtpFault::EhloRefused)) => line("502 command not implemented"),
            ("STARTTLS", Some(SmtpFault::StarttlsRefused(code))) => line(&format!("{code} TLS not available")),
            ("STARTTLS", Some(SmtpFault::StarttlsFlaky(times))) if self.mail.is_early(self.address, times) => {
                line("454 TLS not available due to temporary reason")
            }
            ("STARTTLS", Some(SmtpFault::StarttlsClose)) => Next::Last(String::new()),
            ("STARTTLS", Some(SmtpFault::StarttlsSilence)) => Next::Silence,
            ("STARTTLS", _) => Next::StartTls,
            _ => other(verb),
        }
    }

    /// What happens to a command within TLS.
    fn reply_within_tls(&self, verb: &str) -> Next {
        match (verb, self.fault) {
            ("QUIT", _) => Next::Last("221 bye\r\n".to_owned()),
            ("EHLO", Some(SmtpFault::FailsWithinTls)) => Next::Reply("554 no service\r\n".to_owned()),
            ("EHLO", Some(SmtpFault::ClosesWithinTls)) => Next::Last(String::new()),
            ("EHLO", Some(SmtpFault::StarttlsAgain)) => Next::Reply(hello(Some("STARTTLS"))),
            ("EHLO", _) => Next::Reply(hello(None)),
            _ => other(verb),
        }
    }
}

/// What every server says to a command, wherever it comes.
fn other(verb: &str) -> Next {
    Next::Reply(match verb {
        "NOOP" | "RSET" => "250 done\r\n".to_owned(),
        "HELO" => format!("250 {NAME}\r\n"),
        // Whoever begins with mail is told off, and stands in the log.
        verb if FORBIDDEN.contains(&verb) => "550 no mail here\r\n".to_owned(),
        _ => "500 unknown command\r\n".to_owned(),
    })
}

/// The reply to EHLO (RFC 5321 4.1.1.1), with the keyword of STARTTLS as it is written.
fn hello(starttls: Option<&str>) -> String {
    let starttls = starttls.map_or(String::new(), |keyword| format!("250-{keyword}\r\n"));
    format!("250-{NAME}\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n{starttls}250 8BITMIME\r\n")
}

/// Commands as they come, line by line.
#[derive(Default)]
struct Commands {
    buffer: Vec<u8>,
}

impl Commands {
    /// The next command without its end; none where the client ended, or sent what is no command.
    async fn next(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()));
            }
            let mut bytes = [0; 512];
            let length = stream.read(&mut bytes).await?;
            if length == 0 || self.buffer.len() > COMMAND_MAX {
                return Ok(None);
            }
            self.buffer.extend_from_slice(&bytes[..length]);
        }
    }
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Sends the same bytes until the client has had enough.
async fn endless(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    let block = bytes.repeat(64);
    for _ in 0..ENDLESS / block.len() {
        stream.write_all(&block).await?;
    }
    Ok(())
}

/// Ends our side and waits for the client's: closing over bytes that nobody read would be a reset.
async fn linger(stream: &mut TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    until_closed(stream).await
}

/// Reads and says nothing until the client has closed.
async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut rest = [0; 512];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}
