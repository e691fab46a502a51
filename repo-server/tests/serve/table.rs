//! What a request gets, by the words of RFC 9110 and 9112: one table, asked of this server and of nginx.
//!
//! Where the two differ, the row says how and why: the RFC leaves a choice, or nginx is not as strict.

use std::net::SocketAddr;

use super::{
    nginx::Nginx,
    raw::{Answer, exchange, get},
    server::Server,
    tree::{CHECKSUM, MODIFIED, PACKAGE, Tree},
};

/// A second before [`MODIFIED`], and one after it.
const EARLIER: &str = "Tue, 14 Nov 2023 22:13:19 GMT";
const LATER: &str = "Tue, 14 Nov 2023 22:13:21 GMT";

/// A checksum file has 84 bytes: `istio-sidecar.deb` and the digest.
const WHOLE: &str = "200 len=84";

struct Row {
    /// `{etag}` stands for the entity tag of the checksum file, which each server makes in its own way.
    request: String,
    expected: &'static str,
    nginx: &'static str,
}

impl Row {
    /// The bytes of a request, and the answers as `summary` writes them.
    fn raw(request: impl Into<String>, expected: &'static str) -> Self {
        Self { request: request.into(), expected, nginx: expected }
    }

    /// A request on a connection of its own.
    fn of(method: &str, path: &str, fields: &[&str], expected: &'static str) -> Self {
        let fields = fields.iter().fold(String::new(), |lines, field| lines + field + "\r\n");
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n");
        Self::raw(request, expected)
    }

    /// For a checksum file.
    fn get(fields: &[&str], expected: &'static str) -> Self {
        Self::of("GET", CHECKSUM, fields, expected)
    }

    /// The reason is for whoever reads the table.
    fn but_nginx(self, nginx: &'static str, _reason: &'static str) -> Self {
        assert_ne!(nginx, self.expected, "no difference: {}", self.request);
        Self { nginx, ..self }
    }
}

/// RFC 9110 section 13.
fn conditions() -> Vec<Row> {
    let modified = |name: &str| format!("{name}: {MODIFIED}");
    let earlier = |name: &str| format!("{name}: {EARLIER}");
    let later = |name: &str| format!("{name}: {LATER}");
    let range = "Range: bytes=0-9";
    let part = "206 bytes 0-9/84 len=10";
    vec![
        Row::get(&[], WHOLE),
        Row::get(&["If-None-Match: {etag}"], "304"),
        Row::get(&["If-None-Match: \"x\", {etag}"], "304"),
        Row::get(&["If-None-Match: W/{etag}"], "304"),
        Row::get(&["If-None-Match: *"], "304"),
        Row::get(&["If-None-Match: \"x\""], WHOLE),
        Row::get(&["If-Match: {etag}"], WHOLE),
        Row::get(&["If-Match: *"], WHOLE),
        Row::get(&["If-Match: \"x\""], "412"),
        Row::get(&["If-Match: W/{etag}"], "412"),
        Row::get(&[&modified("If-Modified-Since")], "304"),
        Row::get(&[&later("If-Modified-Since")], "304"),
        Row::get(&[&earlier("If-Modified-Since")], WHOLE),
        Row::get(&["If-Modified-Since: never"], WHOLE),
        Row::get(&[&modified("If-Unmodified-Since")], WHOLE),
        Row::get(&[&later("If-Unmodified-Since")], WHOLE),
        Row::get(&[&earlier("If-Unmodified-Since")], "412"),
        // Tags go before dates, section 13.2.2.
        Row::get(&["If-None-Match: \"x\"", &modified("If-Modified-Since")], WHOLE),
        Row::get(&["If-Match: {etag}", &earlier("If-Unmodified-Since")], WHOLE)
            .but_nginx("412", "looks at the date as well; section 13.1.4 says it must be ignored"),
        Row::get(&[range, "If-Range: {etag}"], part),
        Row::get(&[range, "If-Range: \"x\""], WHOLE),
        Row::get(&[range, "If-Range: W/{etag}"], WHOLE),
        Row::get(&[range, &modified("If-Range")], part),
        Row::get(&[range, &earlier("If-Range")], WHOLE),
        Row::get(&[range, &later("If-Range")], WHOLE),
        Row::get(&[range, "If-None-Match: {etag}"], "304"),
        Row::get(&[range, "If-Match: \"x\""], "412"),
    ]
}

