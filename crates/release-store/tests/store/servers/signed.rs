//! URLs that a VM can use without credentials.

use std::time::Duration;

use artifact::Artifact;
use release_store::{Store, testing::Tree};

use super::{
    Places,
    process::{Answer, Request, Server},
    s3_options,
};
use crate::place::{self, Place};

/// Path and query of a signed URL.
async fn signed_target(store: &Store, artifact: &Artifact, port: u16) -> String {
    let signed = store.signed_url(artifact.sha256, Duration::from_mins(15)).await.expect("it can sign");
    let url = signed.expect("it has credentials");
    url.strip_prefix(&format!("http://127.0.0.1:{port}")).expect("the endpoint's").to_owned()
}

fn gives_the_blob_and_ranges_of_it(port: u16, place: &Place) -> String {
    let (site, tree) = (place.fresh(), Tree::of_version("1:1.0-1"));
    place::run(async {
        site.publish(&tree).await.expect("it can be published");
        let artifact = &tree.manifest.artifacts[0];
        let target = signed_target(&site.open(), artifact, port).await;
        let Answer { status, body } = Request::get(&target).send(port);
        assert!(status == 200 && body == tree.bytes(artifact), "{status}: {}", String::from_utf8_lossy(&body));
        let Answer { status, body } = Request::get(&target).with("Range: bytes=1000-1999").send(port);
        assert!(status == 206 && body == tree.bytes(artifact)[1000..2000], "{status}");
        target
    })
}

/// Another signature of the same form.
fn forged(target: &str, parameter: &str) -> String {
    let (before, signature) = target.split_once(parameter).expect("it is signed");
    let swapped = if signature.starts_with('0') { "1" } else { "0" };
    format!("{before}{parameter}{swapped}{}", &signature[1..])
}

/// `parameter` is the one that holds the signature.
pub(super) fn gives_the_blob_and_only_as_it_was_signed(port: u16, place: &Place, parameter: &str) {
    let target = gives_the_blob_and_ranges_of_it(port, place);
    assert_eq!(Request::get(&forged(&target, parameter)).send(port).status, 403);
}

#[test]
fn an_s3_url_gives_the_blob_and_only_as_it_was_signed() {
    let server = Server::ministack();
    gives_the_blob_and_only_as_it_was_signed(server.port(), &server.s3(), "X-Amz-Signature=");
}

#[test]
fn an_azure_url_gives_the_blob_and_only_as_it_was_signed() {
    let server = Server::azurite();
    gives_the_blob_and_only_as_it_was_signed(server.port(), &server.azure(), "sig=");
}

#[test]
fn a_public_endpoint_is_what_signed_urls_name() {
    let server = Server::ministack();
    let mut options = s3_options(server.port());
    options.public_endpoint = Some("https://packages.example:8443".parse().expect("an endpoint"));
    let site = Place::server(&format!("s3://{}", super::BUCKET), options).fresh();
    place::run(async {
        let digest = Tree::of_version("1:1.0-1").manifest.artifacts[0].sha256;
        let url = site.open().signed_url(digest, Duration::from_mins(1)).await.expect("it can sign");
        let name = digest.to_string();
        let blob = format!("https://packages.example:8443/releases/mesh/store-0/blobs/sha256/{}/{name}?", &name[..2]);
        assert!(url.expect("it has credentials").starts_with(&blob));
    });
}

#[test]
fn memory_and_folders_cannot_sign() {
    place::run(async {
        for place in [Place::memory(), Place::local()] {
            let digest = Tree::of_version("1:1.0-1").manifest.artifacts[0].sha256;
            assert!(place.fresh().open().signed_url(digest, Duration::from_mins(1)).await.is_none());
        }
    });
}
