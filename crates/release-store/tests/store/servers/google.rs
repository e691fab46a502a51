//! **A fake** of the part of Google Cloud Storage's XML API that a store uses: no emulator that can be installed has it.
//! It shows that requests for `gs://` are well formed and that its conditional create is asked for; no more.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Write,
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use super::{BUCKET, options, proxy::read_message};
use crate::{conformance, place::Place};

/// So few that listings have several pages.
const PAGE: usize = 5;

/// All objects are of this time, which is also the store's present.
const MODIFIED: &str = "Mon, 24 Nov 2025 16:00:00 GMT";
const MODIFIED_XML: &str = "2025-11-24T16:00:00.000Z";

#[derive(Default)]
struct Bucket(Mutex<BTreeMap<String, Object>>);

#[derive(Clone)]
struct Object {
    content: Vec<u8>,
    generation: usize,
}

struct Reply {
    status: &'static str,
    headers: String,
    body: Vec<u8>,
}

impl Reply {
    fn empty(status: &'static str) -> Self {
        Self { status, headers: String::new(), body: Vec::new() }
    }
}

impl Bucket {
    fn start() -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let bucket = Arc::new(Self::default());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let bucket = Arc::clone(&bucket);
                std::thread::spawn(move || {
                    let _ = bucket.serve(client);
                });
            }
        });
        port
    }

    fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        let (head, body) = read_message(&mut client)?;
        let line = head.lines().next().unwrap_or_default();
        let (method, target) = (line.split(' ').next().unwrap_or_default(), line.split(' ').nth(1).unwrap_or_default());
        let Reply { status, headers, mut body } = self.answer(method, target, &head, body);
        let length = body.len();
        if method == "HEAD" {
            body.clear();
        }
        let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n");
        client.write_all(head.as_bytes())?;
        client.write_all(&body)
    }

    fn answer(&self, method: &str, target: &str, head: &str, body: Vec<u8>) -> Reply {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let Some(name) = path.strip_prefix(&format!("/{BUCKET}")) else { return Reply::empty("404 Not Found") };
        let name = decoded(name.trim_start_matches('/'));
        match method {
            "PUT" => self.put(name, header(head, "x-goog-if-generation-match"), body),
            "GET" if name.is_empty() => self.list(query),
            "GET" | "HEAD" => self.get(&name, header(head, "range")),
            "DELETE" => match self.objects().remove(&name) {
                Some(_) => Reply::empty("204 No Content"),
                None => Reply::empty("404 Not Found"),
            },
            _ => Reply::empty("405 Method Not Allowed"),
        }
    }

    fn objects(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Object>> {
        self.0.lock().expect("no thread panics")
    }

    fn put(&self, name: String, condition: Option<&str>, content: Vec<u8>) -> Reply {
        let mut objects = self.objects();
        let there = objects.get(&name).map_or(0, |object| object.generation);
        if condition.is_some_and(|wanted| wanted != there.to_string()) {
            return Reply::empty("412 Precondition Failed");
        }
        let object = Object { content, generation: there + 1 };
        let headers = object.headers();
        objects.insert(name, object);
        Reply { status: "200 OK", headers, body: Vec::new() }
    }

    fn get(&self, name: &str, range: Option<&str>) -> Reply {
        let Some(object) = self.objects().get(name).cloned() else { return Reply::empty("404 Not Found") };
        let (mut headers, all) = (object.headers(), object.content.len());
        let Some(range) = range else { return Reply { status: "200 OK", headers, body: object.content } };
        let (first, last) = range.trim_start_matches("bytes=").split_once('-').expect("one range");
        let (first, last): (usize, usize) = (first.parse().expect("a number"), last.parse().expect("a number"));
        write!(headers, "Content-Range: bytes {first}-{last}/{all}\r\n").expect("memory");
        Reply { status: "206 Partial Content", headers, body: object.content[first..=last].to_vec() }
    }

    fn list(&self, query: &str) -> Reply {
        let argument = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(key, _)| *key == name).map(|(_, value)| decoded(value)).next().unwrap_or_default()
        };
        assert_eq!(argument("list-type"), "2");
        let (prefix, after) = (argument("prefix"), argument("start-after").max(argument("continuation-token")));
        let objects = self.objects();
        let mut found = objects.iter().filter(|(name, _)| name.starts_with(&prefix) && **name > after);
        let mut xml = "<?xml version='1.0' encoding='UTF-8'?><ListBucketResult>".to_owned();
        let mut last = None;
        for (name, object) in found.by_ref().take(PAGE) {
            let size = object.content.len();
            write!(
                xml,
                "<Contents><Key>{name}</Key><Size>{size}</Size><LastModified>{MODIFIED_XML}</LastModified>\
                 <ETag>\"{}\"</ETag></Contents>",
                object.generation
            )
            .expect("memory");
            last = Some(name);
        }
        if let (Some(last), Some(_)) = (last, found.next()) {
            write!(xml, "<NextContinuationToken>{last}</NextContinuationToken>").expect("memory");
        }
        xml += "</ListBucketResult>";
        Reply { status: "200 OK", headers: "Content-Type: application/xml\r\n".to_owned(), body: xml.into_bytes() }
    }
}

impl Object {
    fn headers(&self) -> String {
        let generation = self.generation;
        format!("ETag: \"{generation}\"\r\nx-goog-generation: {generation}\r\nLast-Modified: {MODIFIED}\r\n")
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
}

fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at(2);
        plain.push(char::from(u8::from_str_radix(digits, 16).expect("two digits")));
        plain += rest;
    }
    plain
}

#[test]
fn google_cloud_storage_as_a_fake_has_it_conforms() {
    let key = r#"{"disable_oauth": true, "client_email": "", "private_key": "", "private_key_id": ""}"#;
    let options = options(&[("google_service_account_key", key)], &format!("http://127.0.0.1:{}", Bucket::start()));
    conformance::run(&Place::server(&format!("gs://{BUCKET}"), options));
}
