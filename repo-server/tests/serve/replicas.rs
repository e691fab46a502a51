//! Several servers that share nothing but the store, behind a load balancer.

use std::net::Ipv4Addr;

use artifact::Sha256Digest;
use release_store::testing::Tree as Release;
use testkit::{client::Dial, raw::Answer};

use super::{
    nginx::Nginx,
    server::Server,
    store::{CHECKSUM, PACKAGE, Site, serves},
};

const REPLICAS: usize = 3;
const CLIENTS: u8 = 24;

fn get(balancer: &Nginx, client: u8, path: &str) -> Answer {
    let dial = Dial::open(balancer.address).from(Ipv4Addr::new(127, 0, 2, client));
    dial.get(path).expect("somebody answers")
}

#[test]
fn each_follows_the_store_pairs_agree_and_one_may_die() {
    let site = Site::new();
    site.publish(&Release::of_version("1:1-1"));
    let mut replicas: Vec<Server> = (0..REPLICAS).map(|_| site.serve(&["--trusted-proxy", "127.0.0.1"])).collect();
    for replica in &replicas {
        serves(replica, "1");
    }
    let addresses: Vec<_> = replicas.iter().map(|replica| replica.address).collect();
    let balancer = Nginx::before(&addresses);

    let packages: Vec<Answer> = (0..CLIENTS).map(|client| get(&balancer, client, PACKAGE)).collect();
    site.publish(&Release::of_version("1:2-1"));
    for replica in &replicas {
        serves(replica, "2");
    }
    for (client, package) in (0..CLIENTS).zip(&packages) {
        assert_eq!((package.status, package.header("slipway-release")), (200, Some("1")));
        let sum = get(&balancer, client, CHECKSUM).text();
        assert!(sum.starts_with(&Sha256Digest::of(&package.body).to_string()), "{client}: {sum}");
    }
    let busy = replicas.iter().filter(|replica| replica.metric("slipway_sticky_answers_total") > 0).count();
    assert_eq!(busy, REPLICAS, "the work was shared");

    drop(replicas.remove(0));
    for client in 100..100 + CLIENTS {
        let answer = get(&balancer, client, PACKAGE);
        assert_eq!((answer.status, answer.header("slipway-release")), (200, Some("2")), "{client}");
        assert!(get(&balancer, client, CHECKSUM).text().starts_with(&Sha256Digest::of(&answer.body).to_string()));
    }
}
