//! What every request gets, by the words of RFC 9110 and 9112.

use artifact::Sha256Digest;

use super::{
    raw::{Answer, ask, connect, exchange, get},
    server::Server,
    tree::{CHECKSUM, MODIFIED, PACKAGE, Tree},
};

/// A checksum file has 84 bytes: `istio-sidecar.deb` and the digest.
const SIZE: u64 = 84;

/// The parts of an answer that a table can hold.
fn summary(answer: &Answer) -> String {
    let body = matches!(answer.status, 200 | 206).then(|| format!("len={}", answer.body.len()));
    let allow = answer.header("allow").map(|allow| format!("allow={allow}"));
    let status = answer.status.to_string();
    let range = answer.header("content-range").map(str::to_owned);
    [Some(status), range, body, allow].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn tree() -> Tree {
    Tree::new(0, 3_000_000)
}

#[test]
fn conditions_and_ranges() {
    let tree = tree();
    let server = Server::start(&tree);
    let etag = get(server.address, CHECKSUM).header("etag").expect("always").to_owned();
    let whole = &format!("200 len={SIZE}");
    let many: Vec<String> = (0..17).map(|index| format!("{0}-{0}", index * 2)).collect();
    for (fields, expected) in [
        (String::new(), whole.as_str()),
        (format!("If-None-Match: {etag}\r\n"), "304"),
        (format!("If-None-Match: \"x\", {etag}\r\n"), "304"),
        (format!("If-None-Match: W/{etag}\r\n"), "304"),
        ("If-None-Match: *\r\n".to_owned(), "304"),
        ("If-None-Match: \"x\"\r\n".to_owned(), whole),
        (format!("If-Match: {etag}\r\n"), whole),
        ("If-Match: \"x\"\r\n".to_owned(), "412"),
        (format!("If-Match: W/{etag}\r\n"), "412"),
        (format!("If-Modified-Since: {MODIFIED}\r\n"), "304"),
        ("If-Modified-Since: Tue, 14 Nov 2023 22:13:19 GMT\r\n".to_owned(), whole),
        ("If-Modified-Since: never\r\n".to_owned(), whole),
        (format!("If-Unmodified-Since: {MODIFIED}\r\n"), whole),
        ("If-Unmodified-Since: Tue, 14 Nov 2023 22:13:19 GMT\r\n".to_owned(), "412"),
        (format!("Range: bytes=0-9\r\nIf-Range: {etag}\r\n"), "206 bytes 0-9/84 len=10"),
        ("Range: bytes=0-9\r\nIf-Range: \"x\"\r\n".to_owned(), whole),
        (format!("Range: bytes=0-9\r\nIf-Range: W/{etag}\r\n"), whole),
        (format!("Range: bytes=0-9\r\nIf-Range: {MODIFIED}\r\n"), "206 bytes 0-9/84 len=10"),
        ("Range: bytes=0-9\r\nIf-Range: Tue, 14 Nov 2023 22:13:19 GMT\r\n".to_owned(), whole),
        (format!("Range: bytes=0-9\r\nIf-None-Match: {etag}\r\n"), "304"),
        ("Range: bytes=0-9\r\n".to_owned(), "206 bytes 0-9/84 len=10"),
        ("Range: bytes=-5\r\n".to_owned(), "206 bytes 79-83/84 len=5"),
        ("Range: bytes=80-\r\n".to_owned(), "206 bytes 80-83/84 len=4"),
        ("Range: bytes=0-9999\r\n".to_owned(), "206 bytes 0-83/84 len=84"),
        ("Range: bytes=-999999\r\n".to_owned(), "206 bytes 0-83/84 len=84"),
        ("Range: bytes=0-9999999999999999999999\r\n".to_owned(), "206 bytes 0-83/84 len=84"),
        ("Range: bytes= 0-9\r\n".to_owned(), "206 bytes 0-9/84 len=10"),
        ("Range: bytes=9999-\r\n".to_owned(), "416 bytes */84"),
        ("Range: bytes=-0\r\n".to_owned(), "416 bytes */84"),
        ("Range: bytes=5-2\r\n".to_owned(), whole),
        ("Range: bytes=abc\r\n".to_owned(), whole),
        ("Range: items=0-1\r\n".to_owned(), whole),
        ("Range: bytes=0-5,3-9\r\n".to_owned(), "206 bytes 0-9/84 len=10"),
        (format!("Range: bytes={}\r\n", many.join(",")), whole),
        ("Range: bytes=0-,0-,0-\r\n".to_owned(), "206 bytes 0-83/84 len=84"),
    ] {
        assert_eq!(summary(&ask(server.address, "GET", CHECKSUM, &fields)), expected, "{fields}");
    }
}

#[test]
fn head_says_what_get_says_and_ignores_ranges() {
    let tree = tree();
    let server = Server::start(&tree);
    for path in [PACKAGE, CHECKSUM, "/install/", "/", "/nothing"] {
        let mut get = get(server.address, path);
        let mut head = ask(server.address, "HEAD", path, "Range: bytes=0-9\r\n");
        assert!(head.body.is_empty(), "{path}");
        for answer in [&mut get, &mut head] {
            answer.headers.retain(|(name, _)| name != "date");
        }
        assert_eq!((head.status, head.headers), (get.status, get.headers), "{path}");
    }
}

#[test]
fn several_ranges_come_as_parts() {
    let tree = tree();
    let server = Server::start(&tree);
    let whole = get(server.address, PACKAGE).body;
    let parts = ask(server.address, "GET", PACKAGE, "Range: bytes=0-1,2999990-,1048570-1048585\r\n");
    assert_eq!(parts.status, 206);
    let media_type = parts.header("content-type").expect("always");
    let boundary = media_type.strip_prefix("multipart/byteranges; boundary=").expect("parts").to_owned();
    let mut expected = Vec::new();
    for (range, bytes) in [
        ("0-1", &whole[..2]),
        ("2999990-2999999", &whole[2_999_990..]),
        ("1048570-1048585", &whole[1_048_570..1_048_586]),
    ] {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: application/vnd.debian.binary-package\r\nContent-Range: bytes {range}/3000000\r\n\r\n"
        );
        expected.extend_from_slice(head.as_bytes());
        expected.extend_from_slice(bytes);
    }
    expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    assert_eq!(parts.body, expected);
}

