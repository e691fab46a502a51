//! Real servers, each on a port of its own, each with a store in a bucket.

mod balancer;
mod ceph;
mod faults;
mod google;
mod refused;
mod signed;

use std::{collections::BTreeMap, process::Command, time::Duration};

use http::Method;
use object_store::{aws::AmazonS3Builder, path::Path, signer::Signer};
use release_store::StoreOptions;
use testkit::{
    process::{self, Request, Server, rust_tool},
    proxy,
    stores::{AZURITE_ACCOUNT, AZURITE_KEY, BUCKET, S3_SETTINGS},
};

use crate::{
    conformance,
    place::{self, Place},
};

/// Of all clients that are not there to lose it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Swift names an account and a user of it.
const SWIFT_USER: &str = "test:test";

/// Looks whether an object is there, and then writes it: several writers may find none.
fn s3s_fs() -> Server {
    let server = Server::start(|port, dir| {
        let mut command = Command::new(rust_tool("s3s-fs"));
        command.args(["--host", "127.0.0.1", "--access-key", "test", "--secret-key", "test", "--port"]);
        command.arg(port.to_string()).arg(dir);
        command
    });
    create_bucket(server.port(), "test");
    server
}

/// Knows no conditional puts, and says so.
fn swift() -> Server {
    let server = Server::start(|port, dir| {
        // Debian's own: its Swift is for no other Python.
        let mut command = Command::new("/usr/bin/python3");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/store/servers/swift_store.py");
        command.arg(script).arg(port.to_string()).arg(dir);
        command
    });
    create_bucket(server.port(), SWIFT_USER);
    server
}

/// For servers that let nobody in without a signature. The user is called as in [`s3_options_of`].
fn create_bucket(port: u16, user: &str) {
    let builder = AmazonS3Builder::new().with_endpoint(format!("http://127.0.0.1:{port}")).with_allow_http(true);
    let builder = builder.with_bucket_name(BUCKET).with_access_key_id(user).with_secret_access_key("test");
    let bucket = builder.with_region("us-east-1").build().expect("it is set up whole");
    let url = place::run(bucket.signed_url(Method::PUT, &Path::default(), Duration::from_mins(1)));
    let url = url.expect("it has credentials");
    let target = format!("{}?{}", url.path(), url.query().unwrap_or_default());
    let answer = Request::put(&target).send(port);
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// A server as a place for stores.
trait Places {
    /// With S3's manners.
    fn s3(&self) -> Place;
    /// With S3's manners, and names as Swift wants them.
    fn s3_by_swift(&self) -> Place;
    /// With Azure's.
    fn azure(&self) -> Place;
}

impl Places for Server {
    fn s3(&self) -> Place {
        Place::server(&format!("s3://{BUCKET}"), s3_options(self.port()))
    }

    fn s3_by_swift(&self) -> Place {
        Place::server(&format!("s3://{BUCKET}"), s3_options_of(SWIFT_USER, self.port()))
    }

    fn azure(&self) -> Place {
        let settings = [("azure_storage_account_name", AZURITE_ACCOUNT), ("azure_storage_account_key", AZURITE_KEY)];
        Place::server(&format!("az://{BUCKET}"), options(&settings, &format!("{}/{AZURITE_ACCOUNT}", self.url())))
    }
}

/// Reached directly, or through a proxy at another port.
fn s3_options(port: u16) -> StoreOptions {
    options(&S3_SETTINGS, &format!("http://127.0.0.1:{port}"))
}

fn s3_options_of(user: &str, port: u16) -> StoreOptions {
    let settings = S3_SETTINGS.map(|(key, value)| (key, if key == "aws_access_key_id" { user } else { value }));
    options(&settings, &format!("http://127.0.0.1:{port}"))
}

fn options(settings: &[(&str, &str)], endpoint: &str) -> StoreOptions {
    StoreOptions {
        endpoint: Some(endpoint.parse().expect("an endpoint")),
        settings: settings
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>(),
        patience: PATIENCE,
        ..StoreOptions::default()
    }
}

#[test]
fn s3_by_ministack_conforms() {
    conformance::run(&Server::ministack().s3());
}

#[test]
fn s3_by_moto_conforms() {
    conformance::run(&Server::moto().s3());
}

#[test]
fn azure_by_azurite_conforms() {
    conformance::run(&Server::azurite().azure());
}

#[test]
fn garbage_collection_takes_nothing_from_a_publish_to_s3() {
    crate::garbage::takes_nothing_from_a_publish(&Server::ministack().s3());
}
