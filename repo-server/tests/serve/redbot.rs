//! redbot, which knows HTTP's rules and asks again with conditions and ranges to see whether a server means what it says.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{
    raw::get,
    server::{Server, run},
    tree::{CHECKSUM, PACKAGE, Tree},
};

/// What redbot says of one resource, as its name for it and in words.
struct Notes(Vec<(String, String, String)>);

impl Notes {
    fn with_level(&self, levels: &[&str]) -> Vec<(&str, &str)> {
        let notes = self.0.iter().filter(|(level, _, _)| levels.contains(&level.as_str()));
        notes.map(|(_, id, summary)| (id.as_str(), summary.as_str())).collect()
    }
}

/// Asks for a URL with fields as `Name: value`.
fn judge(url: &str, fields: &[&str], status: u64) -> Notes {
    let env = std::env::var_os("SLIPWAY_REDBOT").map(PathBuf::from);
    let env = env.expect("SLIPWAY_REDBOT does not name the environment that has redbot: run `cargo xtask test`");
    let python = env.join("bin/python").display().to_string();
    let args = [&["-c", include_str!("redbot.py"), url], fields].concat();
    let (ok, text) = run(Path::new("/"), &python, &args);
    assert!(ok, "{url}: {text}");
    let har: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{url}: {error}: {text}"));
    let entry = &har["log"]["entries"][0];
    assert_eq!(entry["response"]["status"].as_u64(), Some(status), "{url}: {text}");
    let text = |note: &Value, name: &str| note[name].as_str().expect("every note has it").to_owned();
    let notes = entry["_red_messages"].as_array().expect("a list").iter();
    Notes(notes.map(|note| (text(note, "level"), text(note, "note_id"), text(note, "summary"))).collect())
}

/// aria2 checks a download by RFC 3230's field and knows no other; its successor is sent beside it.
const DIGEST: (&str, &str) = ("FIELD_DEPRECATED", "The Digest header is deprecated.");

/// redbot asks for the first 97 bytes, which is all of a checksum file.
const SHORT: (&str, &str) = ("RANGE_CL_FULL", "The partial response has a Content-Length equal to the full response.");

#[test]
fn redbot_finds_nothing_but_what_is_meant() {
    let tree = Tree::new(0, 300_000);
    let server = Server::start(&tree);
    let release = get(server.address, PACKAGE).header("slipway-release").expect("always").to_owned();
    let pinned = |path: &str| format!("/releases/{release}{path}");
    let json = &["Accept: application/json"][..];
    // What it tried out and found to work, so that it is seen to have tried.
    let (conditions, ranges) = (&["IMS_304", "INM_304"][..], &["IMS_304", "INM_304", "RANGE_CORRECT"][..]);
    for (path, fields, status, meant, works) in [
        (PACKAGE, &[][..], 200, &[DIGEST][..], ranges),
        (CHECKSUM, &[], 200, &[DIGEST, SHORT], ranges),
        (&pinned(PACKAGE), &[], 200, &[DIGEST], ranges),
        (&pinned(CHECKSUM), &[], 200, &[DIGEST, SHORT], ranges),
        ("/install/rpm/arm64/onboarding-agent.rpm", &[], 200, &[DIGEST, SHORT], ranges),
        ("/", &[], 200, &[], conditions),
        ("/install/", &[], 200, &[], conditions),
        ("/install/", json, 200, &[], conditions),
        (&pinned("/install/deb/amd64/"), json, 200, &[], conditions),
        ("/install", &[], 301, &[], &[]),
        ("/nothing", &[], 404, &[], &[]),
    ] {
        let notes = judge(&server.url(path), fields, status);
        assert_eq!(notes.with_level(&["BAD", "WARN"]), meant, "{path} {fields:?}");
        let mut found: Vec<&str> = notes.with_level(&["GOOD"]).into_iter().map(|(id, _)| id).collect();
        found.retain(|id| works.contains(id));
        found.sort_unstable();
        assert_eq!(found, works, "{path} {fields:?}: {:?}", notes.0);
    }
}
