//! One HTTP exchange (RFC 9112, RFC 9113): a request, and as much of the answer as counts.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION};
use hyper::{Request, Version};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};

use crate::sts::serve::{BODY_MAX, Response};

/// Bytes of headers that are read (HOSTILE.md 95): four times what common servers accept themselves. Also the size of
/// hyper's read buffer.
const HEAD_MAX: usize = 32 * 1024;
/// The same for HTTP/2, counted after HPACK (HOSTILE.md 112).
const HEAD_MAX_HTTP2: u32 = 16 * 1024;
/// Bytes that an HTTP/2 peer may send before we read: a body and the byte that makes it too long fit.
const WINDOW: u32 = 2 * 64 * 1024;
/// Bytes of a `Location` that are kept.
const LOCATION_KEPT: usize = 2048;

/// The part of an exchange that something ended in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// From the request to the end of the headers.
    Head,
    /// The body.
    Body,
}

impl Part {
    /// The stable lower-case word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Body => "body",
        }
    }
}

/// Why an exchange stopped early.
#[derive(Debug)]
pub(super) enum End {
    /// The deadline came.
    Late(Part),
    /// The connection or the protocol broke.
    Broken(Part, hyper::Error),
}

/// What was seen of an exchange.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The version of HTTP of the answer.
    pub(super) version: Option<&'static str>,
    /// The answer, with the body as far as it came.
    pub(super) response: Option<Response>,
    /// Why it stopped early.
    pub(super) end: Option<End>,
}

/// Sends a request and reads the answer, until the deadline.
pub(super) async fn exchange<S>(stream: S, http2: bool, request: Request<Empty<Bytes>>, deadline: Instant) -> Seen
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut seen = Seen::default();
    let asked = async {
        if http2 { ask_http2(stream, request, &mut seen).await } else { ask_http1(stream, request, &mut seen).await }
    };
    let end = timeout_at(deadline, asked).await;
    seen.end = match end {
        Ok(Ok(())) => None,
        Ok(Err((part, error))) => Some(End::Broken(part, error)),
        Err(_) => Some(End::Late(if seen.response.is_some() { Part::Body } else { Part::Head })),
    };
    seen
}

/// Where an exchange broke, and how.
type Broken = (Part, hyper::Error);

async fn ask_http1<S>(stream: S, request: Request<Empty<Bytes>>, seen: &mut Seen) -> Result<(), Broken>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_MAX);
    let (mut sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(|error| (Part::Head, error))?;
    drive(connection, read(sender.send_request(request), seen)).await
}

async fn ask_http2<S>(stream: S, request: Request<Empty<Bytes>>, seen: &mut Seen) -> Result<(), Broken>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut tasks = Tasks::default();
    let mut builder = http2::Builder::new(tasks.executor());
    builder.max_header_list_size(HEAD_MAX_HTTP2);
    builder.initial_stream_window_size(WINDOW);
    builder.initial_connection_window_size(WINDOW);
    let (mut sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(|error| (Part::Head, error))?;
    let both = async move {
        let mut connection = pin!(connection);
        let mut ended = false;
        poll_fn(|cx| {
            ended = ended || connection.as_mut().poll(cx).is_ready();
            tasks.poll(cx, ended)
        })
        .await;
    };
    drive(both, read(sender.send_request(request), seen)).await
}

/// Reads an answer while its connection runs. The connection may end first: what it has read is still to be had.
async fn drive<T>(connection: impl Future, answer: impl Future<Output = T>) -> T {
    let (mut connection, mut answer) = (pin!(connection), pin!(answer));
    let mut running = true;
    loop {
        tokio::select! {
            biased;
            answer = &mut answer => return answer,
            _ = &mut connection, if running => running = false,
        }
    }
}

/// Reads status, headers and at most [`BODY_MAX`] bytes of body into `seen`.
async fn read(
    sent: impl Future<Output = hyper::Result<hyper::Response<Incoming>>>,
    seen: &mut Seen,
) -> Result<(), Broken> {
    let (head, mut body) = sent.await.map_err(|error| (Part::Head, error))?.into_parts();
    seen.version = match head.version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        _ => None,
    };
    let response = seen.response.insert(Response {
        status: head.status.as_u16(),
        content_types: values(&head.headers, CONTENT_TYPE),
        content_encodings: values(&head.headers, CONTENT_ENCODING),
        location: head.headers.get(LOCATION).map(|value| {
            let bytes = value.as_bytes();
            bytes[..bytes.len().min(LOCATION_KEPT)].to_vec()
        }),
        body: Vec::new(),
        body_cut: false,
    });
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| (Part::Body, error))?.into_data() else { continue };
        let room = BODY_MAX - response.body.len();
        response.body.extend_from_slice(&data[..data.len().min(room)]);
        // A longer body is cut off, never read on (RFC 8461 3.3).
        if data.len() > room {
            response.body_cut = true;
            break;
        }
    }
    Ok(())
}

/// Every value of a header, raw; bounded by the limit of the head.
fn values(headers: &HeaderMap, name: HeaderName) -> Vec<Vec<u8>> {
    headers.get_all(name).iter().map(|value| value.as_bytes().to_vec()).collect()
}

/// A future that hyper wants to have run beside an HTTP/2 connection.
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The tasks of one HTTP/2 connection: run by whoever reads its answer, and gone with it.
#[derive(Default)]
struct Tasks {
    running: Vec<Task>,
    arrived: Arc<Mutex<Vec<Task>>>,
}

impl Tasks {
    /// The way in for hyper. It holds no task alive: tasks hold executors themselves.
    fn executor(&self) -> Executor {
        Executor(Arc::downgrade(&self.arrived))
    }

    /// Runs every task; ready when the connection has ended and no task is left.
    fn poll(&mut self, cx: &mut Context<'_>, ended: bool) -> Poll<()> {
        loop {
            let arrived = std::mem::take(&mut *self.arrived.lock().unwrap_or_else(PoisonError::into_inner));
            let none_new = arrived.is_empty();
            self.running.extend(arrived);
            self.running.retain_mut(|task| task.as_mut().poll(cx).is_pending());
            // A task may have brought another one, which has not been polled and so wakes nobody.
            if none_new {
                break;
            }
        }
        if ended && self.running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Hands hyper's tasks to their owner.
#[derive(Clone)]
struct Executor(Weak<Mutex<Vec<Task>>>);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, task: F) {
        // Without an owner the connection is gone, and with it the sense of the task.
        if let Some(arrived) = self.0.upgrade() {
            arrived.lock().unwrap_or_else(PoisonError::into_inner).push(Box::pin(task));
        }
    }
}
