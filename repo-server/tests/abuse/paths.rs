//! Request lines that no honest client sends. The table says what is answered; over it all: nothing is found by a name that
//! is written otherwise, nothing fails, and what follows on the same connection is answered or the connection ends.

use std::io::Write;

use testkit::{
    raw::{Answer, connect, read_answer, read_head},
    server::run,
    tree::{CHECKSUM, PACKAGE, Tree},
};

use crate::Site;

/// Of the checksum file, which every row asks for after its own request.
const CHECKSUM_SIZE: usize = 84;

/// A request, and what can come back; 0 is the end of the connection without an answer.
type Row = (Vec<u8>, &'static [u16]);

fn get(target: &str) -> Vec<u8> {
    request("GET", target)
}

fn request(method: &str, target: &str) -> Vec<u8> {
    format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

fn with_bytes(before: &str, bytes: &[u8], after: &str) -> Vec<u8> {
    [before.as_bytes(), bytes, after.as_bytes()].concat()
}

/// Spellings of a file's path that a server which decodes or tidies up would take for it, or for something outside.
fn spellings() -> Vec<Row> {
    let file = PACKAGE;
    let mut targets: Vec<String> = [
        "/install%2fdeb%2famd64%2fistio-sidecar.deb",
        "/install%2Fdeb/amd64/istio-sidecar.deb",
        "/%2finstall/deb/amd64/istio-sidecar.deb",
        "%2finstall/deb/amd64/istio-sidecar.deb",
        "/install/deb/amd64/istio%2dsidecar.deb",
        "/install/deb/amd64%5cistio-sidecar.deb",
        "/install\\deb\\amd64\\istio-sidecar.deb",
        "/install/deb/amd64/..%2famd64/istio-sidecar.deb",
        "/install/deb/rpm/../amd64/istio-sidecar.deb",
        "/install/deb/amd64/./istio-sidecar.deb",
        "/install/deb/amd64/%2e/istio-sidecar.deb",
        "/install/deb/%2e%2e/deb/amd64/istio-sidecar.deb",
        "/install/deb/.%2e/deb/amd64/istio-sidecar.deb",
        "/install/%252e%252e/manifest.json",
        "/../manifest.json",
        "/install/../manifest.json",
        "/install/..;/manifest.json",
        "/install/%2e%2e/manifest.json",
        "/install/..%2fmanifest.json",
        "/install/..%5cmanifest.json",
        "/install/%c0%ae%c0%ae/manifest.json",
        "/install/%u002e%u002e/manifest.json",
        "/install/....//manifest.json",
        "/releases/../../../../etc/passwd",
        "/releases/%2e%2e/%2e%2e/etc/passwd",
        "/releases//install/deb/amd64/istio-sidecar.deb",
        "/releases/%00/install/deb/amd64/istio-sidecar.deb",
        "/etc/passwd",
        "/proc/self/environ",
        "//etc/passwd",
        "/install/deb/amd64/istio-sidecar.deb/..",
        "/install/deb/amd64/istio-sidecar.deb%00",
        "/install/deb/amd64/istio-sidecar.deb%00.html",
        "/install/deb/amd64/istio-sidecar.deb%0d%0aX: y",
        "/install/deb/amd64/istio-sidecar.deb;x=1",
        "/install/deb/amd64/istio-sidecar.deb%3fx=1",
        "/install/deb/amd64/istio-sidecar.deb%23",
        "/install/deb/amd64/istio-sidecar.deb%20",
        "/install/deb/amd64/istio-sidecar.deb.",
        "/install/deb/amd64/%",
        "/install/deb/amd64/%zz",
        "/install/deb/%/",
        "/install/deb/..%2f",
        "/install/../",
        "/install/%2e%2e/",
    ]
    .map(str::to_owned)
    .into();
    // Every place in the path, with something doubled, encoded or between.
    for (at, _) in file.match_indices('/') {
        for between in ["/", "./", "../", "%2f", "%2e%2e/", "x/../", "%00", ";/"] {
            targets.push(format!("{}{between}{}", &file[..=at], &file[at + 1..]));
        }
    }
    for (at, letter) in file.char_indices().skip(1).filter(|(_, letter)| *letter != '/') {
        targets.push(format!("{}%{:02x}{}", &file[..at], u32::from(letter), &file[at + 1..]));
    }
    targets.iter().map(|target| (get(target), &[400, 404][..])).collect()
}

/// What may not stand in a request line at all.
fn bytes() -> Vec<Row> {
    let end = " HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut rows: Vec<Row> =
        [&b"\0"[..], b"\x01", b"\x7f", b"\r", b"\n", b"\t", b" ", b"\xff", b"\xc3\x28", b"\x1b[2J"]
            .into_iter()
            .flat_map(|bytes| {
                [(PACKAGE, ""), ("/install/", "/x"), ("/", "")].map(|(before, after)| (bytes, before, after))
            })
            .map(|(bytes, before, after)| {
                (with_bytes(&format!("GET {before}"), bytes, &format!("{after}{end}")), &[0, 400, 404, 505][..])
            })
            .collect();
    rows.extend([
        (get("install/deb/amd64/istio-sidecar.deb"), &[0, 400, 404][..]),
        (get(""), &[0, 400]),
        (get("/install/#/../"), &[200, 400, 404]),
        (format!("GET {PACKAGE}\r\n\r\n").into_bytes(), &[0, 400]),
        (format!("GET {PACKAGE} HTTP/9.9\r\nHost: localhost\r\n\r\n").into_bytes(), &[0, 400, 505]),
        (format!("GET {PACKAGE} HTTP/1.1 \r\nHost: localhost\r\n\r\n").into_bytes(), &[0, 400]),
    ]);
    rows
}

/// More than 16 KiB, and somewhat less.
fn lengths() -> Vec<Row> {
    let long = |length: usize| format!("/install/{}", "a".repeat(length));
    vec![
        (get(&long(10_000)), &[404]),
        (get(&long(20_000)), &[0, 414, 431]),
        (get(&long(70_000)), &[0, 414, 431]),
        (get(&long(1_000_000)), &[0, 414, 431]),
        (get(&format!("/install/?{}", "a".repeat(20_000))), &[0, 414, 431]),
        (get(&"/..".repeat(5000)), &[404]),
        (get(&"/%2e".repeat(4000)), &[404]),
        (get(&"/".repeat(12_000)), &[404]),
        (request(&"A".repeat(20_000), "/"), &[0, 400, 414, 431]),
        (with_bytes("GET / HTTP/1.1\r\nHost: localhost\r\n", &b"X: y\r\n".repeat(10_000), "\r\n"), &[0, 431]),
    ]
}

/// RFC 9112 section 3.2, and RFC 9110 section 9.
fn methods_and_forms() -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "PURGE", "get", "GETX", "G"] {
        for target in [PACKAGE, CHECKSUM, "/install/", "/", "/releases/"] {
            rows.push((request(method, target), &[405]));
        }
        rows.push((request(method, "/install/../manifest.json"), &[404, 405]));
    }
    rows.extend([
        (request("OPTIONS", "*"), &[400, 404, 405][..]),
        (request("GET", "*"), &[400, 404]),
        (request("HEAD", "*"), &[400, 404]),
        (request("CONNECT", "localhost:443"), &[400, 404, 405]),
        (request("CONNECT", "/install/"), &[0, 400, 404, 405]),
        (request("GET", "localhost:443"), &[0, 400, 404]),
        (request("GET", "http://localhost/install/../manifest.json"), &[404]),
        (request("GET", "http://localhost/install/%2e%2e/manifest.json"), &[404]),
        (request("GET", "http://localhost//etc/passwd"), &[404]),
        (request("GET", "file:///etc/passwd"), &[0, 400, 404]),
        (request("GET", "http:///install/"), &[0, 400, 404]),
        (request("GET", "http://"), &[0, 400, 404]),
        (request("GET", "http://a b/install/"), &[0, 400]),
        (request("GET", "http://user:password@localhost/nothing"), &[400, 404]),
        (request("GET", "http://[::1/install/"), &[0, 400]),
        (request("GET", "http://<script>/"), &[0, 400]),
    ]);
    rows
}

