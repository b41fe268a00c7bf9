//! The byte stream under an SMTP conversation: it knows when the final dot was written, and bounds what a server may say.

use crate::http::dial::Wire;
use lettre::transport::smtp::client::AsyncTokioStream;
use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What ends a mail. In the mail itself every dot at the start of a line is doubled, so it never occurs there.
const FINAL_DOT: &[u8] = b"\r\n.\r\n";
/// More than any reply needs: a line has at most 512 bytes, and what a server offers takes some twenty of them (RFC 5321, 4.5.3.1.5). A
/// reply is read anew with each of its lines, so that an endless one must end early or it costs seconds.
const LONGEST_REPLY: usize = 8 * 1024;

/// Tells whether the final dot may have left.
#[derive(Debug, Clone, Default)]
pub(super) struct Dot(Arc<AtomicBool>);

impl Dot {
    pub fn written(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Before the next mail.
    pub fn clear(&self) {
        self.0.store(false, Ordering::Release);
    }
}

pub(super) struct Line {
    wire: Wire,
    /// A greeting that is pretended, because the real one came before the connection was encrypted.
    preface: &'static [u8],
    dot: Dot,
    heard: usize,
}

impl Line {
    pub fn new(wire: Wire, preface: &'static [u8], dot: Dot) -> Self {
        Self {
            wire,
            preface,
            dot,
            heard: 0,
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

impl AsyncTokioStream for Line {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.wire.peer_addr()
    }
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.preface.is_empty() {
            let (now, later) = this
                .preface
                .split_at(this.preface.len().min(buf.remaining()));
            buf.put_slice(now);
            this.preface = later;
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.wire).poll_read(cx, buf);
        this.heard += buf.filled().len() - before;
        if this.heard > LONGEST_REPLY {
            return Poll::Ready(Err(io::Error::other("the reply does not end")));
        }
        polled
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.heard = 0;
        let polled = Pin::new(&mut this.wire).poll_write(cx, buf);
        // A write that was refused took nothing; one that was taken may be anywhere.
        if buf == FINAL_DOT && matches!(polled, Poll::Ready(Ok(_))) {
            this.dot.0.store(true, Ordering::Release);
        }
        polled
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().wire).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().wire).poll_shutdown(cx)
    }
}
