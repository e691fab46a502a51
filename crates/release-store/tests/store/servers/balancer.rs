//! What stands in front of gateways: spreads connections, and passes over a gateway that is gone.

use std::{
    io,
    net::{Shutdown, TcpListener, TcpStream},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// Listens at the port that it returns, until the test program ends.
pub(super) fn before(gateways: Vec<u16>) -> u16 {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let turn = NEXT.fetch_add(1, Ordering::Relaxed) % gateways.len();
            let mut order = gateways[turn..].iter().chain(&gateways[..turn]);
            let gateway = order.find_map(|port| TcpStream::connect(("127.0.0.1", *port)).ok());
            // Without one, the client's connection ends here.
            if let Some(gateway) = gateway {
                let _ = join(&client, &gateway);
            }
        }
    });
    port
}

/// Copies both ways. An end on either side ends both: gateways answer before they hang up.
fn join(client: &TcpStream, gateway: &TcpStream) -> io::Result<()> {
    for (from, to) in [(client, gateway), (gateway, client)] {
        let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
    Ok(())
}
