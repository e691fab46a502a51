//! Certificates and their keys.

use std::{fs, path::PathBuf};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

/// A folder with pairs of certificate and key, all for `mirror.test`, and for `localhost` for clients that cannot be told
/// where a name leads.
#[derive(Debug)]
pub struct Pairs {
    dir: tempfile::TempDir,
}

impl Default for Pairs {
    fn default() -> Self {
        Self::new()
    }
}

impl Pairs {
    /// With `tls.crt` and `tls.key`.
    #[must_use]
    pub fn new() -> Self {
        let pairs = Self { dir: tempfile::tempdir().expect("a folder") };
        pairs.make("tls", 2020, 2096);
        pairs
    }

    /// Where a file of it stands.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `<name>.crt` and `<name>.key`; good from the beginning of one year to the end of another.
    pub fn make(&self, name: &str, from: i32, to: i32) {
        let mut params = CertificateParams::new(["mirror.test", "localhost"].map(str::to_owned)).expect("a name");
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 12, 31);
        let key = KeyPair::generate().expect("randomness");
        let certificate = params.self_signed(&key).expect("a certificate");
        fs::write(self.path(&format!("{name}.crt")), certificate.pem()).expect("our own folder");
        fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).expect("our own folder");
    }

    /// Puts a copy of a file in the place of another.
    pub fn replace(&self, from: &str, to: &str) {
        // As a secret is renewed: each file whole or not at all.
        fs::copy(self.path(from), self.path("renewed")).expect("our own folder");
        fs::rename(self.path("renewed"), self.path(to)).expect("our own folder");
    }

    /// What `repo-server serve` is told of it.
    #[must_use]
    pub fn flags(&self) -> Vec<String> {
        ["--tls-cert", "tls.crt", "--tls-key", "tls.key"]
            .chunks(2)
            .flat_map(|pair| [pair[0].to_owned(), self.path(pair[1]).display().to_string()])
            .collect()
    }
}