#[test]
fn files_say_what_they_are() {
    let tree = tree();
    let server = Server::start(&tree);
    for (path, media_type) in [
        (PACKAGE, "application/vnd.debian.binary-package"),
        ("/install/rpm/arm64/onboarding-agent.rpm", "application/x-rpm"),
        (CHECKSUM, "text/plain; charset=utf-8"),
    ] {
        let answer = get(server.address, path);
        let digest = Sha256Digest::of(&answer.body);
        assert_eq!(answer.body, std::fs::read(tree.file(path)).expect("it is in the tree"), "{path}");
        assert_eq!(answer.header("content-type"), Some(media_type));
        assert_eq!(answer.header("etag"), Some(format!("\"{digest}\"").as_str()));
        assert_eq!(answer.header("last-modified"), Some(MODIFIED));
        assert_eq!(answer.header("accept-ranges"), Some("bytes"));
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert!(answer.header("digest").is_some_and(|digest| digest.starts_with("SHA-256=")));
        assert!(answer.header("repr-digest").is_some_and(|digest| digest.starts_with("sha-256=:")));
    }
    let release = get(server.address, PACKAGE).header("slipway-release").expect("always").to_owned();
    let pinned = get(server.address, &format!("/releases/{release}{PACKAGE}"));
    assert_eq!(pinned.header("cache-control"), Some("max-age=31536000, immutable"));
    assert_eq!(pinned.body, get(server.address, PACKAGE).body);
}

#[test]
fn what_is_not_there_is_not_found_however_it_is_written() {
    let tree = tree();
    let server = Server::start(&tree);
    let long = format!("/install/{}", "a".repeat(4000));
    for path in [
        "/install/deb/amd64/istio-sidecar.rpm",
        "/install/deb/x86_64/istio-sidecar.deb",
        "/install/deb/amd64/istio-sidecar.deb/",
        "/install/deb/amd64/ISTIO-SIDECAR.DEB",
        "/install/../etc/passwd",
        "/install/%2e%2e/%2e%2e/etc/passwd",
        "/install/..%2f..%2fetc/passwd",
        "/install%2fdeb/amd64/istio-sidecar.deb",
        "/install/deb/amd64/istio-sidecar.deb%00",
        "//install/deb/amd64/istio-sidecar.deb",
        "/install//deb/amd64/istio-sidecar.deb",
        "/install/./deb/amd64/istio-sidecar.deb",
        "/install/deb/amd64/%69stio-sidecar.deb",
        "/install/istio-sidecar/stable/deb/amd64/istio-sidecar.deb",
        "/releases/1/install/deb/amd64/istio-sidecar.deb",
        "/releases/../install/",
        "/manifest.json",
        "/metrics",
        "/healthz",
        "/index.html",
        &long,
    ] {
        let answer = get(server.address, path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.text().contains("<html"), "{path}");
    }
    for (path, status) in [("/install/deb/amd64/istio-sidecar.deb?x=1", 200), ("/install/?C=M", 200)] {
        assert_eq!(get(server.address, path).status, status, "{path}");
    }
}

