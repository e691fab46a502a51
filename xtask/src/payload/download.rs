//! Downloads over HTTPS: streamed, hashed while they arrive, resumed after an interruption.

use std::{
    error::Error,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use artifact::Sha256Digest;
use fs_err as fs;
use reqwest::{Client, Response, StatusCode, Url, header};
use sha2::{Digest, Sha256};

use crate::{failure::Diagnose, files, ui::Progress};

/// Long enough for a slow proxy, short enough that nobody waits for a dead one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two pieces of a body.
const READ_TIMEOUT: Duration = Duration::from_mins(1);
const ATTEMPTS: u32 = 5;
/// Doubles with each attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// A file that arrived whole. No other run touches it while this value is there.
#[derive(Debug)]
pub(super) struct Download {
    pub(super) size: u64,
    pub(super) sha256: Sha256Digest,
    pub(super) lock: File,
}

/// A download that did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DownloadError {
    #[error("cannot set up the HTTPS client")]
    Client { source: reqwest::Error },
    #[error("cannot download {url}")]
    Transfer { url: Url, source: reqwest::Error },
    #[error("cannot download {url}: the server answers {status}")]
    Status { url: Url, status: StatusCode },
    #[error("cannot download {url}: {got} of {expected} bytes arrived")]
    Short { url: Url, got: u64, expected: u64 },
    #[error("cannot download {url}: {found}, expected {expected}")]
    Differs { url: Url, expected: Sha256Digest, found: Sha256Digest },
    #[error("cannot store the download of {url} in {}", path.display())]
    Store { url: Url, path: PathBuf, source: io::Error },
}

impl DownloadError {
    /// Whether the same request may succeed later.
    fn is_transient(&self) -> bool {
        match self {
            Self::Transfer { source, .. } => !source.is_builder() && !source.is_redirect() && !is_mistrust(source),
            Self::Status { status, .. } => {
                status.is_server_error()
                    || matches!(*status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
            }
            Self::Short { .. } => true,
            Self::Client { .. } | Self::Differs { .. } | Self::Store { .. } => false,
        }
    }
}

impl Diagnose for DownloadError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Client { .. } => Some("install ca-certificates, or name a file of them in SSL_CERT_FILE".to_owned()),
            Self::Transfer { source, .. } if source.is_connect() => Some(
                "check the network, HTTPS_PROXY, and SSL_CERT_FILE for a private CA; what arrived is kept".to_owned(),
            ),
            Self::Transfer { source, .. } if source.is_redirect() => {
                Some("the server must lead to an `https:` URL, in few steps".to_owned())
            }
            Self::Transfer { .. } | Self::Short { .. } => Some("run it again: it goes on where it stopped".to_owned()),
            Self::Status { status, .. } => Some(match *status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    "take a mirror where it may be downloaded without a password".to_owned()
                }
                _ if self.is_transient() => "run it again later, or take another mirror".to_owned(),
                _ => "check `source` in the manifest and --base-url".to_owned(),
            }),
            Self::Differs { .. } => {
                Some("the file was replaced upstream: find out why before you run `cargo xtask lock`".to_owned())
            }
            Self::Store { .. } => Some("check who owns the path".to_owned()),
        }
    }
}

/// Whether it is about certificates, or the server does not speak TLS: rustls calls both invalid data.
fn is_mistrust(error: &(dyn Error + 'static)) -> bool {
    let Some(io) = error.downcast_ref::<io::Error>() else { return error.source().is_some_and(is_mistrust) };
    // `source` of an I/O error passes over the error that it wraps.
    io.kind() == io::ErrorKind::InvalidData || io.get_ref().is_some_and(|wrapped| is_mistrust(wrapped))
}

/// Brings `url` into `partial`, going on from what an earlier run left there. `expected` is known when the file is locked.
///
/// On success `partial` is whole and synced, and the caller moves it away. A file with the wrong digest is deleted.
pub(super) fn download(
    url: &Url,
    expected: Option<Sha256Digest>,
    partial: &Path,
    progress: &Progress,
) -> Result<Download, DownloadError> {
    let client = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .user_agent(concat!("slipway-xtask/", env!("CARGO_PKG_VERSION")))
        .https_only(true)
        .build()
        .map_err(|source| DownloadError::Client { source })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| DownloadError::Store { url: url.clone(), path: partial.to_owned(), source })?;

    let mut attempt = 0;
    let mut pause = FIRST_PAUSE;
    loop {
        attempt += 1;
        let mut part = Partial::open(url, partial, progress)?;
        let resumed = part.size > 0;
        let result = runtime.block_on(part.fetch(&client, url)).and_then(|()| part.finish(url, expected));
        match result {
            Ok(download) => return Ok(download),
            Err(error @ DownloadError::Differs { .. }) => {
                Partial::discard(url, partial)?;
                // The old piece may have belonged to another file; from scratch it is the server's answer.
                if !resumed {
                    return Err(error);
                }
            }
            Err(error) if error.is_transient() && attempt < ATTEMPTS => {
                std::thread::sleep(pause);
                pause *= 2;
            }
            Err(error) => return Err(error),
        }
    }
}

