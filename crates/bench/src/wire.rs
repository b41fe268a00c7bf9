//! HTTP/1.1 over a socket, as a client that asks for little: keep-alive, `Content-Length` and chunked answers.
//!
//! Written here and not taken from a library, because the harness shares two cores with the server that it measures,
//! and because the hostile campaign sends what a library refuses to send.

use std::{
    fmt::Write as _,
    io::{self, ErrorKind},
    net::SocketAddr,
    ops::Range,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const ANSWER_LIMIT: usize = 64 << 20;

/// A request in the making, as bytes.
#[derive(Debug, Default, Clone)]
pub struct Request(Vec<u8>);

impl Request {
    /// Begins a request with its first line and the host.
    pub fn new(method: &str, path: &str, host: SocketAddr) -> Self {
        Self(format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n").into_bytes())
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.push_header(name, value);
        self
    }

    fn push_header(&mut self, name: &str, value: &str) {
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b": ");
        self.0.extend_from_slice(value.as_bytes());
        self.0.extend_from_slice(b"\r\n");
    }

    /// Ends the head and adds the body.
    pub fn body(mut self, body: &[u8]) -> Vec<u8> {
        self.push_header("content-length", &body.len().to_string());
        self.0.extend_from_slice(b"\r\n");
        self.0.extend_from_slice(body);
        self.0
    }

    /// Ends the head of a request that has no body.
    pub fn bare(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"\r\n");
        self.0
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The head, in lower case.
    pub head: String,
    /// The body, chunks joined.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header, in lower case, empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        header(&self.head, name).unwrap_or_default()
    }

    /// The body as JSON, null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text, for people.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find_map(|(key, value)| (key == name).then(|| value.trim()))
}

/// One connection that is kept.
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
    keep: bool,
}

/// Where in the buffer an answer lies.
struct Frame {
    status: u16,
    head: Range<usize>,
    body: Body,
    keep: bool,
}

enum Body {
    Plain(Range<usize>),
    Joined(Vec<u8>),
}

impl Wire {
    /// Connects.
    pub async fn connect(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(8192),
            keep: true,
        })
    }

    /// False when the far end closes after the last answer.
    pub fn kept(&self) -> bool {
        self.keep
    }

    /// Sends a request and reads the whole answer.
    pub async fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        let frame = self.exchange(request).await?;
        let head = String::from_utf8_lossy(&self.buffer[frame.head]).to_ascii_lowercase();
        let body = match frame.body {
            Body::Plain(range) => self.buffer[range].to_vec(),
            Body::Joined(body) => body,
        };
        Ok(Answer {
            status: frame.status,
            head,
            body,
        })
    }

    /// Sends a request and tells only the status: what the load loop needs, without a copy.
    pub async fn status(&mut self, request: &[u8]) -> io::Result<u16> {
        Ok(self.exchange(request).await?.status)
    }

    /// The last answer as text, for the one message about a refusal.
    pub fn last(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }

    async fn exchange(&mut self, request: &[u8]) -> io::Result<Frame> {
        self.keep = false;
        self.stream.write_all(request).await?;
        let frame = self.read().await?;
        self.keep = frame.keep;
        Ok(frame)
    }

    async fn read(&mut self) -> io::Result<Frame> {
        self.buffer.clear();
        let body_at = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8_lossy(&self.buffer[..body_at]).to_ascii_lowercase();
        let status: u16 = head
            .get(9..12)
            .and_then(|code| code.parse().ok())
            .ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "the answer has no status"))?;
        let mut keep = header(&head, "connection") != Some("close");
        let bodiless = status == 204 || status == 304 || status < 200;
        // An event stream has no end: its head is the answer.
        let endless = header(&head, "content-type")
            .is_some_and(|kind| kind.starts_with("text/event-stream"))
            || status == 101;
        let body = if endless || bodiless {
            keep = keep && !endless;
            Body::Plain(body_at..body_at)
        } else if let Some(length) = header(&head, "content-length") {
            let length: usize = length
                .parse()
                .map_err(|_| io::Error::new(ErrorKind::InvalidData, "a length that is none"))?;
            while self.buffer.len() < body_at + length {
                self.more().await?;
            }
            Body::Plain(body_at..body_at + length)
        } else if header(&head, "transfer-encoding") == Some("chunked") {
            Body::Joined(self.chunks(body_at).await?)
        } else {
            keep = false;
            while self.more().await.is_ok() {}
            Body::Plain(body_at..self.buffer.len())
        };
        Ok(Frame {
            status,
            head: 0..body_at,
            body,
            keep,
        })
    }

    async fn chunks(&mut self, mut at: usize) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = loop {
                if let Some(end) = find(&self.buffer[at..], b"\r\n") {
                    break at..at + end;
                }
                self.more().await?;
            };
            let size = std::str::from_utf8(&self.buffer[line.clone()])
                .ok()
                .and_then(|line| usize::from_str_radix(line.split(';').next()?.trim(), 16).ok())
                .ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "a chunk without a size"))?;
            let from = line.end + 2;
            while self.buffer.len() < from + size + 2 {
                self.more().await?;
            }
            body.extend_from_slice(&self.buffer[from..from + size]);
            at = from + size + 2;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        if self.buffer.len() > ANSWER_LIMIT {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "an answer without end",
            ));
        }
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// One call on a connection of its own, at most 30 seconds long.
pub async fn call(
    addr: SocketAddr,
    method: &str,
    path: &str,
    key: Option<&str>,
    body: Option<&serde_json::Value>,
) -> io::Result<Answer> {
    let mut request = Request::new(method, path, addr).header("accept", "application/json");
    if let Some(key) = key {
        request = request.header("authorization", &format!("Bearer {key}"));
    }
    let bytes = match body {
        Some(body) => request
            .header("content-type", "application/json")
            .body(body.to_string().as_bytes()),
        None if matches!(method, "GET" | "HEAD") => request.bare(),
        None => request.body(b""),
    };
    let exchange = async { Wire::connect(addr).await?.ask(&bytes).await };
    timeout(Duration::from_secs(30), exchange)
        .await
        .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}

