//! The page for people, in a browser that runs none of its scripts.

use std::{collections::BTreeSet, path::Path};

use serde::Deserialize;

use super::{
    chromium::Browser,
    raw::get,
    server::Server,
    tls::{self, Pairs},
    tree::Tree,
};

/// Some are as long as names may be: the page must hold them.
const REVISIONS: [&str; 4] =
    ["default", "1-30", "1-29-6-canary", "a-revision-whose-name-is-as-long-as-any-name-may-be-1234"];
const VERSION: &str = "1:0.1.0~alpha.12+20261125225809.dirty-1";

struct Page {
    browser: Browser,
    server: Server,
    _tree: Tree,
}

impl Page {
    fn open() -> Self {
        let tree = Tree::with_revisions(VERSION, &REVISIONS);
        let server = Server::start(&tree);
        let origin = server.url("");
        Self::of(tree, server, &origin)
    }

    fn of(tree: Tree, server: Server, origin: &str) -> Self {
        let mut page = Self { browser: Browser::start(), server, _tree: tree };
        page.browser.resize(1440);
        page.browser.open(&format!("{origin}/"));
        // The reader opens them with a click.
        let _: () =
            page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })");
        page
    }

    /// The value of an expression on the page.
    fn evaluate<T: for<'de> Deserialize<'de>>(&mut self, expression: &str) -> T {
        let value = self.browser.evaluate(expression);
        serde_json::from_value(value).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// What a click in the middle of each of these elements selects.
    fn clicked(&mut self, selector: &str) -> Vec<String> {
        let count: usize = self.evaluate(&format!("document.querySelectorAll({selector:?}).length"));
        let mut selected = Vec::new();
        for index in 0..count {
            let (x, y) = self.evaluate(&format!(
                "(() => {{ const element = document.querySelectorAll({selector:?})[{index}];\n\
                 element.scrollIntoView({{ block: 'center' }});\n\
                 const box = element.getBoundingClientRect();\n\
                 return [box.left + box.width / 2, box.top + box.height / 2]; }})()"
            ));
            self.browser.click(x, y);
            selected.push(self.evaluate("getSelection().toString()"));
        }
        selected
    }
}

/// The paths of all packages, in the order of the page: the documented ones first, then the revisions by name.
fn packages() -> Vec<String> {
    let mut revisions = REVISIONS[1..].to_vec();
    revisions.sort_unstable();
    let agent = ("/install/".to_owned(), "onboarding-agent");
    let default = ("/install/".to_owned(), "istio-sidecar");
    let named = revisions.iter().map(|name| (format!("/install/istio-sidecar/{name}/"), "istio-sidecar"));
    let folders = [agent, default].into_iter().chain(named);
    let all = folders.flat_map(|(folder, name)| {
        [("deb", "amd64"), ("deb", "arm64"), ("rpm", "amd64"), ("rpm", "arm64")]
            .map(|(format, arch)| format!("{folder}{format}/{arch}/{name}.{format}"))
    });
    all.collect()
}

/// The commands of the README for a package of a server.
fn documented(origin: &str, path: &str) -> Vec<String> {
    const README: &str = include_str!("../../../README.md");
    let section = README.split("## On a VM").nth(1).expect("it has the section");
    let example = section.lines().filter_map(|line| line.strip_prefix("    "));
    let commands = example.map(|line| {
        let name = path.rsplit('/').next().expect("the last part");
        let line = line
            .replace("https://<endpoint>", origin)
            .replace("/install/deb/amd64/onboarding-agent.deb", path)
            .replace("onboarding-agent.deb", name);
        // The README has RPM's command in a sentence.
        if path.contains("/rpm/") { line.replace("apt-get", "yum") } else { line }
    });
    commands.take(4).collect()
}

#[test]
fn a_click_selects_a_command_of_the_guide_or_a_digest() {
    let mut page = Page::open();
    let origin = page.server.url("");
    let expected: Vec<String> = packages().iter().flat_map(|path| documented(&origin, path)).collect();
    assert_eq!(page.clicked("pre code"), expected);

    let checksums = packages().into_iter().map(|path| get(page.server.address, &format!("{path}.sha256")).text());
    let digests: Vec<String> = checksums.map(|line| line[..64].to_owned()).collect();
    assert_eq!(page.clicked("dt + dd:last-child code"), digests);
}

