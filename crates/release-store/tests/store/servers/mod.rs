//! Real servers, each on a port of its own, each with a store in a bucket.

mod faults;
mod google;
mod refused;
mod signed;

use std::{collections::BTreeMap, time::Duration};

use release_store::StoreOptions;
use testkit::{
    process::{self, Server},
    proxy,
    stores::{AZURITE_ACCOUNT, AZURITE_KEY, BUCKET, S3_SETTINGS},
};

use crate::{conformance, place::Place};

/// A server as a place for stores.
trait Places {
    /// With S3's manners.
    fn s3(&self) -> Place;
    /// With Azure's.
    fn azure(&self) -> Place;
}

impl Places for Server {
    fn s3(&self) -> Place {
        Place::server(&format!("s3://{BUCKET}"), s3_options(self.port()))
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
