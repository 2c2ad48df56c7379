//! Hand-made pinned images.

use std::collections::{BTreeMap, BTreeSet};

use silo::digest::go::written;
use silo::lock::apt::solve::Role;
use silo::lock::go::Module;
use silo::lock::{
    AptPackage, Artifact, CrateRole, GoModule, LockedBase, LockedImage, NpmPackage, Package, PackageFile, PinnedAgent, PinnedComponent,
    PinnedLayer, Trust,
};
use silo::source::{Layer, Source, Sources, Span};
use silo::spec::{
    Arch, BaseFrom, Cause, Checksum, ComponentId, Distribution, EnvName, Features, FileFormat, Hook, Install, Kind, LspServer, McpServer,
    McpTransport, Name, PackageRequest, Pattern, Registration, RunAs, Step, Template,
};

/// A place that nothing depends on.
pub fn span(start: u32) -> Span {
    let mut sources = Sources::default();
    let source = sources.add(Source { name: "silo.kdl".to_string(), text: String::new(), layer: Layer::Project(0) });
    Span { source, start, end: start }
}

pub fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

pub fn env_name(text: &str) -> EnvName {
    EnvName::new(text).expect("a variable")
}

pub fn template(text: &str) -> Template {
    Template(text.to_string())
}

pub fn apt(name: &str, version: &str) -> Package {
    let pin = AptPackage { name: name.to_string(), versions: Arch::ALL.into_iter().map(|arch| (arch, version.to_string())).collect() };
    let file = |arch: Arch| {
        let path = format!("pool/main/{name}/{name}_{}_{}.deb", version.replace(':', "."), arch.as_str());
        PackageFile { sha256: silo::digest::sha256_hex(path.as_bytes()), path }
    };
    let files = Arch::ALL.into_iter().map(|arch| (arch, file(arch))).collect();
    Package { pin, files, needs: BTreeSet::new(), role: Role::Asked }
}

pub fn hook(script: &str) -> Hook {
    Hook { id: None, script: script.to_string(), user: RunAs::Root, origin: span(7) }
}

pub fn layer(id: Option<&str>, steps: Vec<Step>) -> PinnedLayer {
    PinnedLayer { name: id.map(name), steps, artifacts: Vec::new(), origin: span(3) }
}

pub fn hash(digit: char) -> String {
    digit.to_string().repeat(64)
}

/// A component installed by some steps.
pub fn component(kind: Kind, id: &str, steps: Vec<Step>, artifacts: Vec<Artifact>) -> PinnedComponent {
    PinnedComponent {
        id: ComponentId { kind, name: name(id) },
        request: "latest".to_string(),
        version: "1.2.3".to_string(),
        install: Install { source: name("vendor"), requires: Vec::new(), arch: BTreeMap::new(), versions: None, steps },
        options: BTreeMap::new(),
        env: BTreeMap::new(),
        checks: Vec::new(),
        artifacts,
        packages: Vec::new(),
        cause: Cause::Configured,
        origin: span(5),
    }
}

/// A component that is one archive with one command.
pub fn archive(kind: Kind, id: &str) -> PinnedComponent {
    let url = |arch: &str| format!("https://downloads.example/{id}/1.2.3/{id}-linux-{arch}.tar.gz");
    let file =
        |arch: Arch, digit| Artifact::File { arch: Some(arch), url: url(arch.as_str()), sha256: hash(digit), trust: Trust::Published };
    component(
        kind,
        id,
        vec![
            Step::Download {
                url: template(&url("%{arch}").replace("1.2.3", "%{version}")),
                to: None,
                strip: 1,
                checksum: Checksum::TrustOnFirstUse,
            },
            Step::Bin { name: id.to_string(), target: template(&format!("bin/{id}")) },
        ],
        vec![file(Arch::Amd64, 'a'), file(Arch::Arm64, 'b')],
    )
}

/// A component that is one package of npm.
pub fn npm(kind: Kind, id: &str) -> PinnedComponent {
    let package = NpmPackage {
        path: format!("node_modules/{id}"),
        arch: None,
        name: None,
        version: "1.2.3".to_string(),
        integrity: "sha512-AAAA".to_string(),
        bin: BTreeMap::from([(id.to_string(), "cli.js".to_string())]),
    };
    let request = PackageRequest { name: template(id), version: template("%{version}") };
    component(
        kind,
        id,
        vec![
            Step::Npm { packages: vec![request] },
            Step::Bin { name: id.to_string(), target: template(&format!("node_modules/{id}/cli.js")) },
        ],
        vec![Artifact::Npm(package)],
    )
}

/// A tool that is a program of Go, with a module that it is compiled with and one of which only the requirements are read.
pub fn program(id: &str) -> PinnedComponent {
    let module = |path: &str, version: &str, digit: &str, source: bool, main| {
        let sum = written(&digit.repeat(64));
        Artifact::Module(GoModule {
            module: Module::new(path, version),
            zip: source.then(|| sum.clone()),
            file: sum,
            main,
            trust: Trust::Published,
        })
    };
    let request = PackageRequest { name: template(&format!("example.test/{id}/cmd/{id}")), version: template("%{version}") };
    component(
        Kind::Tool,
        id,
        vec![Step::Go { packages: vec![request] }, Step::Bin { name: id.to_string(), target: template(&format!("bin/{id}")) }],
        vec![
            module(&format!("example.test/{id}"), "v1.2.3", "1", true, true),
            module("example.test/Lib", "v0.1.0", "2", false, false),
            module("example.test/Lib", "v0.2.0", "3", true, false),
        ],
    )
}

