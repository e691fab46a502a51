//! Real servers, each on a port of its own, each with a store in a bucket.

mod faults;
mod google;
mod process;
mod proxy;
mod refused;
mod signed;

use std::{collections::BTreeMap, process::Command, time::Duration};

use release_store::StoreOptions;

use crate::{conformance, place::Place};
use process::{Request, Server, node_tool, python_tool};

/// The bucket, or container, of every server here.
const BUCKET: &str = "releases";

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

    /// Reached directly, or through a proxy at another port.
    fn s3_options(port: u16) -> StoreOptions {
        let settings = [("aws_access_key_id", "test"), ("aws_secret_access_key", "test"), ("aws_region", "us-east-1")];
        options(&settings, &format!("http://127.0.0.1:{port}"))
    }

    fn azure_options(&self) -> StoreOptions {
        let settings = [("azure_storage_account_name", AZURITE_ACCOUNT), ("azure_storage_account_key", AZURITE_KEY)];
        options(&settings, &format!("{}/{AZURITE_ACCOUNT}", self.url()))
    }

    fn s3(&self) -> Place {
        Place::server(&format!("s3://{BUCKET}"), Self::s3_options(self.port()))
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
        patience: Duration::from_secs(30),
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
