//! Again and again: nothing is left, and nothing grows.

use std::thread;

use crate::place::Place;

/// In all; a release is tried with 500.
const CYCLES: &str = "SLIPWAY_CYCLES";
const DEFAULT_CYCLES: u32 = 40;
const KILLS: usize = 4;

#[test]
fn start_and_stop_leave_nothing() {
    let cycles = std::env::var(CYCLES).map_or(DEFAULT_CYCLES, |text| text.parse().expect("a number"));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let place = Place::new();
                for _ in 0..cycles.div_ceil(2) {
                    let wrapper = place.run_live(&[]);
                    assert_no_zombies(&place);
                    // Nothing runs after it.
                    place.stop(wrapper);
                    assert_no_zombies(&place);
                }
            });
        }
    });
}

#[test]
fn an_envoy_that_ends_leaves_nothing_in_the_wrapper() {
    let place = Place::new();
    let wrapper = place.run_live(&[]);
    wrapper.wait_for_log("is ready after", 1);
    let ours = place.pid("sidecar-wrapper");
    let open = || place.namespace.run(&format!("ls /proc/{ours}/fd | wc -l; ls /proc/{ours}/task | wc -l"));
    let at_first = open();
    for kill in 1..=KILLS {
        place.namespace.run("pkill -KILL -x envoy");
        wrapper.wait_for_log("is ready after", kill + 1);
        assert_no_zombies(&place);
        // A question that is just asked has a descriptor of its own for a moment.
        let same = (0..100).any(|_| {
            thread::sleep(std::time::Duration::from_millis(50));
            open() == at_first
        });
        assert!(same, "at first: {at_first}, after {kill} kills: {}{}", open(), wrapper.log());
    }
    assert_eq!(place.pid("sidecar-wrapper"), ours);
    place.stop(wrapper);
}

/// None that lasts: between an end and the waiting for it there always is one.
#[track_caller]
fn assert_no_zombies(place: &Place) {
    place.namespace.wait_until("! ps -e -o stat= | grep -q ^Z");
}
