//! A socket in the open that has the kernel send packages straight from their memory.
//!
//! hyper hands over slices. One that stands in memory that was lent to this connection goes by `sendfile(2)`, which copies
//! nothing; all others are written as usual. Under TLS every byte is copied anyway.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use rustix::{
    fs::sendfile,
    net::{SendFlags, send},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

use crate::blob::Outlet;

/// Less than this is copied: a call of its own costs more.
const WORTHWHILE: usize = 32 << 10;

/// Wraps a stream.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    outlet: Outlet,
}

impl Socket {
    /// Sends from memory that is lent to its outlet.
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, outlet: Outlet::default() }
    }

    /// Where bodies lend their memory.
    pub(crate) fn outlet(&self) -> Outlet {
        self.outlet.clone()
    }

    /// Does `work` when the socket can take something.
    fn poll_when_writable(
        &self,
        context: &mut Context<'_>,
        mut work: impl FnMut(&TcpStream) -> rustix::io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(context))?;
            match self.stream.try_io(Interest::WRITABLE, || work(&self.stream).map_err(Into::into)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let lent = slices.iter().enumerate().find(|(_, slice)| slice.len() >= WORTHWHILE);
        let lent = lent.and_then(|(index, slice)| Some((index, slice.len(), self.outlet.find(slice)?)));
        match lent {
            Some((0, count, (memory, offset))) => self.poll_when_writable(context, |stream| {
                let mut offset = offset;
                sendfile(stream, &*memory, Some(&mut offset), count)
            }),
            // A head, which waits in the kernel for what comes next.
            Some((1, ..)) => {
                let flags = SendFlags::MORE | SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
                self.poll_when_writable(context, |stream| send(stream, &slices[0], flags))
            }
            Some((before, ..)) => Pin::new(&mut self.stream).poll_write_vectored(context, &slices[..before]),
            None => Pin::new(&mut self.stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use bytes::Bytes;
    use sealed_memory::{Sealed, Writer};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    const LEN: usize = 20_000_000;

    async fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("bound");
        let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
        (Socket::new(ours.expect("it listens")), theirs.expect("it came").0)
    }

    fn memory() -> (std::sync::Arc<Sealed>, Bytes) {
        let content: Vec<u8> = (0..LEN).map(|index| (index % 251).to_le_bytes()[0]).collect();
        let mut writer = Writer::new(NonZeroUsize::new(LEN).expect("not zero")).expect("memory");
        writer.append(&content).expect("there is room");
        let memory = writer.seal().expect("nobody else has it");
        let bytes = memory.bytes(0, LEN);
        (memory, bytes)
    }

    #[tokio::test]
    async fn what_was_lent_is_sent_whole_and_in_order_with_what_was_not() {
        let (mut socket, mut theirs) = pair().await;
        let (memory, bytes) = memory();
        socket.outlet().lend(std::sync::Arc::downgrade(&memory));
        let reader = tokio::spawn(async move {
            let mut all = Vec::new();
            theirs.read_to_end(&mut all).await.map(|_| all)
        });
        let (head, tail) = (vec![b'h'; 300], vec![b't'; 200_000]);
        let mut left: Vec<Bytes> = vec![head.clone().into(), bytes.slice(5..), tail.clone().into()];
        let mut calls = Vec::new();
        while !left.is_empty() {
            let slices: Vec<IoSlice<'_>> = left.iter().map(|part| IoSlice::new(part)).collect();
            let mut count = socket.write_vectored(&slices).await.expect("somebody reads");
            calls.push(count);
            while left.first().is_some_and(|part| part.len() <= count) {
                count -= left.remove(0).len();
            }
            if let Some(part) = left.first_mut() {
                *part = part.slice(count..);
            }
        }
        // The head goes alone: the rest was not copied behind it.
        assert_eq!(calls[0], 300);
        socket.shutdown().await.expect("connected");
        let all = reader.await.expect("no panic").expect("connected");
        assert!(all == [&head[..], &bytes[5..], &tail[..]].concat());
    }

    #[tokio::test]
    async fn what_was_not_lent_is_written_as_usual() {
        let (mut socket, mut theirs) = pair().await;
        let (memory, bytes) = memory();
        socket.outlet().lend(std::sync::Arc::downgrade(&memory));
        let copy = Bytes::copy_from_slice(&bytes[..100_000]);
        let count = socket.write_vectored(&[IoSlice::new(b"head"), IoSlice::new(&copy)]).await.expect("there is room");
        assert!(count > 4, "{count}");
        drop(socket);
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).await.expect("connected");
        assert!(all == [b"head", &copy[..count - 4]].concat());
    }
}
