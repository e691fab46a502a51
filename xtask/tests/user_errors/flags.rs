use artifact::ReleaseManifest;
use testkit::run::Run;

use super::{
    site::{Says, Site, host},
    snapshot::Snapshot,
};

#[test]
fn names_the_known_revisions_for_an_unknown_one() {
    let site = Site::good();
    let says = Says(&["no revision `1-99` in revisions.toml"], "the manifest has: default");
    site.refuses(&["dist", "--revision", "1-99"], &says);
    site.refuses(&["dist", "--revision", "1-99", "--plan"], &says);
}

#[test]
fn a_mistyped_flag_is_the_users_fault() {
    let site = Site::good();
    let tree = site.tree();
    for (args, named) in [
        (["dist", "--revision", "De_fault"], "De_fault"),
        (["dist", "--arch", "x86_64"], "x86_64"),
        (["dist", "--level", "10"], "10"),
        (["dist", "--json", "--offlin"], "'--offline'"),
        (["lock", "--jobs", "0"], "0"),
        (["ship", "it", "now"], "ship"),
    ] {
        let run = site.run(&args);
        assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(named) && run.stderr.contains("try '--help'"), "{}", run.stderr);
    }
    assert_eq!(site.tree(), tree);
}

#[test]
fn asking_for_help_is_no_mistake() {
    let site = Site::good();
    let run = Run::of(site.command(&["--help"]).arg("dist"));
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert!(run.stdout.contains("Usage: cargo xtask"), "{}", run.stdout);
}

#[test]
fn plan_prints_install_paths_and_writes_nothing() {
    let site = Site::unlocked();
    let before = Snapshot::read(&site.path(""));
    let run = site.succeeds(&["dist", "--plan"]);
    let arch = host();
    let expected: String = ["deb", "rpm"]
        .into_iter()
        .flat_map(|format| {
            ["", "istio-sidecar/default/"].map(|slot| {
                format!(
                    "/install/{slot}{format}/{arch}/istio-sidecar.{format}\tistio-sidecar default {arch} {format}\n"
                )
            })
        })
        .collect();
    assert_eq!(run.stdout, expected);
    assert_eq!(run.stderr, "");
    assert_eq!(Snapshot::read(&site.path("")), before);
}

#[test]
fn json_is_all_that_stands_on_stdout() {
    let site = Site::good();
    let run = site.succeeds(&["dist", "--format", "deb", "--json"]);
    let manifest = ReleaseManifest::from_json(run.stdout.as_bytes()).expect("only JSON");
    assert_eq!(manifest.artifacts.len(), 2);
    assert_eq!(run.stdout, site.read("out/manifest.json"));
}

/// Whatever stands there stays, and nothing comes to stand beside it.
fn refuses_out(site: &Site, out: &str) {
    let before = Snapshot::read(&site.path(""));
    site.refuses(&["dist", "--format", "deb"], &Says(&[out, "no dist tree"], "--out"));
    assert_eq!(Snapshot::read(&site.path("")), before);
}

#[test]
fn refuses_to_replace_a_folder_that_is_no_dist_tree() {
    let site = Site::good().with_out("home");
    site.write("home/thesis.tex", "years of work");
    refuses_out(&site, "home");
    refuses_out(&site.with_out("."), "/");
}

#[test]
fn refuses_to_replace_a_folder_with_another_programs_manifest() {
    let site = Site::good().with_out("extension");
    site.write("extension/manifest.json", "{\"manifest_version\": 3, \"name\": \"an extension\"}");
    refuses_out(&site, "extension");
}

#[test]
fn refuses_to_replace_a_file() {
    let site = Site::good().with_out("notes");
    site.write("notes", "important");
    refuses_out(&site, "notes");
}

#[test]
fn fills_an_empty_folder_and_makes_a_missing_one() {
    let tree = Site::good().tree();
    for out in ["empty", "a/b/missing"] {
        let site = Site::good().with_out(out);
        std::fs::create_dir(site.path("empty")).expect("the name is free");
        site.dist_succeeds();
        assert_eq!(site.tree(), tree, "{out}");
    }
}

#[test]
fn replaces_the_tree_behind_a_link() {
    let site = Site::good();
    let tree = site.tree();
    std::fs::rename(&site.out, site.path("served")).expect("it was there");
    std::os::unix::fs::symlink("served", &site.out).expect("the name is free");
    std::fs::remove_dir_all(site.path("served/install")).expect("it was there");
    site.dist_succeeds();
    assert!(site.out.is_symlink(), "the link was replaced");
    assert_eq!(Snapshot::read(&site.path("served")), tree);
}
