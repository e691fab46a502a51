//! Ends the processes that somebody left to this one.

use std::{fs, io};

use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitOptions},
};

/// Kills the children of this process, and those that come to it from them, until there are none but `spared`; says how many.
///
/// With `PR_SET_CHILD_SUBREAPER`, what a killed child has started becomes a child of this process, whatever group or session it is
/// in. A child that may not be killed, such as one that has changed its user, is an error once all others have ended.
pub fn sweep(spared: &[Pid]) -> io::Result<u32> {
    let (mut killed, mut refused) = (0, Vec::new());
    loop {
        let left = children()?.into_iter().find(|child| !spared.contains(child) && !refused.contains(child));
        let Some(child) = left else { break };
        // Ours until we wait for it, so the number cannot have become somebody else's.
        match rustix::process::kill_process(child, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(_) => {
                refused.push(child);
                continue;
            }
        }
        // Its end may bring others.
        match rustix::process::waitpid(Some(child), WaitOptions::empty()) {
            Ok(_) | Err(Errno::CHILD) => killed += 1,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    match refused.as_slice() {
        [] => Ok(killed),
        [first, ..] => {
            Err(io::Error::other(format!("process {first} and {} others may not be killed", refused.len() - 1)))
        }
    }
}

/// The children of all threads of this process.
pub fn children() -> io::Result<Vec<Pid>> {
    let (mut children, mut told) = (Vec::new(), false);
    for thread in fs::read_dir("/proc/self/task")? {
        match fs::read_to_string(thread?.path().join("children")) {
            Ok(list) => {
                told = true;
                children.extend(list.split_ascii_whitespace().filter_map(pid));
            }
            // A thread that just ended, or a kernel that is built without.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    if told { Ok(children) } else { children_among_all() }
}

/// The same, the long way.
fn children_among_all() -> io::Result<Vec<Pid>> {
    let us = std::process::id().to_string();
    let is_ours = |pid: &Pid| {
        // It may have ended. The name in parentheses may have anything in it.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)).is_some_and(|parent| parent == us)
    };
    let all = fs::read_dir("/proc")?.filter_map(|entry| pid(entry.ok()?.file_name().to_str()?));
    Ok(all.filter(is_ours).collect())
}

fn pid(word: &str) -> Option<Pid> {
    word.parse().ok().and_then(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::{children, children_among_all};

    #[test]
    fn both_ways_find_the_same_children() {
        let mut child = std::process::Command::new("sleep").arg("100").spawn().expect("coreutils are there");
        let ours = rustix::process::Pid::from_child(&child);
        // Other tests have children, too.
        assert!(children().expect("Linux").contains(&ours));
        assert!(children_among_all().expect("Linux").contains(&ours));
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
    }
}