/// What other components are installed with.
pub fn client(id: &str) -> PinnedComponent {
    let mut client = archive(Kind::Client, id);
    client.cause = Cause::Required;
    client
}

/// A tool that is compiled from a crate.
pub fn compiled(id: &str) -> PinnedComponent {
    let request = PackageRequest { name: template(id), version: template("%{version}") };
    let made = Artifact::Crate { name: id.to_string(), version: "1.2.3".to_string(), role: CrateRole::Program, sha256: hash('c') };
    component(Kind::Tool, id, vec![Step::Cargo { packages: vec![request], features: Features::default() }], vec![made])
}

pub fn mcp(id: &str, command: &[&str]) -> McpServer {
    let command = command.iter().map(|word| template(word)).collect();
    McpServer {
        name: name(id),
        transport: McpTransport::Stdio { command, env: BTreeMap::new() },
        env: vec![env_name("API_KEY")],
        origin: span(9),
    }
}

pub fn lsp(id: &str, ending: &str) -> LspServer {
    LspServer {
        name: name(id),
        command: vec![template(id), template("--stdio")],
        languages: BTreeMap::from([(ending.to_string(), id.to_string())]),
    }
}

/// Registers MCP servers in a JSON file under `mcpServers`.
pub fn registration() -> Registration {
    let text = |text: &str| Pattern::Text(text.to_string());
    Registration {
        servers: Kind::Mcp,
        file: "/opt/silo/etc/agent/mcp.json".to_string(),
        format: FileFormat::Json,
        key: vec!["mcpServers".to_string()],
        local: Pattern::Table(vec![
            ("type".to_string(), text("stdio")),
            ("command".to_string(), text("%{command}")),
            ("args".to_string(), text("%{args}")),
            ("env".to_string(), text("%{env}")),
        ]),
        remote: Some(Pattern::Table(vec![("type".to_string(), text("%{transport}")), ("url".to_string(), text("%{url}"))])),
        env_reference: template("${%{name}}"),
    }
}

pub fn agent(component: PinnedComponent) -> PinnedAgent {
    PinnedAgent {
        component,
        mcp: vec![mcp("memory", &["mcp-memory", "--root", "%{workspace}"])],
        lsp: vec![lsp("gopls", ".go")],
        registrations: vec![registration()],
        files: BTreeMap::from([("/opt/silo/etc/agent/plugin.json".to_string(), "{\"name\":\"silo\"}\n".to_string())]),
        post_build: Vec::new(),
    }
}

/// The local tag that [`empty`] starts from.
pub fn distribution() -> Distribution {
    Distribution {
        name: "debian".to_string(),
        suite: "bookworm".to_string(),
        sections: vec!["main".to_string()],
        updates: Vec::new(),
        fetch_packages: Vec::new(),
        packages: Vec::new(),
    }
}

/// An image of nothing but its base.
pub fn empty() -> LockedImage {
    let base = || LockedBase {
        reference: "debian:bookworm".to_string(),
        from: BaseFrom::Registry,
        digest: format!("sha256:{}", hash('0')),
        platforms: BTreeMap::new(),
        epoch: None,
    };
    LockedImage {
        base: base(),
        fetch: base(),
        distribution: distribution(),
        fetch_distribution: distribution(),
        base_layer: layer(None, Vec::new()),
        layers: Vec::new(),
        packages: vec![apt("ca-certificates", "20230311"), apt("git", "1:2.39.5-0+deb12u2")],
        fetch_packages: vec![apt("ca-certificates", "20230311"), apt("curl", "7.88.1-10+deb12u12")],
        snapshots: Vec::new(),
        components: Vec::new(),
        agents: Vec::new(),
        pre_build: Vec::new(),
        post_build: Vec::new(),
        env: BTreeMap::new(),
    }
}

/// An image with two agents: one is an archive, the other a package of npm.
pub fn full() -> LockedImage {
    let mut image = empty();
    let mut memory = npm(Kind::Mcp, "memory");
    memory.install.requires = vec![ComponentId { kind: Kind::Language, name: name("node") }];
    let mut fetcher = archive(Kind::Mcp, "fetcher");
    fetcher.cause = Cause::Required;
    image.components = vec![
        archive(Kind::Language, "go"),
        archive(Kind::Language, "node"),
        archive(Kind::Tool, "jq"),
        archive(Kind::Lsp, "gopls"),
        fetcher,
        memory,
        client("npm"),
    ];
    let mut second = agent(npm(Kind::Agent, "second"));
    second.mcp = vec![mcp("fetcher", &["fetcher"])];
    second.lsp = Vec::new();
    image.agents = vec![agent(archive(Kind::Agent, "first")), second];
    image.pre_build = vec![hook("echo before\n")];
    image.post_build = vec![hook("#!/bin/sh\necho after\n")];
    image.layers =
        vec![layer(Some("extra"), vec![Step::Run(hook("echo layer\n")), Step::Path { folders: vec!["/opt/extra/bin".to_string()] }])];
    image
}