#[test]
fn other_methods_are_not_allowed() {
    let tree = tree();
    let server = Server::start(&tree);
    for path in [PACKAGE, CHECKSUM, "/install/", "/"] {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"] {
            let answer = ask(server.address, method, path, "");
            assert_eq!(summary(&answer), "405 allow=GET, HEAD", "{method} {path}");
        }
    }
    assert_eq!(ask(server.address, "POST", "/nothing", "").status, 404);
}

#[test]
fn requests_that_two_servers_may_read_in_two_ways_end_the_connection() {
    let tree = tree();
    let server = Server::start(&tree);
    let smuggled = format!("GET {CHECKSUM} HTTP/1.1\r\nHost: x\r\n\r\n");
    for request in [
        format!("GET {CHECKSUM} HTTP/1.1\r\n\r\n"),
        format!("GET {CHECKSUM} HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        format!("GET {CHECKSUM} HTTP/1.1\r\nHost: a b\r\n\r\n"),
        format!("GET {CHECKSUM} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{smuggled}", smuggled.len()),
        format!("GET {CHECKSUM} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!(
            "GET {CHECKSUM} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
        ),
        format!("GET {CHECKSUM} HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(70_000)),
        "GET\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}\r\n\r\n".to_owned(),
    ] {
        let answers = exchange(server.address, request.as_bytes());
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert!(matches!(statuses[..], [] | [400 | 431]), "{statuses:?} for {request:.120}");
    }
}

#[test]
fn old_clients_and_proxies_are_served() {
    let tree = tree();
    let server = Server::start(&tree);
    let size = usize::try_from(SIZE).expect("small");
    for request in [
        format!("GET {CHECKSUM} HTTP/1.0\r\n\r\n"),
        format!("GET http://localhost{CHECKSUM} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
        format!("GET {CHECKSUM} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    ] {
        let answers = exchange(server.address, request.as_bytes());
        assert_eq!(answers.iter().map(|answer| (answer.status, answer.body.len())).collect::<Vec<_>>(), [(200, size)]);
    }
    let one = format!("GET {CHECKSUM} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let last = format!("GET {CHECKSUM} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let answers = exchange(server.address, (one.repeat(3) + &last).as_bytes());
    assert_eq!(answers.len(), 4, "pipelined");
}

#[test]
fn folders_list_what_is_in_them() {
    let tree = tree();
    let server = Server::start(&tree);
    let listing = get(server.address, "/install/deb/amd64/");
    assert_eq!(listing.header("content-type"), Some("text/html; charset=utf-8"));
    let text = listing.text();
    let links: Vec<&str> = text.split("<a href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(text.contains("<pre>"));
    assert_eq!(
        links,
        ["../", "istio-sidecar.deb", "istio-sidecar.deb.sha256", "onboarding-agent.deb", "onboarding-agent.deb.sha256"]
    );
    // Every folder can be reached from the top, and every link leads to something.
    let mut folders = vec!["/install/".to_owned(), "/releases/".to_owned()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        let text = get(server.address, &folder).text();
        for link in text.split("<a href=\"").skip(2).filter_map(|rest| rest.split('"').next()) {
            let path = format!("{folder}{link}");
            if link.ends_with('/') {
                folders.push(path);
            } else {
                assert_eq!(ask(server.address, "HEAD", &path, "").status, 200, "{path}");
                files += 1;
            }
        }
    }
    // 12 packages and their checksums, below /install/ and once more below /releases/.
    assert_eq!(files, 48);

    let moved = get(server.address, "/install/deb");
    assert_eq!((moved.status, moved.header("location")), (301, Some("/install/deb/")));
    let json = ask(server.address, "GET", "/install/deb/amd64/", "Accept: application/json\r\n");
    let json: serde_json::Value = serde_json::from_slice(&json.body).expect("JSON");
    let first = &json["entries"][0];
    assert_eq!((first["name"].as_str(), first["size"].as_u64()), (Some("istio-sidecar.deb"), Some(3_000_000)));
    assert_eq!(first["sha256"].as_str().map(str::len), Some(64));
}

#[test]
fn an_idle_connection_and_a_slow_head_end_in_time() {
    use std::io::{Read, Write};
    let tree = tree();
    let server = Server::with(&tree, &["--head-timeout", "1"]);
    for start in ["", "GET / HTT", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut stream = connect(server.address);
        stream.write_all(start.as_bytes()).expect("the server reads");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap_or_else(|error| panic!("still open after 10 s: {error}"));
    }
}
