//! A server from its first to its last breath: sockets, threads, signals.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    num::NonZeroU16,
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use release_store::{Access, Store, StoreOptions};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info, warn};

use super::{
    access_log::AccessLog,
    app::App,
    config::{Config, Origin, StoreOrigin},
    connection::{Connector, Limits},
    disk_cache::{CacheError, DiskCache},
    follow::{self, FollowError, Follower, StoreFollower, TreeFollower},
    front::Front,
    metrics::Transport,
    ops,
    redirect::Redirector,
    rest,
    room::Room,
    source::StoreSource,
    tls::{Certificates, TlsError},
};

/// Threads that may wait for disks.
const BLOCKING_THREADS: usize = 16;
/// How long a disk that does not answer holds up the end.
const LAST_READS: Duration = Duration::from_secs(1);
/// Files that are no connections: packages, sockets, timers.
const OTHER_FILES: u64 = 256;
/// How many connections the kernel holds that were not accepted yet.
const BACKLOG: i32 = 1024;

/// A server that cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// An address cannot be had.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Certificate or key.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The cache on disk.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// What is to be served.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// The system gives no threads, timers or signals.
    #[error("cannot start")]
    System {
        /// Why.
        #[from]
        source: io::Error,
    },
}

impl ServeError {
    /// The next step.
    #[must_use]
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                Some("another program has it: end that one, or take another port".to_owned())
            }
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("ports below 1024 need CAP_NET_BIND_SERVICE, or a socket unit of systemd".to_owned())
            }
            Self::Listen { .. } => Some("check --listen, --ops-listen and --redirect-listen".to_owned()),
            Self::Tls(error) => error.hint(),
            Self::Cache(_) => Some(CacheError::HINT.to_owned()),
            Self::Follow(error) => error.hint(),
            Self::System { .. } => None,
        }
    }
}

/// Whether a server could start with this; nothing is bound and nothing served.
pub(crate) fn check(config: &Config) -> Result<String, ServeError> {
    if let Some(files) = &config.tls {
        Certificates::load(files.clone())?.server_config()?;
    }
    let manifest = match &config.origin {
        Origin::Dir(root) => follow::check_tree(root)?,
        Origin::Store(_) => {
            let source = open_store(&config.origin)?.expect("it is a store");
            runtime()?.block_on(follow::check_store(&source.store))?.manifest
        }
    };
    Ok(format!("{} packages of version {}", manifest.artifacts.len(), manifest.version))
}

fn open_store(origin: &Origin) -> Result<Option<StoreSource>, ServeError> {
    let Origin::Store(origin) = origin else { return Ok(None) };
    let StoreOrigin { url, endpoint, redirect, cache } = &**origin;
    let public_endpoint = redirect.as_ref().and_then(|redirect| redirect.public_endpoint.clone());
    let options = StoreOptions { endpoint: endpoint.clone(), public_endpoint, ..StoreOptions::default() };
    let store = Store::open(url, &options, Access::Read).map_err(FollowError::from)?;
    let cache = cache.as_ref().map(DiskCache::open).transpose()?.map(Arc::new);
    let redirector = redirect.as_ref().map(|redirect| Arc::new(Redirector::new(store.clone(), redirect.valid)));
    Ok(Some(StoreSource { store, cache, redirector }))
}

/// Serves until SIGTERM or SIGINT.
pub(crate) fn run(config: &Config) -> Result<(), ServeError> {
    raise_file_limit(config.max_connections);
    let access_log = AccessLog::start(config.access_log)?;
    // The one that outlives all others: blobs and releases come by it.
    let control = runtime()?;
    let background = control.handle().clone();
    let transport = if config.tls.is_some() { Transport::Tls } else { Transport::Open };
    let app = App::new(config.memory, config.pair_window, access_log, config.proxies.clone(), background, transport);
    let app = Arc::new(app);
    let certificates = config.tls.clone().map(Certificates::load).transpose()?;
    let acceptor = certificates.as_ref().map(Certificates::server_config).transpose()?;
    let acceptor = acceptor.map(|tls| TlsAcceptor::from(Arc::new(tls)));

    let store = open_store(&config.origin)?;
    let tree = match &config.origin {
        Origin::Dir(root) => {
            let mut follower = TreeFollower::new(root.clone(), Arc::clone(&app));
            // A folder that is wrong now is a mistake; a store may just not be reachable yet.
            control.block_on(follower.look())?;
            Some(follower)
        }
        Origin::Store(_) => None,
    };

    let main = match inherited()? {
        Some(listener) => listener,
        None => listen(config.listen)?,
    };
    let address = main.local_addr()?;
    let mut doors = vec![Door {
        listener: main,
        front: Front::new(Arc::clone(&app), rest::router(Arc::clone(&app))),
        tls: acceptor,
    }];
    if let Some(redirect) = config.redirect_listen {
        let port = config.public_port.map_or(address.port(), NonZeroU16::get);
        let front = Front::redirecting(Arc::clone(&app), port);
        doors.push(Door { listener: listen(redirect)?, front, tls: None });
    }
    let ops = config.ops_listen.map(listen).transpose()?;

    let (end, ending) = watch::channel(false);
    let room = Room::new(&app, config.max_connections, config.max_connections_per_address);
    let workers = (0..config.threads.get())
        .map(|index| {
            let doors = doors.iter().map(Door::try_clone).collect::<io::Result<Vec<_>>>()?;
            let worker = Worker {
                doors,
                limits: config.limits,
                room: room.clone(),
                ending: ending.clone(),
                deadline: config.shutdown_deadline,
            };
            let runtime = runtime()?;
            std::thread::Builder::new().name(format!("serve-{index}")).spawn(move || worker.run(&runtime))
        })
        .collect::<io::Result<Vec<JoinHandle<()>>>>()?;
    drop(doors);

    let scheme = if certificates.is_some() { "https" } else { "http" };
    info!(%address, scheme, "listening");
    control.block_on(async {
        if let Some(follower) = tree {
            tokio::spawn(follow::follow(follower));
        }
        if let Some(store) = store {
            tokio::spawn(follow::follow(StoreFollower::new(store, Arc::clone(&app))));
        }
        if let Some(certificates) = certificates {
            tokio::spawn(certificates.follow(Arc::clone(&app.metrics)));
        }
        if let Some(ops) = ops {
            info!(address = %ops.local_addr()?, "health and metrics");
            let ops = tokio::net::TcpListener::from_std(ops)?;
            let router = ops::router(Arc::clone(&app));
            tokio::spawn(async move { axum::serve(ops, router).await });
        }
        // Without systemd there is nobody to tell.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        signalled().await?;
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        info!(open = room.open(), "ending; downloads may go on until the deadline");
        app.end();
        let _ = end.send(true);
        // The ops port answers until all downloads are done.
        tokio::task::spawn_blocking(move || workers.into_iter().all(|worker| worker.join().is_ok()))
            .await
            .map_err(io::Error::other)?;
        Ok::<(), io::Error>(())
    })?;
    control.shutdown_timeout(LAST_READS);
    info!("ended");
    app.access_log.finish();
    Ok(())
}