/// The file that a download grows in, with the entity tag that tells whether the server still has the same file.
struct Partial<'a> {
    path: &'a Path,
    file: File,
    hasher: Sha256,
    size: u64,
    progress: &'a Progress,
}

impl<'a> Partial<'a> {
    fn tag_path(path: &Path) -> PathBuf {
        path.with_extension("etag")
    }

    fn discard(url: &Url, path: &Path) -> Result<(), DownloadError> {
        for file in [path, &Self::tag_path(path)] {
            remove(file).map_err(|source| DownloadError::Store { url: url.clone(), path: file.to_owned(), source })?;
        }
        Ok(())
    }

    /// Waits until no other run has the file, and hashes what is there already.
    fn open(url: &Url, path: &'a Path, progress: &'a Progress) -> Result<Self, DownloadError> {
        let open = || -> io::Result<Self> {
            if let Some(dir) = path.parent() {
                fs::create_dir_all(dir)?;
            }
            let mut file = loop {
                let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
                files::lock(&file, || progress.waits("waits for another download of the same URL"))?;
                // The run that had it may have moved it into the cache, where nobody may write any more.
                if is_at(&file, path)? {
                    break file;
                }
            };
            let mut hasher = Sha256::new();
            let mut size = 0;
            let mut buffer = vec![0; 1 << 16];
            loop {
                let read = file.read(&mut buffer)?;
                if read == 0 {
                    break;
                }
                hasher.update(&buffer[..read]);
                size += read as u64;
            }
            Ok(Self { path, file, hasher, size, progress })
        };
        open().map_err(|source| DownloadError::Store { url: url.clone(), path: path.to_owned(), source })
    }

    async fn fetch(&mut self, client: &Client, url: &Url) -> Result<(), DownloadError> {
        let transfer =
            |source: reqwest::Error| DownloadError::Transfer { url: url.clone(), source: source.without_url() };
        let mut request = client.get(url.clone());
        let tag = fs::read_to_string(Self::tag_path(self.path)).ok().filter(|_| self.size > 0);
        if let Some(tag) = &tag {
            request = request.header(header::RANGE, format!("bytes={}-", self.size)).header(header::IF_RANGE, tag);
        }
        let mut response = request.send().await.map_err(transfer)?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if tag.is_some() && starts_at(&response, self.size) => {}
            StatusCode::OK => self.restart(&response).map_err(|source| self.store(url, source))?,
            // The piece is longer than the file, or the server cannot count: begin again.
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                Self::discard(url, self.path)?;
                return Err(DownloadError::Short { url: url.clone(), got: 0, expected: self.size });
            }
            status => return Err(DownloadError::Status { url: url.clone(), status }),
        }
        let expected = response.content_length().map(|rest| self.size + rest);
        while let Some(piece) = response.chunk().await.map_err(transfer)? {
            self.file.write_all(&piece).map_err(|source| self.store(url, source))?;
            self.hasher.update(&piece);
            self.size += piece.len() as u64;
            self.progress.add(piece.len() as u64);
        }
        match expected {
            Some(expected) if expected != self.size => {
                Err(DownloadError::Short { url: url.clone(), got: self.size, expected })
            }
            _ => Ok(()),
        }
    }

    /// Empties the file and remembers the tag of what is about to arrive. Without one the next run starts over.
    fn restart(&mut self, response: &Response) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.hasher = Sha256::new();
        self.size = 0;
        let strong = |tag: &&str| !tag.starts_with("W/");
        match response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok()).filter(strong) {
            Some(tag) => fs::write(Self::tag_path(self.path), tag),
            None => remove(&Self::tag_path(self.path)),
        }
    }

    fn finish(self, url: &Url, expected: Option<Sha256Digest>) -> Result<Download, DownloadError> {
        self.file.sync_all().map_err(|source| self.store(url, source))?;
        let sha256 = Sha256Digest::from_hasher(self.hasher.clone());
        match expected {
            Some(expected) if expected != sha256 => {
                Err(DownloadError::Differs { url: url.clone(), expected, found: sha256 })
            }
            _ => {
                remove(&Self::tag_path(self.path)).map_err(|source| self.store(url, source))?;
                Ok(Download { size: self.size, sha256, lock: self.file })
            }
        }
    }

    fn store(&self, url: &Url, source: io::Error) -> DownloadError {
        DownloadError::Store { url: url.clone(), path: self.path.to_owned(), source }
    }
}

/// Removes a file that may be gone.
fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })
}

/// Whether the open file is the one that has this name now.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let open = file.metadata()?;
    match path.metadata() {
        Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn starts_at(response: &Response, offset: u64) -> bool {
    response
        .headers()
        .get(header::CONTENT_RANGE)
        .and_then(|range| range.to_str().ok())
        .and_then(|range| range.strip_prefix("bytes ")?.split_once('-')?.0.parse::<u64>().ok())
        == Some(offset)
}
