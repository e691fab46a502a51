//! A proxy that does to requests what networks and servers do to them.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use rustix::net::sockopt::set_socket_linger;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The server does it, and its answer is lost behind this status.
    ApplyThen(u16),
    /// The server does it, and the connection is reset, as by a gateway that is killed.
    ApplyThenReset,
    /// The server never sees it.
    Refuse(u16),
    /// Nobody answers.
    Stall,
    /// The answer ends after so many bytes of its body.
    CutBody(usize),
    /// One byte of the body is another.
    Flip,
    /// The body comes in so many parts, each after a pause.
    Slow(usize),
}

/// Which requests it happens to, and how often.
#[derive(Debug, Clone)]
pub struct Rule {
    /// With which they begin; all, if it is empty.
    pub method: &'static str,
    /// What their request line holds.
    pub part: &'static str,
    /// What happens.
    pub fault: Fault,
    /// How often.
    pub times: usize,
}

/// Listens until the test program ends.
#[derive(Debug, Clone)]
pub struct Proxy {
    port: u16,
    rule: Arc<Mutex<Option<Rule>>>,
}

/// Longer than any patience of these tests.
const STALL: Duration = Duration::from_mins(2);

/// Before each part of a slow answer.
const PAUSE: Duration = Duration::from_millis(100);

impl Proxy {
    /// Passes everything on to a port, until it is told otherwise.
    #[must_use]
    pub fn before(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let proxy = Self { port, rule: Arc::default() };
        let in_thread = proxy.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let proxy = in_thread.clone();
                std::thread::spawn(move || {
                    let _ = proxy.serve(client, server);
                });
            }
        });
        proxy
    }

    /// Its own.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on, instead of what was before.
    pub fn set(&self, rule: Option<Rule>) {
        *self.rule.lock().expect("no thread panics") = rule;
    }

    /// How often the rule can still apply.
    #[must_use]
    pub fn left(&self) -> usize {
        self.rule.lock().expect("no thread panics").as_ref().map_or(0, |rule| rule.times)
    }

    fn fault_for(&self, line: &str) -> Option<Fault> {
        let mut rule = self.rule.lock().expect("no thread panics");
        let rule = rule.as_mut()?;
        let applies = rule.times > 0 && line.starts_with(rule.method) && line.contains(rule.part);
        applies.then(|| {
            rule.times -= 1;
            rule.fault
        })
    }

    /// One request for each connection: whatever is behind it stays simple.
    fn serve(&self, mut client: TcpStream, server: u16) -> std::io::Result<()> {
        let (head, body) = read_message(&mut client)?;
        let fault = self.fault_for(head.lines().next().unwrap_or_default());
        match fault {
            Some(Fault::Refuse(status)) => return answer(&mut client, status),
            Some(Fault::Stall) => {
                std::thread::sleep(STALL);
                return Ok(());
            }
            Some(Fault::ApplyThen(_) | Fault::ApplyThenReset | Fault::CutBody(_) | Fault::Flip | Fault::Slow(_))
            | None => {}
        }
        let mut upstream = TcpStream::connect(("127.0.0.1", server))?;
        // Such headers are not part of any signature.
        upstream.write_all(format!("{}connection: close\r\n\r\n", &head[..head.len() - 2]).as_bytes())?;
        upstream.write_all(&body)?;
        let mut reply = Vec::new();
        upstream.read_to_end(&mut reply)?;
        let head = reply.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap_or_default() + 4;
        match fault {
            Some(Fault::ApplyThen(status)) => answer(&mut client, status),
            Some(Fault::ApplyThenReset) => Ok(set_socket_linger(&client, Some(Duration::ZERO))?),
            Some(Fault::CutBody(bytes)) => {
                client.write_all(&reply[..reply.len().min(head + bytes)])?;
                client.shutdown(Shutdown::Both)
            }
            Some(Fault::Flip) => {
                let middle = usize::midpoint(head, reply.len());
                reply[middle] ^= 1;
                client.write_all(&reply)
            }
            Some(Fault::Slow(parts)) => {
                let (head, body) = reply.split_at(head);
                client.write_all(head)?;
                for part in body.chunks(body.len().div_ceil(parts).max(1)) {
                    std::thread::sleep(PAUSE);
                    client.write_all(part)?;
                }
                Ok(())
            }
            _ => client.write_all(&reply),
        }
    }
}

fn answer(client: &mut TcpStream, status: u16) -> std::io::Result<()> {
    client.write_all(format!("HTTP/1.1 {status} Fault\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes())
}

/// The head with its last line, and the body.
pub fn read_message(stream: &mut TcpStream) -> std::io::Result<(String, Vec<u8>)> {
    let (mut message, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    let mut wanted = None;
    loop {
        if let Some(end) = message.windows(4).position(|bytes: &[u8]| bytes == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&message[..end + 4]).into_owned();
            let length = head
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .and_then(|(_, value)| value.trim().parse::<usize>().ok());
            wanted = Some((head, end + 4, length.unwrap_or_default()));
        }
        if let Some((head, start, length)) = &wanted
            && message.len() >= start + length
        {
            return Ok((head.clone(), message.split_off(*start)));
        }
        match stream.read(&mut buffer)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => message.extend_from_slice(&buffer[..count]),
        }
    }
}
