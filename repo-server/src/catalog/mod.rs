//! What is served: the current release, and earlier ones under their own URIs.

mod listing;
mod page;
mod release;
mod resource;

use std::{sync::Arc, time::Instant};

pub use listing::{Entry, Listing};
pub use page::{STYLE, page};
pub use release::Release;
pub use resource::{Content, Follows, Lifetime, RELEASE, Reply, Resource};

/// Everything that can be asked for at one moment. A switch of releases replaces it whole.
#[derive(Debug)]
pub struct Catalog {
    /// Newest first; the first is the current one.
    releases: Vec<Arc<Release>>,
    /// When this process began to serve the current one.
    pub since: Instant,
}

/// Where releases have their own URIs.
pub const RELEASES: &str = "/releases/";

/// A file that a path names, with the release that it is from.
#[derive(Debug)]
pub struct Hit<'a> {
    /// Its release.
    pub release: &'a Arc<Release>,
    /// The file.
    pub resource: &'a Arc<Resource>,
    /// Whether the path names the release.
    pub lifetime: Lifetime,
}

impl Catalog {
    /// `releases` newest first.
    #[must_use]
    pub fn new(current: Arc<Release>, earlier: Vec<Arc<Release>>) -> Self {
        let mut releases = vec![current];
        releases.extend(earlier);
        Self { releases, since: Instant::now() }
    }

    /// The same current release, since the same moment, after others.
    #[must_use]
    pub fn with_earlier(&self, earlier: Vec<Arc<Release>>) -> Self {
        Self { since: self.since, ..Self::new(Arc::clone(self.current()), earlier) }
    }

    /// The release behind the documented URIs.
    #[must_use]
    pub fn current(&self) -> &Arc<Release> {
        self.releases.first().expect("a catalog is made from at least one release")
    }

    /// All that have URIs, newest first.
    #[must_use]
    pub fn releases(&self) -> &[Arc<Release>] {
        &self.releases
    }

    /// A release by its id.
    #[must_use]
    pub fn release(&self, id: &str) -> Option<&Arc<Release>> {
        self.releases.iter().find(|release| &*release.id == id)
    }

    /// The file at a path. Paths are compared as they are: whatever is encoded, doubled or dotted names nothing.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Hit<'_>> {
        let current = self.current();
        if let Some(resource) = current.file(path) {
            return Some(Hit { release: current, resource, lifetime: Lifetime::Current });
        }
        let (release, path) = self.in_release(path)?;
        Some(Hit { release, resource: release.file(path)?, lifetime: Lifetime::Release })
    }

    /// Splits `/releases/<id>/...` into the release and the path in it.
    #[must_use]
    pub fn in_release<'p>(&self, path: &'p str) -> Option<(&Arc<Release>, &'p str)> {
        let rest = path.strip_prefix(RELEASES)?;
        let slash = rest.find('/')?;
        let (id, path) = rest.split_at(slash);
        Some((self.release(id)?, path))
    }
}