/// The row's own answer, and whether the request behind it was answered.
fn ask(site: &Site, request: &[u8]) -> (Option<Answer>, bool) {
    let mut stream = connect(site.server.address);
    // A server that has seen enough does not read the rest.
    let _ = stream.write_all(request);
    // A second request in the same segment could be read as the rest of the first: it comes after the answer.
    let heads = request.starts_with(b"HEAD ");
    let Ok(first) = (if heads { read_head(&mut stream) } else { read_answer(&mut stream) }) else {
        return (None, false);
    };
    let _ = stream.write_all(&get(CHECKSUM));
    let second = read_answer(&mut stream).ok();
    if let Some(second) = &second {
        assert!(second.status == 200 && second.body.len() == CHECKSUM_SIZE, "{second:?}");
    }
    (Some(first), second.is_some())
}

#[test]
fn no_request_line_finds_what_it_should_not_or_breaks_anything() {
    let tree = Tree::new(0, 100_000);
    let mut site = Site::open(&tree, &[]);
    let rows: Vec<Row> = [spellings(), bytes(), lengths(), methods_and_forms()].concat();
    let mut wrong = Vec::new();
    for (request, allowed) in &rows {
        let line = String::from_utf8_lossy(&request[..request.len().min(90)]).into_owned();
        let (answer, goes_on) = ask(&site, request);
        let status = answer.as_ref().map_or(0, |answer| answer.status);
        let is_html = answer.as_ref().is_some_and(|answer| answer.status != 200 && answer.text().contains('<'));
        let closes = answer.as_ref().is_none_or(|answer| answer.header("connection") == Some("close"));
        if !allowed.contains(&status) || is_html || !(goes_on || closes) {
            wrong.push(format!("{status} for {line:?}, going on: {goes_on}, closes: {closes}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    assert!(site.server.is_alive());
    site.serves_others();
    let metrics = testkit::raw::get(site.server.ops, "/metrics").text();
    assert!(!metrics.contains("status=\"5"), "{metrics}");
    println!("{} request lines", rows.len());
}

#[test]
fn http2_finds_no_more() {
    let tree = Tree::new(0, 100_000);
    let site = Site::open(&tree, &[]);
    let dir = tempfile::tempdir().expect("a folder");
    for (path, status) in [
        ("/install/../manifest.json", "404"),
        ("/install/%2e%2e/manifest.json", "404"),
        ("/install%2fdeb/amd64/istio-sidecar.deb", "404"),
        ("/install/deb/amd64/istio-sidecar.deb%00", "404"),
        ("//install/deb/amd64/istio-sidecar.deb", "404"),
        ("/install/deb/amd64/istio-sidecar.deb", "200"),
    ] {
        let url = site.server.url(path);
        let args =
            ["-s", "--http2-prior-knowledge", "--path-as-is", "-o", "out", "-w", "%{http_code} %{http_version}", &url];
        assert_eq!(run(dir.path(), "curl", &args), (true, format!("{status} 2")), "{path}");
    }
    let long = site.server.url(&format!("/install/{}", "a".repeat(20_000)));
    let args = ["-s", "--http2-prior-knowledge", "-o", "out", "-w", "%{http_code}", &long];
    let (_, status) = run(dir.path(), "curl", &args);
    assert!(["000", "400", "414", "431"].contains(&status.as_str()), "{status}");
    site.serves_others();
}
