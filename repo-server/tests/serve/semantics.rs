//! What answers hold: files, parts, listings, and nothing that is not for the public. The rest is in the table.

use artifact::Sha256Digest;

use super::{
    raw::{ask, connect, get},
    server::Server,
    tree::{CHECKSUM, MODIFIED, PACKAGE, Tree},
};

fn tree() -> Tree {
    Tree::new(0, 3_000_000)
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
fn what_is_not_for_the_public_is_not_found() {
    let tree = tree();
    let server = Server::start(&tree);
    let long = format!("/install/{}", "a".repeat(4000));
    for path in [
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
    // As links of nginx's and Apache's listings ask for an order.
    assert_eq!(get(server.address, "/install/?C=M").status, 200);
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
