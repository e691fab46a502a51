//! What the wrapper itself takes of a machine, as it is built for packages.

use std::{fs, path::PathBuf};

use crate::place::Place;

/// Bytes of the promise for the wrapper, in the kernel's kilobytes.
const MAX_RESIDENT: u64 = 6 << 10;

struct Process {
    name: String,
    resident: u64,
    shared: u64,
    ticks: u64,
}

fn processes(place: &Place) -> Vec<Process> {
    let pids = place.host_pids("sidecar-");
    pids.iter().map(|pid| measure(&PathBuf::from("/proc").join(pid.to_string()))).collect()
}

fn measure(process: &std::path::Path) -> Process {
    let read = |name| fs::read_to_string(process.join(name)).expect("it runs");
    let status = read("status");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel has it");
        line.trim_start_matches(':').trim().to_owned()
    };
    let kilobytes = |name| field(name).trim_end_matches(" kB").parse().expect("a number");
    // After the name, which may have anything in it.
    let stat = read("stat");
    let after: Vec<&str> = stat.rsplit_once(") ").expect("the kernel has it").1.split(' ').collect();
    let ticks = |at: usize| after[at].parse::<u64>().expect("a number");
    Process {
        name: field("Name"),
        resident: kilobytes("VmRSS"),
        shared: kilobytes("RssFile"),
        ticks: ticks(11) + ticks(12),
    }
}

#[test]
fn it_is_small_and_sleeps() {
    let place = Place::new();
    let wrapper = place.run_package_live();
    let before = processes(&place);
    assert_eq!(
        before.iter().map(|process| process.name.as_str()).collect::<Vec<_>>(),
        ["sidecar-keeper", "sidecar-wrapper"]
    );
    // The program's own pages are in memory once.
    let all = before.iter().map(|process| process.resident - process.shared).sum::<u64>()
        + before.iter().map(|process| process.shared).max().unwrap_or_default();
    for Process { name, resident, shared, .. } in &before {
        println!("{name}: {resident} kB resident, {shared} kB of it shared");
    }
    assert!(all < MAX_RESIDENT, "{all} kB");
    std::thread::sleep(std::time::Duration::from_secs(10));
    let ticks = |processes: &[Process]| processes.iter().map(|process| process.ticks).sum::<u64>();
    // A tick is the least that the kernel counts, a hundredth of a second.
    let spent = ticks(&processes(&place)) - ticks(&before);
    assert!(spent <= 1, "{spent} ticks in ten seconds");
    place.stop(wrapper);
}
