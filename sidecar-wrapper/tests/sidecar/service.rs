//! A workload behind the sidecar, and its clients.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use testkit::namespace::exit_code;

use crate::place::{Place, Wrapper};

/// Not one of a version manager, which would look at the folder.
const PYTHON: &str = "/usr/bin/python3";

/// HTTP on 8080 and any protocol on 8081, for whoever connects.
const LISTENERS: &str = r#"
  - name: web
    address:
      socket_address: { address: 0.0.0.0, port_value: 8080 }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: web
          route_config:
            virtual_hosts:
            - name: web
              domains: ["*"]
              routes:
              - match: { prefix: / }
                route: { cluster: web, timeout: 0s }
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  - name: lines
    address:
      socket_address: { address: 0.0.0.0, port_value: 8081 }
    filter_chains:
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: lines
          cluster: lines
  clusters:
"#;

/// A sidecar with a workload.
pub(crate) struct Service {
    pub(crate) place: Place,
    pub(crate) wrapper: Wrapper,
    _workload: Process,
}

impl Service {
    /// Is live, and serves.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_in(Place::new(), args)
    }

    pub(crate) fn start_in(place: Place, args: &[&str]) -> Self {
        let service = Self::start_changed(place, args, |bootstrap| bootstrap);
        service.place.wait_live(&service.wrapper);
        service
    }

    /// With another bootstrap, which may have no administration.
    pub(crate) fn start_changed(place: Place, args: &[&str], change: impl FnOnce(String) -> String) -> Self {
        let workload = Process::start(&place, &[include_str!("backend.py")], Stdio::null());
        let bootstrap = place.write("bootstrap.yaml", &change(bootstrap(&place)));
        let bootstrap = bootstrap.to_str().expect("a folder of tests");
        let args: Vec<&str> = ["--bootstrap", bootstrap].into_iter().chain(args.iter().copied()).collect();
        let wrapper = place.run(&args);
        wrapper.wait_for_log("is ready after", 1);
        place.namespace.wait_until("curl -sf localhost:8080/fast && exec 3<>/dev/tcp/127.0.0.1/9001");
        Self { place, wrapper, _workload: workload }
    }

    /// Runs curl on a path, with these options; its output goes to a file.
    pub(crate) fn curl(&self, path: &str, options: &[&str]) -> Curl {
        let output = self.place.file("answer");
        let mut command = self.place.namespace.command("curl");
        command.args(["-sS", "--fail"]).args(options).arg(format!("http://localhost:8080{path}"));
        command.stdout(File::create(&output).expect("our own folder")).stderr(Stdio::null());
        Curl { child: command.spawn().expect("nsenter is installed"), output }
    }

    pub(crate) fn client(&self, kind: &str, port: u16) -> Client {
        let args = [include_str!("client.py"), kind, &port.to_string()];
        let mut process = Process::start(&self.place, &args, Stdio::piped());
        let answers = process.0.stdout.take().expect("it has a pipe");
        Client { stdin: process.0.stdin.take(), answers: BufReader::new(answers), _process: process }
    }

    /// What many clients saw until they were refused, as JSON.
    pub(crate) fn load(&self, clients: u32, requests_per_connection: u32) -> Process {
        let args = [include_str!("load.py"), "8080", &clients.to_string(), &requests_per_connection.to_string()];
        Process::start(&self.place, &args, Stdio::null())
    }

    /// Until Envoy has so many requests of clients at a time.
    pub(crate) fn wait_for_requests(&self, count: u32) {
        self.wait_for(&format!("http.web.downstream_rq_active: {count}"));
    }

    pub(crate) fn wait_for(&self, statistic: &str) {
        self.place.namespace.wait_until(&format!("curl -sf localhost:15000/stats | grep -qx '{statistic}'"));
    }

    /// Asks for the end, and waits until balancers can see that it has begun.
    pub(crate) fn begin_to_stop(&self) {
        self.place.signal("TERM");
        self.place.namespace.wait_until("curl -s localhost:15000/ready | grep -qx DRAINING");
    }

    /// It ended as it was asked, and left nothing but the workload.
    #[track_caller]
    pub(crate) fn assert_ended(&mut self) -> String {
        assert_eq!(self.wrapper.exit_code(), Some(0), "{}", self.wrapper.log());
        let ours = self.place.namespace.try_run("pgrep -lx 'sidecar-.*|envoy' 2>&-").1;
        assert_eq!(ours, "", "{}", self.wrapper.log());
        self.wrapper.log()
    }
}

/// The package's own bootstrap and the workload's listeners.
fn bootstrap(place: &Place) -> String {
    let text = std::fs::read_to_string(place.root().join("usr/share/istio-sidecar/envoy.yaml"));
    let text = text.expect("the package has it").replace("\n  clusters:\n", LISTENERS);
    let cluster = |name: &str, port: u16| {
        format!(
            "  - name: {name}\n    type: STATIC\n    connect_timeout: 5s\n    \
             circuit_breakers: {{ thresholds: [ {{ max_connections: 9999, max_pending_requests: 9999, max_requests: 9999 }} ] }}\n    \
             load_assignment: {{ cluster_name: {name}, endpoints: [ {{ lb_endpoints: [ {{ endpoint: {{ address: {{ \
             socket_address: {{ address: 127.0.0.1, port_value: {port} }} }} }} }} ] }} ] }}\n"
        )
    };
    text + &cluster("web", 9000) + &cluster("lines", 9001)
}

/// A script in Python that ends with the value.
pub(crate) struct Process(Child);

impl Process {
    fn start(place: &Place, script: &[&str], stdin: Stdio) -> Self {
        let mut command = place.namespace.command(PYTHON);
        command.arg("-c").args(script).stdin(stdin).stdout(Stdio::piped());
        Self(command.spawn().expect("nsenter is installed"))
    }

    /// All that it printed, when it has ended.
    pub(crate) fn output(&mut self) -> String {
        std::io::read_to_string(self.0.stdout.take().expect("it has a pipe")).expect("it prints text")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A client with one connection.
pub(crate) struct Client {
    stdin: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    _process: Process,
}

impl Client {
    /// Sends a line, or asks for a path; gives what came back.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        let mut stdin = self.stdin.as_ref().expect("it was not closed");
        writeln!(stdin, "{line}").expect("it reads");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("it prints text");
        answer.trim().to_owned()
    }

    pub(crate) fn close(&mut self) {
        self.stdin = None;
    }
}

/// A curl that runs.
pub(crate) struct Curl {
    child: Child,
    pub(crate) output: PathBuf,
}

impl Curl {
    /// Its exit code, when it has ended, and how many bytes it got.
    pub(crate) fn finish(mut self) -> (Option<i32>, String) {
        let code = exit_code(&mut self.child, &self.output);
        (code, std::fs::read_to_string(&self.output).expect("the answers are text"))
    }
}

impl Drop for Curl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