/// RFC 9110 section 14.
fn ranges() -> Vec<Row> {
    let many: Vec<String> = (0..17).map(|index| format!("{0}-{0}", index * 2)).collect();
    let of = |range: &str, expected| Row::get(&[&format!("Range: {range}")], expected);
    let invalid = "refuses it, and we ignore it; section 14.2 permits both, and a client is better off with the file";
    vec![
        of("bytes=0-9", "206 bytes 0-9/84 len=10"),
        of("bytes=-5", "206 bytes 79-83/84 len=5"),
        of("bytes=80-", "206 bytes 80-83/84 len=4"),
        of("bytes=83-83", "206 bytes 83-83/84 len=1"),
        of("bytes=0-9999", "206 bytes 0-83/84 len=84"),
        of("bytes=-999999", "206 bytes 0-83/84 len=84"),
        of("bytes= 0-9", "206 bytes 0-9/84 len=10"),
        of("bytes=84-", "416 bytes */84"),
        of("bytes=9999-", "416 bytes */84"),
        of("bytes=-0", "416 bytes */84"),
        of("items=0-1", WHOLE),
        of("bytes=0-9999999999999999999999", "206 bytes 0-83/84 len=84").but_nginx(
            "416 bytes */84",
            "takes it for malformed; section 14.1.2: all that is beyond the end is the end",
        ),
        of("bytes=5-2", WHOLE).but_nginx("416 bytes */84", invalid),
        of("bytes=abc", WHOLE).but_nginx("416 bytes */84", invalid),
        of("bytes=0-5,3-9", "206 bytes 0-9/84 len=10")
            .but_nginx("206 len=207", "sends parts that overlap; section 15.3.7.2 lets a server join them"),
        of(&format!("bytes={}", many.join(",")), WHOLE).but_nginx(
            "206 len=1480",
            "sends 1480 bytes of a file of 84; section 14.2: many small ranges may be ignored",
        ),
        of("bytes=0-,0-,0-", "206 bytes 0-83/84 len=84")
            .but_nginx(WHOLE, "ignores what adds up to more than the file; either may be done, section 14.2"),
        Row::of("HEAD", CHECKSUM, &["Range: bytes=0-9"], WHOLE).but_nginx(
            "206 bytes 0-9/84 len=10",
            "section 14.2: ranges are defined for GET alone, and ignored elsewhere",
        ),
    ]
}

fn methods() -> Vec<Row> {
    let mut rows = vec![
        Row::of("HEAD", CHECKSUM, &[], WHOLE),
        Row::of("HEAD", PACKAGE, &[], "200 len=3000000"),
        Row::of("HEAD", CHECKSUM, &["If-None-Match: {etag}"], "304"),
        Row::of("POST", "/nothing", &[], "404"),
    ];
    for path in [PACKAGE, CHECKSUM, "/install/", "/"] {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"] {
            let row = Row::of(method, path, &[], "405 allow=GET, HEAD");
            // nginx has no listings here.
            let nginx = if method == "POST" && path.ends_with('/') { "403" } else { "405" };
            rows.push(row.but_nginx(nginx, "RFC 9110 section 15.5.6: a 405 says what is allowed"));
        }
    }
    rows
}

/// Paths are compared as they came: whatever is encoded, doubled or dotted names nothing.
fn paths() -> Vec<Row> {
    let of = |path: &str, expected| Row::of("GET", path, &[], expected);
    let normal =
        "decodes and joins first, as RFC 3986 section 6.2.2 permits; here nothing is decoded, so nothing leads out";
    let out = "says that it leads out; here it names nothing, like any other name that nothing has";
    vec![
        of(&format!("{CHECKSUM}?x=1"), WHOLE),
        of("/install/deb", "301 to /install/deb/"),
        of("/nothing", "404"),
        of("/install/deb/amd64/istio-sidecar.rpm", "404"),
        of("/install/deb/x86_64/istio-sidecar.deb", "404"),
        of("/install/deb/amd64/ISTIO-SIDECAR.DEB", "404"),
        of(&format!("{CHECKSUM}/"), "404"),
        of(&format!("/{CHECKSUM}"), "404").but_nginx(WHOLE, normal),
        of("/install//deb/amd64/istio-sidecar.deb.sha256", "404").but_nginx(WHOLE, normal),
        of("/install%2fdeb/amd64/istio-sidecar.deb.sha256", "404").but_nginx(WHOLE, normal),
        of("/install/deb/%61md64/istio-sidecar.deb.sha256", "404").but_nginx(WHOLE, normal),
        of("/install/./deb/amd64/istio-sidecar.deb.sha256", "404").but_nginx(WHOLE, normal),
        of("/install/rpm/../deb/amd64/istio-sidecar.deb.sha256", "404").but_nginx(WHOLE, normal),
        of("/install/rpm/%2e%2e/deb/amd64/istio-sidecar.deb.sha256", "404").but_nginx(WHOLE, normal),
        of("/install/../etc/passwd", "404"),
        of("/install/..%2fetc/passwd", "404"),
        of("/../../etc/passwd", "404").but_nginx("400", out),
        of("/%2e%2e/%2e%2e/etc/passwd", "404").but_nginx("400", out),
        of("/install/%2f../%2f../etc/passwd", "404").but_nginx("400", out),
        of(&format!("{CHECKSUM}%00"), "404").but_nginx("400", "takes it for malformed; here it names nothing"),
    ]
}

