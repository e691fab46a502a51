//! One connection, from accept to its end.

use std::{io, net::SocketAddr, time::Duration};

use hyper::{
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    front::{Front, Link, Peer},
    pace::{Activity, Pace, Paced},
    socket::Socket,
};
use crate::blob::Outlet;

/// What a connection may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// How long a request's head may take, and an idle connection stay.
    pub(crate) head_timeout: Duration,
    /// How long a TLS handshake may take.
    pub(crate) handshake_timeout: Duration,
    /// All fields of a request together, in bytes.
    pub(crate) head_bytes: usize,
    /// The least that a reader must take.
    pub(crate) pace: Pace,
}

/// Requests of one HTTP/2 connection at once.
const STREAMS: u32 = 32;
/// What hyper holds back at most of one connection's answers; the bodies themselves are shared by all.
const WRITE_BUFFER: usize = 64 << 10;
/// What rustls holds back at most: more costs memory for each slow client, less costs CPU time.
const TLS_BUFFER: usize = 24 << 10;
/// How long a client has to close after it was told to.
const GOODBYE: Duration = Duration::from_secs(5);
/// How HTTP/2 begins where no TLS says so, RFC 9113 section 3.4.
const HTTP2_PREFACE: &[u8] = b"PRI ";

/// Serves connections with the same settings; cheap to clone.
#[derive(Clone)]
pub(crate) struct Connector {
    front: Front,
    limits: Limits,
    tls: Option<TlsAcceptor>,
    /// Changes when the server is to end.
    ending: watch::Receiver<bool>,
}

impl Connector {
    /// Without `tls`, in the open.
    #[must_use]
    pub(crate) fn new(front: Front, limits: Limits, tls: Option<TlsAcceptor>, ending: watch::Receiver<bool>) -> Self {
        Self { front, limits, tls, ending }
    }

    /// Serves one connection to its end. An error is the peer's or the network's.
    pub(crate) async fn serve(mut self, stream: TcpStream, address: SocketAddr) -> Result<(), ConnectionError> {
        // Answers are written whole: waiting for more would only delay them.
        let _ = stream.set_nodelay(true);
        let peer = Peer { address: address.ip(), secure: self.tls.is_some() };
        let Some(acceptor) = &self.tls else {
            // Who has not asked yet when the server ends is not waited for.
            let protocol = tokio::select! {
                protocol = begins_as(&stream, self.limits.head_timeout) => protocol?,
                _ = self.ending.changed() => return Ok(()),
            };
            let pace = self.limits.pace;
            return match protocol {
                Protocol::Http1 => {
                    let socket = Socket::new(stream);
                    let outlet = socket.outlet();
                    self.http1(Paced::new(socket, pace), peer, Some(outlet)).await
                }
                Protocol::Http2 => self.http2(Paced::new(stream, pace), peer).await,
            };
        };
        let stream = Paced::new(stream, self.limits.pace);
        let accept = acceptor.accept_with(stream, |session| session.set_buffer_limit(Some(TLS_BUFFER)));
        let accepted = tokio::select! {
            accepted = timeout(self.limits.handshake_timeout, accept) => accepted,
            _ = self.ending.changed() => return Ok(()),
        };
        let stream = match accepted.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => stream,
            Err(error) => {
                self.front.count_failed_handshake();
                return Err(ConnectionError::Handshake(error));
            }
        };
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            self.http2(stream, peer).await
        } else {
            self.http1(stream, peer, None).await
        }
    }

    async fn http1(
        mut self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        peer: Peer,
        outlet: Option<Outlet>,
    ) -> Result<(), ConnectionError> {
        let front = self.front.clone();
        let service = service_fn(move |request| {
            let (front, link) = (front.clone(), Link { activity: None, outlet: outlet.clone() });
            async move { front.answer(peer, request, link).await }
        });
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_timeout)
            .max_buf_size(self.limits.head_bytes)
            .half_close(false);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let result = tokio::select! {
            result = connection.as_mut() => result,
            // A closed channel is the end, too.
            _ = self.ending.changed() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = &result {
            self.front.broke(peer, error);
        }
        result.map_err(ConnectionError::Http)
    }

    async fn http2(
        mut self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        peer: Peer,
    ) -> Result<(), ConnectionError> {
        let (front, activity) = (self.front, Activity::default());
        let noted = activity.clone();
        let service = service_fn(move |request| {
            let (front, link) = (front.clone(), Link { activity: Some(noted.clone()), outlet: None });
            async move { front.answer(peer, request, link).await }
        });
        let (head_timeout, window) = (self.limits.head_timeout, self.limits.pace.window);
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_send_buf_size(WRITE_BUFFER)
            .max_header_list_size(u32::try_from(self.limits.head_bytes).unwrap_or(u32::MAX));
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        tokio::select! {
            result = connection.as_mut() => return result.map_err(ConnectionError::Http),
            _ = self.ending.changed() => connection.as_mut().graceful_shutdown(),
            // hyper has a limit for heads of HTTP/1 alone.
            () = activity.silence(head_timeout, window) => connection.as_mut().graceful_shutdown(),
        }
        tokio::select! {
            result = connection.as_mut() => result.map_err(ConnectionError::Http),
            // What is asked for at the last moment is answered; who then takes nothing is not waited for.
            () = activity.silence(GOODBYE, window) => Ok(()),
        }
    }
}

/// Looks at the first bytes without taking them.
async fn begins_as(stream: &TcpStream, patience: Duration) -> Result<Protocol, ConnectionError> {
    let peek = async {
        let mut first = [0; HTTP2_PREFACE.len()];
        loop {
            let count = stream.peek(&mut first).await?;
            let begin = &first[..count];
            if begin == HTTP2_PREFACE {
                return Ok(Protocol::Http2);
            }
            if count == 0 || !HTTP2_PREFACE.starts_with(begin) {
                return Ok(Protocol::Http1);
            }
            // A beginning that can be either: the rest is on its way.
            sleep(Duration::from_millis(5)).await;
        }
    };
    let protocol = timeout(patience, peek).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    protocol.map_err(ConnectionError::Silent)
}

enum Protocol {
    Http1,
    Http2,
}

/// How a connection ended that did not end well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    /// Before the first request.
    #[error("the TLS handshake failed")]
    Handshake(#[source] io::Error),
    /// Before the first byte in the open.
    #[error("nothing was asked")]
    Silent(#[source] io::Error),
    /// Later.
    #[error("the connection broke")]
    Http(#[source] hyper::Error),
}
