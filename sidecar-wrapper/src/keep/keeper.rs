//! The keeper's own work.

use std::{
    io,
    io::{Read, Write},
    os::{
        fd::AsFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    process::{Command, ExitCode, Stdio},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    thread,
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions},
};

use super::{KEEPER_NAME, Order, Report, orphans::sweep};

/// The main process while it may be signalled: as long as nobody has waited for it.
type Main = Arc<Mutex<Option<Pid>>>;

/// Starts `program`, keeps its processes together, and returns when all of them have ended.
///
/// Stdin leads to the wrapper. Everything else is inherited by the program.
pub fn keep(program: &std::ffi::OsStr, args: &[std::ffi::OsString]) -> io::Result<ExitCode> {
    let socket = wrapper()?;
    crate::signals::start_afresh()?;
    rustix::thread::set_name(KEEPER_NAME)?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    // systemd and people may signal all processes of a service. To ignore a signal would be inherited by the program.
    let unheard = Arc::new(AtomicBool::new(false));
    for signal in crate::signals::caught() {
        signal_hook::flag::register(signal, Arc::clone(&unheard))?;
    }

    let mut reports = socket.try_clone()?;
    let child = Command::new("/proc/self/exe")
        .arg0("sidecar-wrapper")
        .arg("become")
        .arg(std::process::id().to_string())
        .arg("--")
        .arg(program)
        .args(args)
        .stdin(Stdio::null())
        // A terminal's signals are for the wrapper alone.
        .process_group(0)
        .spawn();
    let pid = match child {
        Ok(child) => Pid::from_child(&child),
        Err(error) => {
            report(&mut reports, Report::Failed { errno: error.raw_os_error().unwrap_or_default() });
            return Ok(ExitCode::SUCCESS);
        }
    };
    report(&mut reports, Report::Started { pid: pid.as_raw_pid().unsigned_abs() });

    let main: Main = Arc::new(Mutex::new(Some(pid)));
    let obeyed = Arc::clone(&main);
    thread::Builder::new().stack_size(64 << 10).spawn(move || obey(socket, &obeyed))?;

    let status = reap_until(pid, &main)?;
    report(&mut reports, Report::Ended { status });
    let killed = sweep(&[])?;
    report(&mut reports, Report::Swept { killed });
    Ok(ExitCode::SUCCESS)
}

/// Waits for whatever process ends, until it is `pid`; gives its status.
fn reap_until(pid: Pid, main: &Main) -> io::Result<i32> {
    loop {
        // Nothing is waited for yet, so that no signal can go to a process that has got the number since.
        match rustix::process::waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let mut signalled = main.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((ended, status)) = rustix::process::wait(WaitOptions::NOHANG)? {
            if ended == pid {
                *signalled = None;
                return Ok(status.as_raw());
            }
        }
    }
}

/// Does what the wrapper says, until it is gone.
fn obey(mut socket: UnixStream, main: &Main) {
    let mut byte = [0];
    loop {
        let order = match socket.read(&mut byte) {
            // The wrapper has ended.
            Ok(0) => Order::Kill,
            Ok(_) => match Order::from_byte(byte[0]) {
                Some(order) => order,
                None => continue,
            },
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => Order::Kill,
        };
        let signal = match order {
            Order::Terminate => Signal::TERM,
            Order::Kill => Signal::KILL,
        };
        if let Some(pid) = *main.lock().unwrap_or_else(PoisonError::into_inner) {
            // It is ours and was not waited for: this cannot fail.
            let _ = rustix::process::kill_process(pid, signal);
        }
        if order == Order::Kill {
            return;
        }
    }
}

/// A wrapper that is gone reads nothing, and that changes nothing here.
fn report(socket: &mut impl Write, report: Report) {
    let mut line = serde_json::to_vec(&report).expect("plain data is always JSON");
    line.push(b'\n');
    let _ = socket.write_all(&line);
}

/// The socket that the wrapper has put in the place of stdin.
fn wrapper() -> io::Result<UnixStream> {
    let stdin = io::stdin().as_fd().try_clone_to_owned()?;
    // Whoever calls this by hand has a terminal or a file there.
    rustix::net::sockopt::socket_type(&stdin).map_err(|_| {
        io::Error::other(format!("stdin is no socket: only `{} run` starts a keeper", env!("CARGO_PKG_NAME")))
    })?;
    Ok(UnixStream::from(stdin))
}
