//! Questions to the sidecar's own ports.

use std::{
    io::{self, BufRead, BufReader, Read},
    net::SocketAddr,
    time::Duration,
};

use ureq::{
    Agent, Body, Error,
    config::Config,
    http::{Response, Uri},
    unversioned::{
        resolver::{ResolvedSocketAddrs, Resolver},
        transport::{NextTimeout, TcpConnector},
    },
};

/// They are on this machine.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Envoy may have many statistics, and be busy.
const LONG: Duration = Duration::from_secs(10);
/// The requests and connections of tens of thousands of listeners.
const MAX_BODY: u64 = 16 << 20;
/// What is shown of an answer is shorter.
const MAX_FIRST_LINE: u64 = 4 << 10;

/// An HTTP client that keeps no connection: an open one would count as in flight. It starts no thread either, which the usual
/// resolver of ureq does for each request, and panics where there can be none.
#[derive(Debug)]
pub(super) struct Client(Agent);

impl Client {
    pub(super) fn new() -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_idle_connections(0)
            // The environment's is for what is elsewhere.
            .proxy(None)
            .build();
        Self(Agent::with_parts(config, TcpConnector::default(), Literal))
    }

    pub(super) fn get(&self, address: SocketAddr, path: &str) -> io::Result<Reply> {
        Reply::of(self.0.get(format!("http://{address}{path}")).call())
    }

    /// The same, for an answer that may be long.
    pub(super) fn get_much(&self, address: SocketAddr, path: &str) -> io::Result<Reply> {
        let request = self.0.get(format!("http://{address}{path}"));
        Reply::of(request.config().timeout_global(Some(LONG)).build().call())
    }

    /// The same, for what changes something.
    pub(super) fn post(&self, address: SocketAddr, path: &str) -> io::Result<Reply> {
        Reply::of(self.0.post(format!("http://{address}{path}")).send_empty())
    }
}

/// An answer whose body is not read yet.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    body: Body,
}

impl Reply {
    fn of(response: Result<Response<Body>, Error>) -> io::Result<Self> {
        let response = response.map_err(Error::into_io)?;
        Ok(Self { status: response.status().as_u16(), body: response.into_body() })
    }

    /// The first line, or what there is of it.
    pub(super) fn first_line(self) -> io::Result<String> {
        let mut line = Vec::new();
        BufReader::new(self.body.into_reader().take(MAX_FIRST_LINE)).read_until(b'\n', &mut line)?;
        Ok(String::from_utf8_lossy(&line).trim().to_owned())
    }

    /// All lines, of which only one is held at a time. A body that is too large is [`io::ErrorKind::FileTooLarge`].
    pub(super) fn each_line(self, mut take: impl FnMut(&str)) -> io::Result<()> {
        let reader = self.body.into_with_config().limit(u64::MAX).reader();
        let mut reader = BufReader::new(reader.take(MAX_BODY));
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            take(String::from_utf8_lossy(&line).trim_end());
            line.clear();
        }
        if reader.get_ref().limit() == 0 { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(()) }
    }
}

/// There are no names to look up.
#[derive(Debug)]
struct Literal;

impl Resolver for Literal {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let address = uri.authority().and_then(|authority| authority.as_str().parse().ok());
        let mut addresses = self.empty();
        addresses.push(address.ok_or(Error::HostNotFound)?);
        Ok(addresses)
    }
}
