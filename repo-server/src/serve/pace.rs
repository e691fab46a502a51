//! A connection that is cut when its reader is too slow, or gone without a word.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep, sleep_until},
};

/// The least that a reader must take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// In bytes.
    pub(crate) bytes: u64,
    /// In which time.
    pub(crate) window: Duration,
}

/// Wraps a socket. Time counts only while there is something to send and the socket is full.
#[derive(Debug)]
pub(crate) struct Paced<S> {
    socket: S,
    pace: Pace,
    sent: u64,
    /// Made when the socket is full for the first time.
    timer: Option<Pin<Box<Sleep>>>,
    blocked: bool,
}

/// Counts what a client asked for and what it took. Bytes of HTTP/2 that are neither do not count: a client must not keep a
/// connection by them alone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Activity(Arc<AtomicU64>);

impl Activity {
    pub(crate) fn note(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns when there was nothing at all for `first`, or nothing more for `span`, and before twice that time.
    pub(crate) async fn silence(&self, first: Duration, span: Duration) {
        sleep(first).await;
        let mut seen = self.0.load(Ordering::Relaxed);
        if seen == 0 {
            return;
        }
        loop {
            sleep(span).await;
            let now = self.0.load(Ordering::Relaxed);
            if now == seen {
                return;
            }
            seen = now;
        }
    }
}

impl<S> Paced<S> {
    /// Begins to watch.
    pub(crate) fn new(socket: S, pace: Pace) -> Self {
        Self { socket, pace, sent: 0, timer: None, blocked: false }
    }

    /// Takes note of a write, and ends the connection when its time is over.
    fn after_write(&mut self, context: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Ok(bytes)) => {
                self.sent += bytes as u64;
                self.blocked = false;
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => match self.poll_deadline(context) {
                Poll::Ready(error) => Poll::Ready(Err(error)),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn poll_deadline(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let Pace { bytes, window } = self.pace;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + window)));
        // A window that passed while nothing was to be sent says nothing.
        if !self.blocked && timer.deadline() <= Instant::now() {
            timer.as_mut().reset(Instant::now() + window);
            self.sent = 0;
        }
        self.blocked = true;
        while timer.as_mut().poll(context).is_ready() {
            if self.sent < bytes {
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the client reads too slowly"));
            }
            self.sent = 0;
            timer.as_mut().reset(Instant::now() + window);
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.after_write(context, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.after_write(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const PACE: Pace = Pace { bytes: 100, window: Duration::from_secs(10) };

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stops_is_cut_off() {
        let (ours, _theirs) = tokio::io::duplex(1000);
        let start = Instant::now();
        let error = Paced::new(ours, PACE).write_all(&[0; 5000]).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(start.elapsed() >= PACE.window && start.elapsed() < PACE.window * 3, "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_at_the_least_pace_gets_all() {
        let (ours, mut theirs) = tokio::io::duplex(100);
        let reader = tokio::spawn(async move {
            let mut got = 0;
            let mut buffer = [0; 20];
            while got < 5000 {
                got += theirs.read(&mut buffer).await.expect("it goes on");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        Paced::new(ours, PACE).write_all(&[0; 5000]).await.expect("slow, but not too slow");
        reader.await.expect("no panic");
    }
}
