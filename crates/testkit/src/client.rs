//! Connections as a test wants them: from any loopback address, with hardly any buffer, in the open or over TLS.

use std::{
    fs,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::{
    pairs::Pairs,
    raw::{Answer, read_answer},
};

/// No read or write takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How to reach a server.
#[derive(Debug, Clone)]
pub struct Dial {
    to: SocketAddr,
    from: Ipv4Addr,
    receive_buffer: Option<usize>,
    tls: Option<Arc<ClientConfig>>,
}

/// A connection.
#[derive(Debug)]
pub enum Wire {
    /// In the open.
    Open(TcpStream),
    /// Over TLS.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Dial {
    /// In the open.
    #[must_use]
    pub const fn open(to: SocketAddr) -> Self {
        Self { to, from: Ipv4Addr::LOCALHOST, receive_buffer: None, tls: None }
    }

    /// Over TLS, to a server that shows the first of `pairs`.
    #[must_use]
    pub fn tls(to: SocketAddr, pairs: &Pairs) -> Self {
        let mut roots = RootCertStore::empty();
        let pem = fs::read(pairs.path("tls.crt")).expect("our own folder");
        roots.add(CertificateDer::from_pem_slice(&pem).expect("a certificate")).expect("a certificate");
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider's own")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { tls: Some(Arc::new(config)), ..Self::open(to) }
    }

    /// From another address of this machine.
    #[must_use]
    pub const fn from(mut self, address: Ipv4Addr) -> Self {
        self.from = address;
        self
    }

    /// With a receive buffer of so many bytes, or the least that the kernel allows.
    #[must_use]
    pub const fn with_receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// A socket on which nothing was said yet, also where TLS is spoken.
    pub fn socket(&self) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SockAddr::from(SocketAddr::from((self.from, 0))))?;
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.connect_timeout(&SockAddr::from(self.to), PATIENCE)?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// A connection on which a request can be sent.
    pub fn connect(&self) -> io::Result<Wire> {
        let stream = self.socket()?;
        let Some(config) = &self.tls else { return Ok(Wire::Open(stream)) };
        let mut stream = StreamOwned::new(Self::session(config), stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Wire::Tls(Box::new(stream)))
    }

    /// The first bytes of a TLS handshake.
    #[must_use]
    pub fn client_hello(&self) -> Vec<u8> {
        let mut hello = Vec::new();
        let config = self.tls.as_ref().expect("there is no hello without TLS");
        Self::session(config).write_tls(&mut hello).expect("memory takes all");
        hello
    }

    fn session(config: &Arc<ClientConfig>) -> ClientConnection {
        let name = ServerName::try_from("mirror.test").expect("a name");
        ClientConnection::new(Arc::clone(config), name).expect("the settings are whole")
    }

    /// GET on a connection of its own. An answer that ends early is an error.
    pub fn get(&self, path: &str) -> io::Result<Answer> {
        self.connect()?.get(path, "Connection: close\r\n")
    }
}

impl Wire {
    /// GET, and its answer. `fields` end in line ends.
    pub fn get(&mut self, path: &str, fields: &str) -> io::Result<Answer> {
        self.ask(path, fields)?;
        read_answer(self)
    }

    /// GET, whose answer nobody reads yet.
    pub fn ask(&mut self, path: &str, fields: &str) -> io::Result<()> {
        self.write_all(format!("GET {path} HTTP/1.1\r\nHost: mirror.test\r\n{fields}\r\n").as_bytes())?;
        self.flush()
    }

    /// What lies below.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Open(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }

    /// Leaves without a word of TLS or TCP but a reset.
    pub fn reset(self) {
        let socket = match self {
            Self::Open(stream) => stream,
            Self::Tls(stream) => stream.into_parts().1,
        };
        socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).expect("a socket");
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Open(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Open(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Open(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
