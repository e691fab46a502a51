//! Asks the sidecar whether it is ready, and drains Envoy when that is wanted.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use super::{
    drain::{self, Drain, Ended, Watcher},
    http::Client,
    statistics::refusal,
};

/// Envoy is soon ready where nothing holds it up, and nobody should wait for the question then.
const FIRST: Duration = Duration::from_millis(10);
const FIRST_LASTS: Duration = Duration::from_secs(2);
const UNREADY: Duration = Duration::from_millis(250);
/// Often enough for people, and nothing that shows in a list of what uses the processor.
const READY: Duration = Duration::from_secs(10);
/// An Envoy that has not said by then where its administration is has none.
const SILENCE: Duration = Duration::from_secs(5);

/// Whom to ask.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// pilot-agent, on its status port: it asks Envoy itself.
    PilotAgent { port: u16 },
    /// Envoy's administration. Envoy writes its address to that file, unless the disk is full; the bootstrap may say it, too.
    Envoy { address_file: PathBuf, bootstrap: Option<SocketAddr> },
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) ready: bool,
    /// In a few words, for people.
    pub(super) says: String,
    /// Envoy's administration, if it is known by now.
    pub(super) admin: Option<SocketAddr>,
}

/// A sidecar that does not let itself be asked. It is taken for ready, as nobody would ever say that it is.
struct Unknowable {
    why: String,
    admin: Option<SocketAddr>,
}

/// What a probe is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Asks no more, and drains. Whoever comes within the minimum is served.
    Drain { admin: Option<SocketAddr>, minimum: Duration },
}

/// Whom a probe tells what comes of it.
pub(super) trait Listener: Watcher + Send + 'static {
    /// It is not as the one before.
    fn answered(&self, answer: Answer);
    /// Nothing is in flight any more.
    fn drained(&self);
}

/// A thread that asks, or drains, until this value goes. It is one for both, as a system that is short of everything may refuse another one
/// just when a stop comes.
#[derive(Debug)]
pub(super) struct Probe {
    orders: Sender<Order>,
}

impl Probe {
    pub(super) fn start(target: Target, listener: impl Listener) -> std::io::Result<Self> {
        let (orders, ordered) = mpsc::channel();
        thread::Builder::new().name("probe".to_owned()).stack_size(128 << 10).spawn(move || {
            let client = Client::new();
            let Some(Order::Drain { admin, minimum }) = target.ask_until_ordered(&client, &listener, &ordered) else {
                return;
            };
            let ended = if let Some(admin) = admin {
                Drain { client: &client, admin, minimum, watcher: &listener, orders: &ordered }.run()
            } else {
                listener.warn(&format!(
                    "cannot drain Envoy, which has no administration to be asked: it goes on for --drain-minimum, {} s",
                    minimum.as_secs()
                ));
                if drain::is_cancelled(&ordered, minimum) { Ended::Cancelled } else { Ended::Done }
            };
            if ended == Ended::Done {
                listener.drained();
            }
        })?;
        Ok(Self { orders })
    }

    /// Lets Envoy finish what it has in flight.
    pub(super) fn drain(&self, admin: Option<SocketAddr>, minimum: Duration) {
        // The thread lives as long as this value.
        let _ = self.orders.send(Order::Drain { admin, minimum });
    }
}

impl Target {
    /// Nothing when there is no need to ask any more.
    fn ask_until_ordered(&self, client: &Client, listener: &dyn Listener, orders: &Receiver<Order>) -> Option<Order> {
        let started = Instant::now();
        let mut last = None;
        loop {
            let (answer, unknowable) = match self.ask(client, started.elapsed()) {
                Ok(answer) => (answer, false),
                Err(Unknowable { why, admin }) => (Answer { ready: true, says: why, admin }, true),
            };
            let pause = match answer.ready {
                true => READY,
                false if started.elapsed() < FIRST_LASTS => FIRST,
                false => UNREADY,
            };
            if last.as_ref() != Some(&answer) {
                if unknowable {
                    listener
                        .warn(&format!("whether Envoy is ready cannot be known: {}; taking it for ready", answer.says));
                }
                listener.answered(answer.clone());
                last = Some(answer);
            }
            match orders.recv_timeout(pause) {
                Ok(order) => return Some(order),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    fn ask(&self, client: &Client, since: Duration) -> Result<Answer, Unknowable> {
        let (address, path, admin) = match self {
            Self::PilotAgent { port } => (SocketAddr::from((Ipv4Addr::LOCALHOST, *port)), "/healthz/ready", None),
            Self::Envoy { address_file, bootstrap } => match admin_address(address_file).or(*bootstrap) {
                Some(address) => (reachable(address), "/ready", Some(reachable(address))),
                None if since < SILENCE => {
                    return Ok(Answer { ready: false, says: "it starts".to_owned(), admin: None });
                }
                None => {
                    let why = "it has no administration with an address and a port to ask".to_owned();
                    return Err(Unknowable { why, admin: None });
                }
            },
        };
        let answered = client.get(address, path).and_then(|reply| Ok((reply.status, reply.first_line()?)));
        let (ready, says) = match answered {
            Ok((200, line)) => (true, shown(&line, "LIVE")),
            Ok((403, _)) if admin.is_some() => return Err(Unknowable { why: refusal(path, 403), admin }),
            Ok((status, line)) => (false, shown(&line, &format!("HTTP {status}"))),
            Err(error) => (false, format!("{address} does not answer: {error}")),
        };
        Ok(Answer { ready, says, admin })
    }
}

/// What Envoy wrote.
fn admin_address(file: &Path) -> Option<SocketAddr> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// An address to connect to, for one to listen on.
const fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// What a program says is shown as it is, but not at any length.
fn shown(line: &str, otherwise: &str) -> String {
    if line.is_empty() { otherwise.to_owned() } else { line.chars().take(120).collect() }
}
