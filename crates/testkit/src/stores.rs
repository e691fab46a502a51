//! Object stores that can be installed, each on a port of its own, with an empty bucket.

use std::process::Command;

use crate::process::{Request, Server, node_tool, python_tool};

/// The bucket, or container, of every server here.
pub const BUCKET: &str = "releases";

/// Azurite's one account, with the key that everybody knows.
pub const AZURITE_ACCOUNT: &str = "devstoreaccount1";
/// Its key.
pub const AZURITE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// What the servers with S3's manners take: they check the form of signatures and not whose they are.
pub const S3_SETTINGS: [(&str, &str); 3] =
    [("aws_access_key_id", "test"), ("aws_secret_access_key", "test"), ("aws_region", "us-east-1")];

impl Server {
    /// S3 with conditional writes.
    #[must_use]
    pub fn ministack() -> Self {
        let server = Self::start(|port, dir| {
            let mut command = Command::new(python_tool("ministack"));
            command.env("GATEWAY_PORT", port.to_string()).env("HOME", dir);
            command
        });
        server.with_s3_bucket()
    }

    /// S3 with conditional writes, by others.
    #[must_use]
    pub fn moto() -> Self {
        let server = Self::start(|port, _| {
            let mut command = Command::new(python_tool("moto_server"));
            command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
            command
        });
        server.with_s3_bucket()
    }

    /// Takes conditional puts and overwrites all the same, as Garage does.
    #[must_use]
    pub fn fauxqs() -> Self {
        let server = Self::start(|port, dir| {
            let mut command = Command::new(node_tool("fauxqs"));
            command.env("FAUXQS_PORT", port.to_string()).env("FAUXQS_HOST", "127.0.0.1").current_dir(dir);
            command
        });
        server.with_s3_bucket()
    }

    /// Azure's blobs.
    #[must_use]
    pub fn azurite() -> Self {
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
}
