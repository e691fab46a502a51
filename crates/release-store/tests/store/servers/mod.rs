//! Real servers, each on a port of its own, each with a store in a bucket.

mod balancer;
mod ceph;
mod faults;
mod google;
mod process;
mod proxy;
mod refused;
mod signed;

use std::{collections::BTreeMap, process::Command, time::Duration};

use http::Method;
use object_store::{aws::AmazonS3Builder, path::Path, signer::Signer};
use release_store::StoreOptions;

use crate::{
    conformance,
    place::{self, Place},
};
use process::{Request, Server, node_tool, python_tool, rust_tool};

/// The bucket, or container, of every server here.
const BUCKET: &str = "releases";

/// Of all clients that are not there to lose it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Swift names an account and a user of it.
const SWIFT_USER: &str = "test:test";

/// Azurite's one account, with the key that everybody knows.
const AZURITE_ACCOUNT: &str = "devstoreaccount1";
const AZURITE_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

impl Server {
    fn ministack() -> Self {
        let server = Self::start(|port, dir| {
            let mut command = Command::new(python_tool("ministack"));
            command.env("GATEWAY_PORT", port.to_string()).env("HOME", dir);
            command
        });
        server.with_s3_bucket()
    }

    fn moto() -> Self {
        let server = Self::start(|port, _| {
            let mut command = Command::new(python_tool("moto_server"));
            command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
            command
        });
        server.with_s3_bucket()
    }

    /// Takes conditional puts and overwrites all the same, as Garage does.
    fn fauxqs() -> Self {
        let server = Self::start(|port, dir| {
            let mut command = Command::new(node_tool("fauxqs"));
            command.env("FAUXQS_PORT", port.to_string()).env("FAUXQS_HOST", "127.0.0.1").current_dir(dir);
            command
        });
        server.with_s3_bucket()
    }

    /// Looks whether an object is there, and then writes it: several writers may find none.
    fn s3s_fs() -> Self {
        let server = Self::start(|port, dir| {
            let mut command = Command::new(rust_tool("s3s-fs"));
            command.args(["--host", "127.0.0.1", "--access-key", "test", "--secret-key", "test", "--port"]);
            command.arg(port.to_string()).arg(dir);
            command
        });
        Self::create_bucket(server.port(), "test");
        server
    }

    /// Knows no conditional puts, and says so.
    fn swift() -> Self {
        let server = Self::start(|port, dir| {
            // Debian's own: its Swift is for no other Python.
            let mut command = Command::new("/usr/bin/python3");
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/store/servers/swift_store.py");
            command.arg(script).arg(port.to_string()).arg(dir);
            command
        });
        Self::create_bucket(server.port(), SWIFT_USER);
        server
    }

    fn azurite() -> Self {
        let server = Self::start(|port, dir| {
            let mut command = Command::new(node_tool("azurite-blob"));
            command
                .args([
                    "--silent",
                    "--disableTelemetry",
                    "--skipApiVersionCheck",
                    "--blobHost",
                    "127.0.0.1",
                    "--blobPort",
                ])
                .arg(port.to_string())
                .arg("--location")
                .arg(dir);
            command
        });
        // A container needs a signed request, which only this test needs: Python has all that it takes.
        let made = Command::new(python_tool("python"))
            .args(["-c", include_str!("azurite_container.py"), &server.url(), AZURITE_ACCOUNT, AZURITE_KEY, BUCKET])
            .status()
            .expect("Python is installed");
        assert!(made.success());
        server
    }

    fn with_s3_bucket(self) -> Self {
        let answer = Request::put(&format!("/{BUCKET}")).send(self.port());
        assert_eq!(answer.status, 200, "{answer:?}");
        self
    }

    /// For servers that let nobody in without a signature. The user is called as in [`Self::s3_options`].
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

    /// Reached directly, or through a proxy at another port.
    fn s3_options(port: u16) -> StoreOptions {
        Self::s3_options_of("test", port)
    }

    fn s3_options_of(user: &str, port: u16) -> StoreOptions {
        let settings = [("aws_access_key_id", user), ("aws_secret_access_key", "test"), ("aws_region", "us-east-1")];
        options(&settings, &format!("http://127.0.0.1:{port}"))
    }

    fn azure_options(&self) -> StoreOptions {
        let settings = [("azure_storage_account_name", AZURITE_ACCOUNT), ("azure_storage_account_key", AZURITE_KEY)];
        options(&settings, &format!("{}/{AZURITE_ACCOUNT}", self.url()))
    }

    fn s3(&self) -> Place {
        Place::server(&format!("s3://{BUCKET}"), Self::s3_options(self.port()))
    }

    fn s3_by_swift(&self) -> Place {
        Place::server(&format!("s3://{BUCKET}"), Self::s3_options_of(SWIFT_USER, self.port()))
    }

    fn azure(&self) -> Place {
        Place::server(&format!("az://{BUCKET}"), self.azure_options())
    }
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
