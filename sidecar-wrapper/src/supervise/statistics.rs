//! What Envoy's statistics say of what is in flight.

use std::{io, net::SocketAddr};

use super::http::Client;

/// HTTP listeners count their requests, and what of the responses is not sent yet; all listeners count connections, and those of each
/// worker again, which there may be many of: a name that ends in `.worker_` and digits is left out, character by character, as RE2
/// has no other way to say that. Not `usedonly`: where nobody came yet, that looks as if the statistics were not kept at all.
/// `filter` is a regular expression, percent-encoded.
const STATISTICS: &str = "/stats?filter=%5E%28http%5C..%2B%5C.downstream_%28rq_active%7Ccx_active%7Ccx_tx_bytes_buffered%29%7C\
                          listener%5C..*%28%5B%5E0-9%5D%7C%5B%5E_0-9%5D%5B0-9%5D%2B%7C%28%5B%5Er%5D%7C%5B%5Ee%5Dr%7C%5B%5Ek%5Der%7C\
                          %5B%5Er%5Dker%7C%5B%5Eo%5Drker%7C%5B%5Ew%5Dorker%7C%5B%5E.%5Dworker%29_%5B0-9%5D%2B%29%5C.\
                          downstream_cx_active%29%24";
const LISTENERS: &str = "/listeners";

/// What is in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum InFlight {
    Count(u64),
    /// Why it cannot be told.
    Unknown(String),
}

/// An error is an Envoy that does not answer now, and may later.
pub(super) fn in_flight(client: &Client, admin: SocketAddr) -> io::Result<InFlight> {
    let reply = client.get_much(admin, STATISTICS)?;
    if reply.status != 200 {
        return Ok(InFlight::Unknown(refusal(STATISTICS, reply.status)));
    }
    let mut tally = Tally::default();
    match reply.each_line(|line| tally.add(line)) {
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            return Ok(InFlight::Unknown("its statistics are too long".to_owned()));
        }
        read => read?,
    }
    if tally.is_whole() || (tally.listeners == 0 && has_no_listeners(client, admin)?) {
        return Ok(InFlight::Count(tally.in_flight()));
    }
    Ok(InFlight::Unknown(
        "its statistics lack listener.*.downstream_cx_active or http.*.downstream_*, as if a stats_matcher left them out"
            .to_owned(),
    ))
}

/// What is said of a path that is not answered as it should.
pub(super) fn refusal(path: &str, status: u16) -> String {
    let path = path.split('?').next().unwrap_or(path);
    let why = if status == 403 { ", as if allow_paths left it out" } else { "" };
    format!("its administration answers {path} with HTTP {status}{why}")
}

/// Such an Envoy lacks the statistics rightly.
fn has_no_listeners(client: &Client, admin: SocketAddr) -> io::Result<bool> {
    let reply = client.get(admin, LISTENERS)?;
    let (answered, mut any) = (reply.status == 200, false);
    reply.each_line(|line| any |= !line.is_empty())?;
    Ok(answered && !any)
}

#[derive(Debug, Default)]
struct Tally {
    requests: u64,
    unsent: bool,
    connections: u64,
    http_connections: u64,
    /// How many lines there are of each kind.
    lines: [u32; 3],
    /// Without the administration's.
    listeners: u32,
}

impl Tally {
    fn add(&mut self, line: &str) {
        let Some((name, value)) = line.rsplit_once(": ") else { return };
        let Ok(value) = value.trim().parse::<u64>() else { return };
        let Some((scope, statistic)) = name.rsplit_once('.') else { return };
        match (scope.split_once('.').map_or(scope, |(first, _)| first), statistic) {
            ("http", "downstream_rq_active") => {
                self.lines[0] += 1;
                // What is asked here is one of them. The others count: a workload may call its own `admin`, too.
                self.requests += if scope == "http.admin" { value.saturating_sub(1) } else { value };
            }
            ("http", "downstream_cx_active") => {
                self.lines[1] += 1;
                self.http_connections += value;
            }
            ("http", "downstream_cx_tx_bytes_buffered") => {
                self.lines[2] += 1;
                self.unsent |= value > 0;
            }
            ("listener", "downstream_cx_active") if !is_of_a_thread(scope) => {
                self.listeners += u32::from(scope != "listener.admin");
                self.connections += value;
            }
            _ => {}
        }
    }

    /// Whether nothing is left out.
    fn is_whole(&self) -> bool {
        let [requests, connections, unsent] = self.lines;
        self.listeners > 0 && requests == connections && connections == unsent
    }

    /// Requests that are not answered, plus one while an answer is not sent, plus connections that are not HTTP. Idle HTTP
    /// connections do not count: their clients are told to go with the next response, and would be waited for in vain until then.
    fn in_flight(&self) -> u64 {
        // The administration's own are in both.
        self.requests + u64::from(self.unsent) + self.connections.saturating_sub(self.http_connections)
    }
}

/// `listener.<name>.worker_<number>`, or what the administration has instead: they are in the listener's own number.
fn is_of_a_thread(scope: &str) -> bool {
    if scope == "listener.admin.main_thread" {
        return true;
    }
    let last = scope.rsplit_once('.').and_then(|(_, last)| last.strip_prefix("worker_"));
    last.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::Tally;

    const IDLE: &str = "http.admin.downstream_rq_active: 1\nhttp.admin.downstream_cx_active: 1\n\
                        http.admin.downstream_cx_tx_bytes_buffered: 0\nlistener.admin.downstream_cx_active: 1\n\
                        listener.admin.main_thread.downstream_cx_active: 1\n\
                        http.health.downstream_cx_active: 3\nlistener.0.0.0.0_15021.downstream_cx_active: 3\n\
                        listener.0.0.0.0_15021.worker_0.downstream_cx_active: 3\n\
                        http.health.downstream_rq_active: 0\nhttp.health.downstream_cx_tx_bytes_buffered: 0\n";

    fn tally(text: &str) -> Tally {
        let mut tally = Tally::default();
        text.lines().for_each(|line| tally.add(line));
        tally
    }

    #[test]
    fn requests_and_connections_that_are_not_http_are_in_flight() {
        assert_eq!(tally(IDLE).in_flight(), 0);
        for (more, count) in [
            ("http.in.downstream_rq_active: 2\n", 2),
            ("http.in.worker_0.downstream_rq_active: 2\n", 2),
            ("http.admin.downstream_rq_active: 3\n", 2),
            ("http.admin.api.downstream_rq_active: 2\n", 2),
            ("http.in.downstream_cx_tx_bytes_buffered: 4096\n", 1),
            ("listener.127.0.0.1_5432.downstream_cx_active: 5\n", 5),
            ("listener.in.worker_jobs.downstream_cx_active: 5\n", 5),
            ("listener.admin.downstream_cx_active: 5\n", 5),
        ] {
            assert_eq!(tally(&format!("{IDLE}{more}")).in_flight(), count, "{more}");
        }
    }

    #[test]
    fn statistics_that_are_left_out_are_noticed() {
        assert!(tally(IDLE).is_whole());
        assert!(!tally("").is_whole());
        for left_out in ["listener.0", "http.health.downstream_rq", "http.health.downstream_cx_tx"] {
            let rest: String = IDLE.split_inclusive('\n').filter(|line| !line.starts_with(left_out)).collect();
            assert!(!tally(&rest).is_whole(), "{left_out}");
        }
    }
}
