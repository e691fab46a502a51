//! Chromium, driven over the pipe that its developer tools use: JSON texts, each with a zero byte at its end.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_mins(1);

/// A browser with one tab, in which pages run no scripts. It ends with the value.
pub(crate) struct Browser {
    process: Child,
    /// Dropped to end the browser.
    requests: Option<ChildStdin>,
    answers: Receiver<Value>,
    session: Option<String>,
    last: u64,
    /// What the page did since the tab was opened.
    pub(crate) events: Vec<Value>,
    _profile: tempfile::TempDir,
}

impl Browser {
    pub(crate) fn start() -> Self {
        let profile = tempfile::tempdir().expect("a folder");
        // The protocol is spoken on the descriptors 3 and 4. As root, chromium cannot make its sandbox.
        let mut process = Command::new("sh")
            .args(["-c", "exec chromium \"$@\" 3<&0 4>&1 </dev/null 1>&2", "sh"])
            .args(["--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--no-first-run", "--disable-gpu"])
            .args(["--disable-dev-shm-usage", "--disable-background-networking", "--hide-scrollbars"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .env("HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell is installed");
        let output = BufReader::new(process.stdout.take().expect("piped"));
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for text in output.split(0).map_while(Result::ok) {
                let _ = sender.send(serde_json::from_slice(&text).expect("the protocol is JSON"));
            }
        });
        let requests = process.stdin.take();
        let mut browser =
            Self { process, requests, answers, session: None, last: 0, events: Vec::new(), _profile: profile };
        let tab = browser.call("Target.createTarget", &json!({"url": "about:blank"}));
        let tab = json!({"targetId": tab["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", &tab);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser.call("Emulation.setScriptExecutionDisabled", &json!({"value": true}));
        // The certificates of tests are nobody's.
        browser.call("Security.setIgnoreCertificateErrors", &json!({"ignore": true}));
        browser
    }

    /// Opens a page, and waits until all that belongs to it is there.
    pub(crate) fn open(&mut self, url: &str) {
        let seen = self.events.len();
        let opened = self.call("Page.navigate", &json!({"url": url}));
        assert!(opened["errorText"].is_null(), "{url}: {opened}");
        while !self.events[seen..].iter().any(|event| event["method"] == "Page.loadEventFired") {
            self.receive();
        }
    }

    /// As wide as a screen of `width` CSS pixels.
    pub(crate) fn resize(&mut self, width: u32) {
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", &size);
    }

    /// `light` or `dark`.
    pub(crate) fn prefer(&mut self, scheme: &str) {
        let feature = json!({"name": "prefers-color-scheme", "value": scheme});
        self.call("Emulation.setEmulatedMedia", &json!({"features": [feature]}));
    }

    /// The value of an expression in the page.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true});
        let mut answer = self.call("Runtime.evaluate", &asked);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].take()
    }

    /// Presses and lets go.
    pub(crate) fn click(&mut self, x: f64, y: f64) {
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", &event);
        }
    }

    /// The whole page as a PNG file.
    pub(crate) fn screenshot(&mut self, file: &Path) {
        let shot = self.call("Page.captureScreenshot", &json!({"captureBeyondViewport": true}));
        let png = STANDARD.decode(shot["data"].as_str().expect("a picture")).expect("Base64");
        std::fs::write(file, png).expect("cargo's own folder");
    }

    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.last += 1;
        let mut request = json!({"id": self.last, "method": method, "params": params});
        if let Some(session) = &self.session {
            request["sessionId"] = session.as_str().into();
        }
        let text = request.to_string() + "\0";
        let requests = self.requests.as_mut().expect("open until the end");
        requests.write_all(text.as_bytes()).unwrap_or_else(|error| panic!("{method}: {error}; {INSTALL}"));
        loop {
            if let Some(mut answer) = self.receive() {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].take();
            }
        }
    }

    /// The answer to the last request, or nothing for an event.
    fn receive(&mut self) -> Option<Value> {
        let message = self.answers.recv_timeout(PATIENCE);
        let message = message.unwrap_or_else(|error| panic!("chromium is silent: {error}; {INSTALL}"));
        if message["id"] == self.last {
            return Some(message);
        }
        self.events.push(message);
        None
    }
}

const INSTALL: &str = "have you run `cargo xtask test --setup`?";

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends by itself, with all its processes, when nobody can talk to it any more.
        self.requests = None;
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end && matches!(self.process.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