async fn signalled() -> io::Result<()> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().max_blocking_threads(BLOCKING_THREADS).build()
}

/// The default of 1,024 open files is less than the connections that are allowed.
fn raise_file_limit(max_connections: usize) {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        warn!(%error, "the limit of open files stays as it is");
    }
    let needed = max_connections as u64 + OTHER_FILES;
    if let Some(maximum) = limit.maximum.filter(|maximum| *maximum < needed) {
        let hint = "raise LimitNOFILE= of the unit (`ulimit -Hn`), or lower --max-connections";
        warn!(maximum, needed, hint, "fewer files may be open than --max-connections needs");
    }
}

/// A socket that systemd opened, if it did.
fn inherited() -> io::Result<Option<TcpListener>> {
    let listener = listenfd::ListenFd::from_env().take_tcp_listener(0)?;
    if let Some(listener) = &listener {
        listener.set_nonblocking(true)?;
    }
    Ok(listener)
}

fn listen(address: SocketAddr) -> Result<TcpListener, ServeError> {
    let open = || -> io::Result<TcpListener> {
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
        if address.is_ipv6() {
            // `[::]` is for IPv4, too.
            socket.set_only_v6(false)?;
        }
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    open().map_err(|source| ServeError::Listen { address, source })
}

/// A listening socket with what stands behind it. All threads accept from the same socket, so that none has to wait for
/// another, and a socket of systemd is like any other.
struct Door {
    listener: TcpListener,
    front: Front,
    tls: Option<TlsAcceptor>,
}

impl Door {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { listener: self.listener.try_clone()?, front: self.front.clone(), tls: self.tls.clone() })
    }
}

/// One thread that serves.
struct Worker {
    doors: Vec<Door>,
    limits: Limits,
    room: Room,
    ending: watch::Receiver<bool>,
    deadline: Duration,
}

impl Worker {
    fn run(self, runtime: &Runtime) {
        let Self { doors, limits, room, ending, deadline } = self;
        runtime.block_on(async {
            let mut accepting = JoinSet::new();
            for Door { listener, front, tls } in doors {
                let connector = Connector::new(front, limits, tls, ending.clone());
                accepting.spawn(accept(listener, connector, room.clone(), ending.clone(), deadline));
            }
            while let Some(result) = accepting.join_next().await {
                if let Err(error) = result.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
                    warn!(%error, "a thread stopped to accept connections");
                }
            }
        });
    }
}

/// Accepts until the end is said, then waits for what is open.
async fn accept(
    listener: TcpListener,
    connector: Connector,
    room: Room,
    mut ending: watch::Receiver<bool>,
    deadline: Duration,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = ending.changed() => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, address)) => {
                let Some(place) = room.enter(address.ip()) else { continue };
                let connector = connector.clone();
                connections.spawn(async move {
                    let _place = place;
                    if let Err(error) = connector.serve(stream, address).await {
                        debug!(%address, error = &error as &dyn std::error::Error, "connection ended");
                    }
                });
            }
            Err(error) => {
                // Out of files or memory: others may end in the meantime.
                debug!(%error, "cannot accept");
                sleep(Duration::from_millis(20)).await;
            }
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(deadline, all).await.is_err() {
        warn!("the deadline is over; open downloads are cut");
    }
    Ok(())
}
