//! Bytes over a socket, for requests that no client would send.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// One answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// All of it, or what came of it.
    pub body: Vec<u8>,
}

impl Answer {
    /// A field that is there once at most.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is there twice: {:?}", self.headers);
        value
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Reads on it end after ten seconds.
#[must_use]
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    stream
}

/// Sends bytes and reads until the server closes; gives all answers in it.
#[must_use]
pub fn exchange(address: SocketAddr, request: &[u8]) -> Vec<Answer> {
    let mut stream = connect(address);
    stream.write_all(request).expect("the server reads");
    let heads = request.starts_with(b"HEAD ");
    let mut all = Vec::new();
    // A reset after the answer is as good as an end.
    let _ = stream.read_to_end(&mut all);
    parse(&all, heads)
}

/// A plain GET on a connection of its own.
#[must_use]
pub fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, "GET", path, "")
}

/// `fields` end in line ends.
#[must_use]
pub fn ask(address: SocketAddr, method: &str, path: &str, fields: &str) -> Answer {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n");
    let mut answers = exchange(address, request.as_bytes());
    assert_eq!(answers.len(), 1, "{request}");
    answers.remove(0)
}

/// Reads one answer with a length, and nothing beyond it. One that ends early is an error.
pub fn read_answer(stream: &mut impl Read) -> io::Result<Answer> {
    let mut answer = read_head(stream)?;
    if !matches!(answer.status, 100 | 204 | 304) {
        let length = answer.header("content-length").expect("a length").parse().expect("a number");
        answer.body.resize(length, 0);
        stream.read_exact(&mut answer.body)?;
    }
    Ok(answer)
}

/// Reads an answer without a body, as HEAD gets it.
pub fn read_head(stream: &mut impl Read) -> io::Result<Answer> {
    let mut head = Vec::new();
    let mut byte = [0; 1];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let (status, headers) = parse_head(&head[..head.len() - 4]);
    Ok(Answer { status, headers, body: Vec::new() })
}

fn parse_head(head: &[u8]) -> (u16, Vec<(String, String)>) {
    let mut lines = std::str::from_utf8(head).expect("visible").split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
    let headers = lines.filter_map(|line| line.split_once(": "));
    (status, headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect())
}

fn parse(mut bytes: &[u8], heads: bool) -> Vec<Answer> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let end = find(bytes, b"\r\n\r\n").unwrap_or_else(|| panic!("no head: {}", String::from_utf8_lossy(bytes)));
        let (status, headers) = parse_head(&bytes[..end]);
        bytes = &bytes[end + 4..];
        let mut answer = Answer { status, headers, body: Vec::new() };
        if answer.header("transfer-encoding").is_some() {
            answer.body = bytes.to_vec();
            bytes = &[];
        } else if !heads && !matches!(status, 100 | 204 | 304) {
            let length: usize = answer.header("content-length").expect("a length").parse().expect("a number");
            let (body, rest) = bytes.split_at(length.min(bytes.len()));
            (answer.body, bytes) = (body.to_vec(), rest);
        }
        answers.push(answer);
    }
    answers
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
