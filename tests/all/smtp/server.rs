//! A mail server that follows a script and records every byte that it is sent.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::fetch::server::{LIFE, Script, Server, Then};

/// How long the server listens before it greets: a client that spoke first would have spoken by then.
const BEFORE: Duration = Duration::from_millis(20);

/// What the server does next.
#[derive(Clone)]
pub(crate) enum Step {
    /// Sends bytes in one piece.
    Say(Vec<u8>),
    /// Reads a command.
    Hear,
    /// Reads what comes in one piece, and does not record it: a ClientHello.
    Skip,
    /// Shakes hands.
    Tls(Arc<ServerConfig>),
    /// Sends KeyUpdate for ever (RFC 8446 4.6.3).
    KeyUpdates,
    /// Sends a line that does not end, a record of TLS for each byte.
    Crumbs,
    /// Does this and nothing more.
    Play(Script),
}

pub(crate) fn say(text: impl AsRef<[u8]>) -> Step {
    Step::Say(text.as_ref().to_vec())
}

/// What a server was sent in one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    /// Before the greeting.
    pub(crate) early: Vec<u8>,
    /// The commands, without their ends; `*` for a TLS handshake.
    lines_and_handshakes: Vec<String>,
    pub(crate) lines: Vec<String>,
    pub(crate) sni: Option<String>,
    pub(crate) alpn: Option<Vec<u8>>,
}

impl Record {
    /// What was said, a word a command.
    pub(crate) fn says(&self) -> String {
        let words = self.lines_and_handshakes.iter().map(|line| line.split(' ').next().unwrap());
        words.collect::<Vec<_>>().join(" ")
    }

    fn note(&mut self, line: &[u8]) {
        let line = String::from_utf8(line.to_vec()).unwrap();
        let line = line.strip_suffix("\r\n").unwrap_or_else(|| panic!("a command ends with CR LF: {line:?}"));
        self.lines_and_handshakes.push(line.to_owned());
        self.lines.push(line.to_owned());
    }
}

/// A server on loopback that plays one script to each connection.
pub(crate) struct MailServer {
    pub(crate) address: SocketAddr,
    server: Server,
    record: Arc<Mutex<Record>>,
    open: Arc<AtomicUsize>,
}

/// Either side of the handshake.
enum Stream {
    Clear(TcpStream),
    Secure(Box<tokio_rustls::server::TlsStream<TcpStream>>),
}

trait Both: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}

impl Stream {
    fn any(&mut self) -> &mut dyn Both {
        match self {
            Self::Clear(stream) => stream,
            Self::Secure(stream) => stream,
        }
    }
}

impl MailServer {
    pub(crate) async fn start(steps: Vec<Step>) -> Self {
        Self::start_at(IpAddr::V4(Ipv4Addr::LOCALHOST), 0, steps).await
    }

    pub(crate) async fn start_at(ip: IpAddr, port: u16, steps: Vec<Step>) -> Self {
        let (record, open): (Arc<Mutex<Record>>, Arc<AtomicUsize>) = Default::default();
        let (record_too, open_too) = (Arc::clone(&record), Arc::clone(&open));
        let server = Server::start(ip, port, move |stream| {
            let (steps, record, open) = (steps.clone(), Arc::clone(&record_too), Arc::clone(&open_too));
            async move {
                open.fetch_add(1, Ordering::SeqCst);
                // What goes wrong here is the client's hanging up, which is what many scripts are about.
                let _ = timeout(LIFE, serve(stream, &steps, &record)).await;
                open.fetch_sub(1, Ordering::SeqCst);
            }
        })
        .await;
        Self { address: server.address, server, record, open }
    }

    pub(crate) fn accepted(&self) -> usize {
        self.server.accepted()
    }

    /// What was sent so far.
    pub(crate) fn record(&self) -> Record {
        self.record.lock().unwrap().clone()
    }

    /// Waits a little for the last words of the client, and gives what was sent.
    pub(crate) async fn stop(self) -> Record {
        for _ in 0..200 {
            if self.open.load(Ordering::SeqCst) == 0 {
                break;
            }
            sleep(Duration::from_millis(5)).await;
        }
        self.record()
    }
}

async fn serve(stream: TcpStream, steps: &[Step], record: &Mutex<Record>) -> io::Result<()> {
    let mut early = [0; 512];
    if let Ok(Ok(read)) = timeout(BEFORE, stream.peek(&mut early)).await {
        record.lock().unwrap().early = early[..read].to_vec();
    }
    let mut stream = Stream::Clear(stream);
    for step in steps {
        match step {
            Step::Say(bytes) => {
                stream.any().write_all(bytes).await?;
                stream.any().flush().await?;
            }
            Step::Hear => {
                if !hear(stream.any(), record).await? {
                    return Ok(());
                }
            }
            Step::Skip => {
                let _ = stream.any().read(&mut [0; 4096]).await?;
            }
            Step::Tls(config) => {
                let Stream::Clear(clear) = stream else { panic!("one handshake a script") };
                let secure = TlsAcceptor::from(Arc::clone(config)).accept(clear).await?;
                let mut record = record.lock().unwrap();
                record.lines_and_handshakes.push("*".to_owned());
                record.sni = secure.get_ref().1.server_name().map(str::to_owned);
                record.alpn = secure.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
                stream = Stream::Secure(Box::new(secure));
            }
            Step::KeyUpdates => {
                let Stream::Secure(secure) = &mut stream else { panic!("KeyUpdate is a message of TLS") };
                loop {
                    secure.get_mut().1.refresh_traffic_keys().map_err(io::Error::other)?;
                    secure.flush().await?;
                }
            }
            Step::Crumbs => {
                stream.any().write_all(b"250 ").await?;
                loop {
                    stream.any().write_all(b"x").await?;
                    stream.any().flush().await?;
                }
            }
            Step::Play(script) => {
                script.play(&mut stream.any()).await?;
                return end(stream, script.then, record).await;
            }
        }
    }
    // Whatever else the client says is answered like a farewell.
    while hear(stream.any(), record).await? {
        stream.any().write_all(b"221 bye\r\n").await?;
        stream.any().flush().await?;
    }
    Ok(())
}

/// Ends a connection in the given way.
async fn end(stream: Stream, then: Then, record: &Mutex<Record>) -> io::Result<()> {
    let mut stream = match stream {
        Stream::Secure(secure) if matches!(then, Then::Drop | Then::Reset) => Stream::Clear(secure.into_inner().0),
        stream => stream,
    };
    if then == Then::Reset {
        if let Stream::Clear(clear) = stream {
            crate::fetch::server::finish(clear, then);
        }
        return Ok(());
    }
    // FIN, in TLS behind a close_notify; then until the client is gone: it may still be speaking.
    stream.any().shutdown().await?;
    while hear(stream.any(), record).await? {}
    Ok(())
}

/// Reads and records one command, byte by byte, so that what stands behind it stays where it is. False at the end.
async fn hear(stream: &mut dyn Both, record: &Mutex<Record>) -> io::Result<bool> {
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            assert!(line.is_empty(), "half a command: {line:?}");
            return Ok(false);
        }
        line.push(byte[0]);
        if byte[0] == b'\n' {
            record.lock().unwrap().note(&line);
            return Ok(true);
        }
    }
}