/// Escapes text for one segment of a path or one value of a query.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(byte as char);
            }
            _ => write!(out, "%{byte:02X}").expect("writing to a string does not fail"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn answered(pieces: &'static [&'static str]) -> io::Result<(Answer, bool)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await?;
            let mut seen = [0; 1024];
            assert!(stream.read(&mut seen).await? > 0);
            for piece in pieces {
                stream.write_all(piece.as_bytes()).await?;
                stream.flush().await?;
                tokio::task::yield_now().await;
            }
            stream.shutdown().await
        });
        let mut wire = Wire::connect(addr).await?;
        let answer = wire.ask(&Request::new("GET", "/", addr).bare()).await;
        server.await.unwrap()?;
        Ok((answer?, wire.kept()))
    }

    #[tokio::test]
    async fn answers_are_read_in_every_framing() {
        for (case, pieces, body, kept) in [
            (
                "length",
                &["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", "llo"] as &'static [_],
                "hello",
                true,
            ),
            (
                "chunks",
                &[
                    "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r",
                    "\n2;x=y\r\nlo\r\n0\r\n\r\n",
                ],
                "hello",
                true,
            ),
            (
                "until closed",
                &["HTTP/1.1 200 OK\r\n\r\n", "hello"],
                "hello",
                false,
            ),
            ("nothing", &["HTTP/1.1 204 No Content\r\n\r\n"], "", true),
            (
                "a stream",
                &["HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n"],
                "",
                false,
            ),
        ] {
            let (answer, keep) = answered(pieces).await.unwrap();
            assert_eq!((answer.text().as_str(), keep), (body, kept), "{case}");
        }
    }

    #[tokio::test]
    async fn a_broken_answer_is_an_error() {
        for pieces in [
            &["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"] as &'static [_],
            &["HTTP/1.1 200 OK\r\nContent-"],
            &["nonsense\r\n\r\n"],
            &[],
        ] {
            assert!(answered(pieces).await.is_err(), "{pieces:?}");
        }
    }
}
