//! DNS over TCP and over TLS: one question at a time on a connection, and a few connections kept for the next
//! (RFC 7766, RFC 7858).

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_rustls::TlsConnector;

use super::message::{self, Decoded, Received};
use super::question::{Query, Question};
use super::trouble::Trouble;

/// Connections kept open for the next question (RFC 7766 6.2.2 asks for few).
const IDLE_MAX: usize = 16;

/// Connections at a time to one resolver; more wait for one. Resolvers serve a few hundred clients by TCP, all told.
const OPEN_MAX: usize = 64;

/// A TCP connection, or TLS over it.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}
type Connection = Box<dyn Duplex>;

/// How to authenticate a resolver by TLS.
pub(super) struct Authentication {
    /// The trusted roots.
    pub(super) config: Arc<rustls::ClientConfig>,
    /// The name or address that its certificate must carry (RFC 8310 8.1).
    pub(super) name: ServerName<'static>,
}

/// The connections to one resolver.
pub(super) struct Connections {
    to: SocketAddr,
    tls: Option<Authentication>,
    idle: Mutex<Vec<Connection>>,
    open: Semaphore,
}

impl Connections {
    pub(super) fn new(to: SocketAddr, tls: Option<Authentication>) -> Self {
        Self { to, tls, idle: Mutex::default(), open: Semaphore::new(OPEN_MAX) }
    }

    /// Waits for leave to have a connection, which is due for each question.
    pub(super) async fn seat(&self) -> SemaphorePermit<'_> {
        self.open.acquire().await.expect("the semaphore is never closed")
    }

    /// Asks one question, on a connection that is open already if there is one.
    pub(super) async fn ask(&self, question: &Question, edns: bool, wait: Duration) -> Result<Decoded, Trouble> {
        let slow = if self.tls.is_some() { Trouble::Timeout } else { Trouble::TcpTimeout };
        let exchange = self.exchange(Query::stream(question, edns));
        tokio::time::timeout(wait, exchange).await.map_err(|_| slow)?
    }

    /// Closes the connections that are kept.
    pub(super) fn close(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    async fn exchange(&self, query: Query) -> Result<Decoded, Trouble> {
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(connection) = kept
            && let Ok(decoded) = self.speak(connection, &query).await
        {
            return Ok(decoded);
        }
        // RFC 7766 6.2.4: a server may close an idle connection at any time; that is no failure, so connect anew, at once.
        let connection = self.connect().await?;
        self.speak(connection, &query).await
    }

    async fn connect(&self) -> Result<Connection, Trouble> {
        let tcp = TcpStream::connect(self.to).await.map_err(|error| self.trouble(&error))?;
        // One small write, one answer: waiting for more to send only delays it. A failure to set this costs time alone.
        let _ = tcp.set_nodelay(true);
        let Some(tls) = &self.tls else { return Ok(Box::new(tcp)) };
        let connector = TlsConnector::from(Arc::clone(&tls.config));
        let stream = connector.connect(tls.name.clone(), tcp).await;
        Ok(Box::new(stream.map_err(|error| Trouble::Transport(error.to_string()))?))
    }

    /// Asks on one connection, and keeps it if it served.
    async fn speak(&self, mut connection: Connection, query: &Query) -> Result<Decoded, Trouble> {
        let packet = transfer(&mut connection, query).await.map_err(|error| self.trouble(&error))?;
        match message::receive(&packet, query) {
            Received::Answer(decoded) => {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                if idle.len() < IDLE_MAX {
                    idle.push(connection);
                }
                Ok(*decoded)
            }
            Received::Truncated => Err(Trouble::Truncated),
            // On a connection of our own nobody else speaks: what is not the answer is rubbish.
            Received::Foreign | Received::Malformed | Received::CaseChanged => Err(Trouble::Malformed),
        }
    }

    fn trouble(&self, error: &io::Error) -> Trouble {
        match Trouble::of_stream(error) {
            Trouble::Pressure => Trouble::Pressure,
            _ if self.tls.is_some() => Trouble::Transport(error.to_string()),
            trouble => trouble,
        }
    }
}

/// Sends a query and reads one message (RFC 1035 4.2.2: two octets of length in front of each).
async fn transfer(connection: &mut Connection, query: &Query) -> io::Result<Vec<u8>> {
    let length = u16::try_from(query.bytes().len()).expect("a query has at most 282 octets");
    // In one segment (RFC 7766 8).
    let framed = [&length.to_be_bytes()[..], query.bytes()].concat();
    connection.write_all(&framed).await?;
    connection.flush().await?;
    let mut packet = vec![0; usize::from(connection.read_u16().await?)];
    connection.read_exact(&mut packet).await?;
    Ok(packet)
}
