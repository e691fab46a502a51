//! Whether somebody serves at a socket in the file system.

use std::path::Path;

use rustix::{
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with, sockopt},
    process::Pid,
};

use super::Holder;

/// Who would accept a connection at `path`. A file that a server left behind is nobody's.
pub(super) fn server(path: &Path) -> Option<Holder> {
    // A server with a full queue would have us wait.
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).ok()?;
    match connect(&socket, &SocketAddrUnix::new(path).ok()?) {
        Ok(()) => {
            let Ok(peer) = sockopt::socket_peercred(&socket) else { return Some(Holder::Unknown) };
            // 0 for a process in a PID namespace that is not below ours.
            let pid = u32::try_from(Pid::as_raw(Some(peer.pid))).ok().filter(|&pid| pid != 0);
            Some(Holder::of(pid, peer.uid.as_raw()))
        }
        // The queue is full, so there is one. Only a connection would tell who.
        Err(Errno::AGAIN) => Some(Holder::Unknown),
        Err(_) => None,
    }
}
