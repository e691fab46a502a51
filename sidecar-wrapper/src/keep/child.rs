//! The last step before a program is the main process: the process that becomes it.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::process::{CommandExt, parent_id},
    process::Command,
};

use rustix::process::Signal;

/// How the process ends if it cannot become the program, as shells end.
pub const CANNOT_BECOME: u8 = 126;

/// Puts `program` in the place of this process, which the kernel will kill when the keeper is gone; returns only if that fails.
///
/// `keeper` is the parent's process ID.
#[must_use]
pub fn become_program(keeper: u32, program: &OsStr, args: &[OsString]) -> io::Error {
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    // It may have ended before the kernel was told.
    if parent_id() != keeper {
        return io::Error::other("the keeper is gone");
    }
    Command::new(program).args(args).exec()
}
