use super::{
    make,
    site::{Says, Site, host},
};

/// Each change makes a good manifest bad; `dist` and `lock` refuse it alike.
fn refuses_changed(from: &str, to: &str, says: &Says<'_>) {
    let site = Site::good();
    site.replace(Site::MANIFEST, from, to);
    for command in ["dist", "lock"] {
        let Says(error, hint) = says;
        let error: Vec<&str> = [Site::MANIFEST].iter().chain(*error).copied().collect();
        site.refuses(&[command], &Says(&error, hint));
    }
}

#[test]
fn names_an_unknown_field_with_its_line() {
    refuses_changed("istio =", "isito =", &Says(&["line 6", "unknown field `isito`", "`istio`"], "revisions.toml"));
}

#[test]
fn names_a_missing_field() {
    refuses_changed("max_glibc = '9.9'\n", "", &Says(&["missing field `max_glibc`"], "revisions.toml"));
}

#[test]
fn names_a_bad_revision_name() {
    refuses_changed(
        "'default'",
        "'De_fault'",
        &Says(&["line 5", "invalid revision name `De_fault`"], "revisions.toml"),
    );
}

#[test]
fn names_a_revision_that_stands_there_twice() {
    let twice = format!("{}[[revision]]", make::revision("default", "{ directory = 'payload' }"));
    refuses_changed("[[revision]]", &twice, &Says(&["revision `default` stands there twice"], "one of the two"));
}

#[test]
fn says_that_one_revision_must_be_the_default() {
    refuses_changed("'default'", "'1-30'", &Says(&["no revision is named `default`"], "name one revision so"));
}

#[test]
fn refuses_what_is_no_toml() {
    refuses_changed("[[revision]]", "<revision>", &Says(&["TOML parse error at line 4"], "revisions.toml"));
}

#[test]
fn refuses_a_schema_of_another_time() {
    refuses_changed("schema = 1", "schema = 2", &Says(&["`schema` is 2", "reads schema 1"], "schema"));
}

#[test]
fn refuses_a_source_over_an_open_connection() {
    let field = format!("payload.{}.source", host());
    let says = ["revision `default`", &field, "`http://mirror/envoy.tar.gz`", "only `https:`"];
    refuses_changed(
        "{ directory = 'payload' }",
        "{ url = 'http://mirror/envoy.tar.gz' }",
        &Says(&says, "open connection"),
    );
}

#[test]
fn refuses_a_base_url_over_an_open_connection() {
    let site = Site::with_source("{ url = 'envoy.tar.gz' }");
    for command in ["dist", "lock"] {
        let says = Says(&["--base-url `http://mirror/`"], "https://");
        site.refuses(&[command, "--base-url", "http://mirror/"], &says);
    }
}

#[test]
fn refuses_a_member_path_that_leaves_the_archive() {
    refuses_changed(
        "'envoy' }",
        "'../envoy' }",
        &Says(&["line 11", "invalid member path `../envoy`"], "revisions.toml"),
    );
}

#[test]
fn names_a_manifest_that_is_not_there() {
    let site = Site::good();
    std::fs::remove_file(site.path(Site::MANIFEST)).expect("it was there");
    for command in ["dist", "lock"] {
        site.refuses(&[command], &Says(&["cannot read the revision manifest revisions.toml"], "--manifest"));
    }
}

#[test]
fn names_a_manifest_that_is_a_folder() {
    let site = Site::good();
    std::fs::remove_file(site.path(Site::MANIFEST)).expect("it was there");
    std::fs::create_dir(site.path(Site::MANIFEST)).expect("the name is free");
    site.refuses(&["dist"], &Says(&["cannot read the revision manifest revisions.toml"], "--manifest"));
}
