//! Response bodies: nothing, a text, or ranges of a blob.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, Weak},
    task::{Context, Poll, ready},
    vec,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use sealed_memory::Sealed;

use super::resident::{BlobFault, PIECE, Reader, Resident};
use crate::http::ByteRange;

/// No frame is longer. Frames are slices of what is in memory anyway, so this bounds no memory; with 64 KiB, an open
/// connection costs a third more CPU time for each byte.
const FRAME: usize = PIECE;

/// One stretch of a body.
#[derive(Debug)]
pub enum Segment {
    /// Bytes that are at hand.
    Bytes(Bytes),
    /// A part of a blob.
    Blob(Reader),
}

impl Segment {
    /// A range of a blob.
    #[must_use]
    pub fn range(blob: &Arc<Resident>, range: ByteRange) -> Self {
        Self::Blob(blob.reader(range.start(), range.end()))
    }

    fn remaining(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Blob(reader) => reader.remaining(),
        }
    }

    fn poll(&mut self, context: &Context<'_>) -> Poll<Result<Bytes, BlobFault>> {
        match self {
            Self::Bytes(bytes) => Poll::Ready(Ok(std::mem::take(bytes))),
            Self::Blob(reader) => reader.poll_next(context, FRAME),
        }
    }
}

/// A body of known length.
#[derive(Debug)]
pub struct Body {
    current: Segment,
    rest: vec::IntoIter<Segment>,
    remaining: u64,
    /// Told of every byte that is given out, and dropped at the end, however it comes.
    meter: Option<Box<dyn Meter>>,
    outlet: Option<Outlet>,
}

/// How a connection learns which memory the bytes stand in that it is about to send. Cloned, it is the same one.
#[derive(Debug, Clone, Default)]
pub struct Outlet(Arc<Mutex<Weak<Sealed>>>);

impl Outlet {
    /// The bytes to come are from here. They keep the memory; the connection alone does not.
    pub fn lend(&self, memory: Weak<Sealed>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = memory;
    }

    /// The memory that `bytes` stand in, and where, if it was lent.
    #[must_use]
    pub fn find(&self, bytes: &[u8]) -> Option<(Arc<Sealed>, u64)> {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner).upgrade()?;
        let offset = memory.offset_of(bytes)?;
        Some((memory, offset))
    }
}

/// Follows one body.
pub trait Meter: std::fmt::Debug + Send {
    /// Bytes went to the connection.
    fn sent(&mut self, bytes: usize);
    /// The body ends early.
    fn failed(&mut self, fault: &BlobFault);
}

impl Body {
    /// Nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self::text(Bytes::new())
    }

    /// All at once.
    #[must_use]
    pub fn text(bytes: Bytes) -> Self {
        Self::one(Segment::Bytes(bytes))
    }

    /// One stretch.
    #[must_use]
    pub fn one(segment: Segment) -> Self {
        let remaining = segment.remaining();
        Self { current: segment, rest: Vec::new().into_iter(), remaining, meter: None, outlet: None }
    }

    /// Several, one after the other.
    #[must_use]
    pub fn many(segments: Vec<Segment>) -> Self {
        let remaining = segments.iter().map(Segment::remaining).sum();
        Self { current: Segment::Bytes(Bytes::new()), rest: segments.into_iter(), remaining, meter: None, outlet: None }
    }

    /// In bytes, as `Content-Length` says.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.remaining
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.remaining == 0
    }

    /// The same body for a connection that can send memory as it is.
    #[must_use]
    pub fn through(mut self, outlet: Option<Outlet>) -> Self {
        self.outlet = outlet;
        self
    }

    /// The same body with somebody who watches.
    #[must_use]
    pub fn metered(mut self, meter: Box<dyn Meter>) -> Self {
        self.meter = Some(meter);
        self
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BlobFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BlobFault>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        while self.current.remaining() == 0 {
            self.current = self.rest.next().expect("what remains is in the segments");
        }
        match ready!(self.current.poll(context)) {
            Ok(bytes) => {
                if let (Some(outlet), Segment::Blob(reader)) = (&self.outlet, &self.current) {
                    outlet.lend(reader.memory());
                }
                self.remaining -= bytes.len() as u64;
                if let Some(meter) = &mut self.meter {
                    meter.sent(bytes.len());
                }
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Err(fault) => {
                if let Some(meter) = &mut self.meter {
                    meter.failed(&fault);
                }
                Poll::Ready(Some(Err(fault)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}