/// RFC 9112: versions, forms, connections, and requests that two servers may read in two ways.
fn messages() -> Vec<Row> {
    let one = format!("GET {CHECKSUM} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let last = format!("GET {CHECKSUM} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let head = |fields: &str| format!("GET {CHECKSUM} HTTP/1.1\r\n{fields}\r\n");
    let length = last.len();
    let content = "takes content; RFC 9110 section 9.3.1: refusing it keeps two servers from reading it in two ways";
    vec![
        Row::raw(format!("GET {CHECKSUM} HTTP/1.0\r\n\r\n"), WHOLE),
        Row::raw(
            format!("GET http://localhost{CHECKSUM} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
            WHOLE,
        ),
        Row::get(&["Content-Length: 0"], WHOLE),
        Row::get(&["Expect: 100-continue"], WHOLE)
            .but_nginx("100, 200 len=84", "RFC 9110 section 10.1.1: without content, the 100 may be left out"),
        Row::raw(one.repeat(3) + &last, "200 len=84, 200 len=84, 200 len=84, 200 len=84"),
        Row::raw(head(""), "400"),
        Row::raw(head("Host: a\r\nHost: b\r\n"), "400"),
        Row::raw(head("Host: a b\r\n"), "400"),
        // A request as content, and one after it.
        Row::raw(head(&format!("Host: x\r\nContent-Length: {length}\r\n")) + &last.repeat(2), "400")
            .but_nginx("200 len=84, 200 len=84", content),
        Row::raw(head("Host: x\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n" + &last, "400")
            .but_nginx("200 len=84, 200 len=84", content),
        Row::raw(head("Host: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n" + &last, "400"),
        Row::raw(head("Host: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n") + "0\r\n\r\n" + &last, "400"),
        Row::raw(head("Host : x\r\n"), "400"),
        Row::raw(head(&format!("Host: x\r\nX: {}\r\n", "y".repeat(70_000))), "431")
            .but_nginx("400", "RFC 6585 section 5 has a status for this"),
        Row::raw("GET\r\n\r\n", "400"),
        Row::raw("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}\r\n\r\n", "400"),
    ]
}

/// The parts of the answers that a table can hold.
fn summary(answers: &[Answer], is_head: bool) -> String {
    let one = |answer: &Answer| {
        let has_file = matches!(answer.status, 200 | 206);
        let length = answer.header("content-length").filter(|_| has_file);
        if has_file && !is_head {
            assert_eq!(length, Some(answer.body.len().to_string().as_str()));
        }
        let said = [
            answer.header("content-range").map(str::to_owned),
            length.map(|length| format!("len={length}")),
            answer.header("allow").map(|allow| format!("allow={allow}")),
            answer.header("location").map(|location| format!("to {location}")),
        ];
        std::iter::once(answer.status.to_string()).chain(said.into_iter().flatten()).collect::<Vec<_>>().join(" ")
    };
    answers.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Every row that is answered differently, in words.
fn differences(address: SocketAddr, expected: impl Fn(&Row) -> &'static str) -> Vec<String> {
    let etag = get(address, CHECKSUM).header("etag").expect("always").to_owned();
    let ask = |row: &Row| {
        let request = row.request.replace("{etag}", &etag);
        let answered = summary(&exchange(address, request.as_bytes()), request.starts_with("HEAD "));
        (answered != expected(row)).then(|| format!("{request:.300}\n  got {answered:?}, not {:?}\n", expected(row)))
    };
    [conditions(), ranges(), methods(), paths(), messages()].iter().flatten().filter_map(ask).collect()
}

fn tree() -> Tree {
    Tree::new(0, 3_000_000)
}

#[test]
fn every_row_is_answered_as_it_says() {
    let tree = tree();
    let server = Server::start(&tree);
    let found = differences(server.address, |row| row.expected);
    assert!(found.is_empty(), "{}", found.concat());
}

#[test]
fn nginx_answers_the_same_but_where_the_row_has_a_reason() {
    let tree = tree();
    for path in [CHECKSUM, PACKAGE] {
        let file = std::fs::File::options().append(true).open(tree.file(path)).expect("it is in the tree");
        let modified = httpdate::parse_http_date(MODIFIED).expect("a date");
        file.set_modified(modified).expect("our own file");
    }
    let nginx = Nginx::start(&tree);
    let found = differences(nginx.address, |row| row.nginx);
    assert!(found.is_empty(), "{}", found.concat());
}