#[test]
fn over_tls_the_commands_name_the_server_as_it_was_asked_for() {
    let (tree, pairs) = (Tree::with_revisions(VERSION, &REVISIONS), Pairs::new());
    let server = tls::start(&tree, &pairs, &[]);
    let origin = format!("https://localhost:{}", server.address.port());
    let mut page = Page::of(tree, server, &origin);
    let commands: Vec<String> =
        page.evaluate("[...document.querySelectorAll('pre code')].map((code) => code.innerText)");
    assert_eq!(commands, packages().iter().flat_map(|path| documented(&origin, path)).collect::<Vec<_>>());
}

#[test]
fn every_link_leads_somewhere_on_the_same_server() {
    let mut page = Page::open();
    let origin = page.server.url("");
    let links: BTreeSet<String> = page.evaluate("[...document.querySelectorAll('a')].map((link) => link.href)");
    for link in &links {
        let path = link.strip_prefix(&origin).unwrap_or_else(|| panic!("{link} leads elsewhere"));
        assert_eq!(get(page.server.address, path).status, 200, "{link}");
    }
    for path in packages() {
        assert!(links.contains(&format!("{origin}{path}")), "no link to {path}");
    }
}

#[test]
fn nothing_is_cut_off_on_narrow_and_wide_screens() {
    let mut page = Page::open();
    for width in [320, 768, 1440, 2560] {
        page.browser.resize(width);
        let (document, cut): (u32, Vec<String>) = page.evaluate(
            "[document.documentElement.scrollWidth,\n\
             [...document.querySelectorAll('body *')].filter((element) => element.checkVisibility())\n\
             .filter((element) => element.getBoundingClientRect().right > innerWidth\n\
             || (element.clientWidth && element.scrollWidth > element.clientWidth))\n\
             .map((element) => element.outerHTML)]",
        );
        assert_eq!(cut, Vec::<String>::new(), "at {width}");
        assert!(document <= width, "at {width}: {document}");
    }
}

#[derive(Deserialize)]
struct Text {
    text: String,
    ratio: f64,
}

#[test]
fn light_and_dark_can_be_read() {
    let mut page = Page::open();
    let mut backgrounds = BTreeSet::new();
    for scheme in ["light", "dark"] {
        page.browser.prefer(scheme);
        let texts: Vec<Text> = page.evaluate(include_str!("contrast.js"));
        assert!(texts.iter().any(|found| found.text == "SHA-256") && texts.len() > 200, "{}", texts.len());
        // WCAG 2, success criterion 1.4.3.
        let weak: Vec<_> =
            texts.iter().filter(|found| found.ratio < 4.5).map(|weak| (&weak.text, weak.ratio)).collect();
        assert!(weak.is_empty(), "{scheme}: {weak:?}");
        backgrounds.insert(page.evaluate::<String>("getComputedStyle(document.body).backgroundColor"));
        for width in [320, 1440] {
            page.browser.resize(width);
            let file = format!("page-{width}-{scheme}.png");
            page.browser.screenshot(&Path::new(env!("CARGO_TARGET_TMPDIR")).join(file));
        }
    }
    assert_eq!(backgrounds.len(), 2, "{backgrounds:?}");
}

#[test]
fn the_page_asks_nobody_for_anything_and_the_browser_has_no_complaint() {
    let mut page = Page::open();
    let scripts: usize = page.evaluate("document.querySelectorAll('script, link[rel=stylesheet], [onclick]').length");
    assert_eq!(scripts, 0);
    let of = |method: &'static str| page.browser.events.iter().filter(move |event| event["method"] == method);
    let asked: Vec<&str> =
        of("Network.requestWillBeSent").filter_map(|event| event["params"]["request"]["url"].as_str()).collect();
    assert_eq!(asked, [page.server.url("/")]);
    for complaint in ["Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Network.loadingFailed"]
    {
        assert_eq!(of(complaint).collect::<Vec<_>>(), Vec::<&serde_json::Value>::new(), "{complaint}");
    }
}
