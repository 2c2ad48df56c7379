//! Texts that mean something to a Dockerfile, a shell, JSON or a table of tabs, in every place where a user can write one: they come out
//! exactly as they are, or are refused. No text makes, ends or changes an instruction.

use std::process::Command;

use serde_json::Value;
use silo::document::quote;
use silo::emit;
use silo::launch::LaunchMount;
use silo::lock::Artifact;
use silo::plan::{Operation, Plan};
use silo::problem::Code;

use crate::support::answers;
use crate::support::dockerfile::{instructions, lines, planned, unquoted};
use crate::support::project::{Compiled, Project, host};

/// The texts. `LONG` is longer than a line of a Dockerfile may be and than Linux passes in one argument.
fn texts() -> Vec<String> {
    let short = [
        "plain",
        "",
        " ",
        "a\nRUN id",
        "a\r\nRUN id",
        "a\rRUN id",
        "\n",
        "a\"b",
        "\" RUN id \"",
        "it's",
        "$HOME",
        "${HOME}",
        "${X:-$(id)}",
        "$(id)",
        "`id`",
        "back\\slash",
        "ends with \\",
        "ends with \\\\",
        "\\\nRUN id",
        "<<EOF",
        "EOF\nRUN id\nEOF",
        "a\0b",
        "# comment",
        "#",
        "#!/bin/sh",
        "a\tb",
        "%{version}",
        "%{workspace}",
        "%%{x}",
        "%",
        "100%",
        "%{",
        "naïve 日本語 🦀",
        "\u{feff}bom",
        "\u{202e}turned",
        "\u{2028}line",
        "\u{85}next",
        "\u{1b}[31m",
        "-rf",
        "--mount=type=bind,source=/,target=/x",
        "-",
        "..",
        "../../etc/passwd",
        "/etc/passwd",
        "~/x",
        "a,b=c",
        "a:b",
        "a=b",
        "a;b&&c|d>e<f",
        "*?[a]{b,c}!",
        "{\"json\": [1]}",
        "[\"/bin/sh\"]",
        "# syntax=evil",
        "# escape=`",
        "FROM scratch",
        "AS x",
        "a b",
        "true",
    ];
    let mut texts: Vec<String> = short.iter().map(|text| text.to_string()).collect();
    texts.push("x".repeat(70_000));
    texts.push("\"$\\".repeat(15_000));
    texts
}

/// What a written text means where placeholders mean something: `%%{` is `%{`.
fn meant(text: &str) -> String {
    text.replace("%%{", "%{")
}

/// A place where a text can stand, and where it comes out.
struct Spot {
    name: &'static str,
    /// The configuration with the text, which is quoted already.
    write: fn(&str) -> String,
    /// Whether the text came out exactly.
    exact: fn(&Compiled, &str) -> bool,
    /// The layer: `silo.kdl`, or `user.kdl`.
    file: &'static str,
}

fn env(plan: &Plan, name: &str) -> Option<String> {
    let mut found = None;
    for line in lines(&emit::dockerfile(plan)) {
        let rest = line
            .strip_prefix("ENV ")
            .or_else(|| line.strip_prefix("ARG "))
            .and_then(|line| line.strip_prefix(&format!("{name}=")).map(str::to_string));
        if let Some(value) = rest {
            found = unquoted(&value);
        }
    }
    found
}

fn file<'p>(plan: &'p Plan, path: &str) -> &'p [u8] {
    plan.context.get(path).map_or(b"there is no such file", |file| &file.bytes)
}

/// A recipe's rows.
fn rows(plan: &Plan, stage: &str) -> Vec<Vec<String>> {
    let text = String::from_utf8(file(plan, &format!("{stage}/recipe")).to_vec()).unwrap();
    text.lines().skip(1).map(|line| line.split('\t').map(str::to_string).collect()).collect()
}

/// What a launcher's program is given, by running it. The program is `printf`, which is told to end each argument with a bar.
fn launched(plan: &Plan, path: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("launcher");
    std::fs::write(&script, file(plan, path)).unwrap();
    let output =
        Command::new("/bin/sh").arg(&script).env("HOME", "/home/ada").env("SILO_WORKSPACE", "/home/ada/work/api").output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn json(plan: &Plan, path: &str) -> Value {
    serde_json::from_slice(file(plan, path)).unwrap_or(Value::Null)
}

const MCP: &str = "agent-claude-etc/written/opt/silo/mcp/own";
const LSP: &str = "agent-claude-etc/written/opt/silo/etc/claude/plugin/.lsp.json";
const SERVERS: &str = "agent-claude-etc/written/opt/silo/etc/claude/plugin/.mcp.json";

fn places(text: &str) -> String {
    meant(text).replace("%{workspace}", "/home/ada/work/api")
}

const SPOTS: &[Spot] = &[
    Spot {
        name: "a variable of the image",
        file: "silo.kdl",
        write: |text| format!("env X={text}"),
        exact: |image, text| match text {
            // A place of the container: the variable is set there.
            "%{workspace}" => image.launch.as_ref().unwrap().env["X"] == "/home/ada/work/api",
            _ => env(&image.plan, "X") == Some(meant(text)),
        },
    },
    Spot {
        name: "a variable of the build",
        file: "silo.kdl",
        write: |text| format!("env {{ X {text} phase=build }}"),
        exact: |image, text| env(&image.plan, "X") == Some(meant(text)),
    },
    Spot {
        name: "a variable of the container",
        file: "silo.kdl",
        write: |text| format!("env {{ X {text} phase=run }}"),
        exact: |image, text| image.launch.as_ref().unwrap().env["X"] == places(text),
    },
    Spot {
        name: "a variable of a layer",
        file: "silo.kdl",
        write: |text| format!("layer l {{ env X={text} }}"),
        exact: |image, text| env(&image.plan, "X") == Some(meant(text)),
    },
    Spot {
        name: "a name of a variable",
        file: "silo.kdl",
        write: |text| format!("env {text}=\"x\""),
        exact: |image, text| env(&image.plan, text) == Some("x".to_string()),
    },
    Spot {
        name: "a script before the build",
        file: "silo.kdl",
        write: |text| format!("pre_build {text}"),
        exact: |image, text| file(&image.plan, "hook/pre-build-1") == meant(text).as_bytes(),
    },
    Spot {
        name: "a script after the build",
        file: "silo.kdl",
        write: |text| format!("post_build {text} as=user"),
        exact: |image, text| file(&image.plan, "hook/post-build-1") == meant(text).as_bytes(),
    },
    Spot {
        name: "a script of an agent",
        file: "silo.kdl",
        write: |text| format!("agent claude {{ post_build {text} }}"),
        exact: |image, text| file(&image.plan, "hook/agent-claude-1") == meant(text).as_bytes(),
    },
    Spot {
        name: "a script of a layer",
        file: "silo.kdl",
        write: |text| format!("layer l {{ run {text} }}"),
        exact: |image, text| file(&image.plan, "hook/layer-l-run-1") == meant(text).as_bytes(),
    },
    Spot {
        name: "the id of a script",
        file: "silo.kdl",
        write: |text| format!("post_build \"true\" id={text}"),
        exact: |image, _| file(&image.plan, "hook/post-build-1") == b"true",
    },
    Spot {
        name: "a script of the container",
        file: "silo.kdl",
        write: |text| format!("pre_run {text}"),
        exact: |image, text| image.launch.as_ref().unwrap().argv[5] == meant(text),
    },
    Spot {
        name: "an argument of an agent",
        file: "silo.kdl",
        write: |text| format!("agent claude {{ args {text} }}"),
        exact: |image, text| image.launch.as_ref().unwrap().argv.last() == Some(&places(text)),
    },
    Spot {
        name: "a command of an agent",
        file: "silo.kdl",
        write: |text| format!("agent claude {{ command \"x\" {text} }}"),
        exact: |image, text| image.launch.as_ref().unwrap().argv[1] == places(text),
    },
    Spot {
        name: "a variable of an agent",
        file: "silo.kdl",
        write: |text| format!("agent claude {{ env X={text} }}"),
        exact: |image, text| image.launch.as_ref().unwrap().env["X"] == places(text),
    },
    Spot {
        name: "an argument of an MCP server",
        file: "silo.kdl",
        write: |text| format!("mcp own {{ command \"/usr/bin/printf\" \"%s|\" {text} }}"),
        exact: |image, text| launched(&image.plan, MCP) == format!("{}|", places(text)),
    },
    Spot {
        name: "the program of an MCP server",
        file: "silo.kdl",
        write: |text| format!("mcp own {{ command {text} }}"),
        exact: |image, _| json(&image.plan, SERVERS)["mcpServers"]["own"]["command"] == "/opt/silo/mcp/own",
    },
    Spot {
        name: "a variable of an MCP server",
        file: "silo.kdl",
        write: |text| format!("mcp own {{ command \"/usr/bin/printenv\" \"X\"; env X={text} }}"),
        exact: |image, text| launched(&image.plan, MCP) == format!("{}\n", places(text)),
    },
    Spot {
        name: "the URL of an MCP server",
        file: "silo.kdl",
        write: |text| format!("mcp own url={text}"),
        exact: |image, text| json(&image.plan, SERVERS)["mcpServers"]["own"]["url"] == meant(text),
    },
    Spot {
        name: "the query of an MCP server's URL",
        file: "silo.kdl",
        write: |text| format!("mcp own url={}", quote(&format!("https://x.example.test/?q={}", unquote(text)))),
        exact: |image, text| json(&image.plan, SERVERS)["mcpServers"]["own"]["url"] == format!("https://x.example.test/?q={}", meant(text)),
    },
    Spot {
        name: "an argument of a language server",
        file: "silo.kdl",
        write: |text| format!("lsp own {{ command \"x\" {text}; extensions \".x\"=\"x\" }}"),
        exact: |image, text| match text {
            "%{workspace}" => json(&image.plan, LSP)["own"]["command"] == "/opt/silo/lsp/own",
            _ => json(&image.plan, LSP)["own"]["args"][0] == meant(text),
        },
    },
    Spot {
        name: "the language of a language server",
        file: "silo.kdl",
        write: |text| format!("lsp own {{ command \"x\"; extensions \".x\"={text} }}"),
        exact: |image, text| json(&image.plan, LSP)["own"]["extensionToLanguage"][".x"] == meant(text),
    },
    Spot {
        name: "the ending of a language server",
        file: "silo.kdl",
        write: |text| format!("lsp own {{ command \"x\"; extensions {text}=\"x\" }}"),
        exact: |image, text| json(&image.plan, LSP)["own"]["extensionToLanguage"][text] == "x",
    },
    Spot {
        name: "a folder on the PATH",
        file: "silo.kdl",
        write: |text| format!("layer l {{ path {} }}", quote(&format!("/opt/{}", unquote(text)))),
        exact: |image, text| {
            let path = format!("/opt/{}", meant(text));
            image
                .plan
                .stages
                .iter()
                .flat_map(|stage| &stage.steps)
                .any(|step| matches!(&step.operation, Operation::Path { folders } if folders == std::slice::from_ref(&path)))
                && lines(&emit::dockerfile(&image.plan))
                    .iter()
                    .filter_map(|line| line.strip_prefix("ENV PATH=")?.strip_suffix(":${PATH}\""))
                    .any(|start| unquoted(&format!("{start}\"")) == Some(path.clone()))
        },
    },
    Spot {
        name: "where a file is copied",
        file: "silo.kdl",
        write: |text| format!("layer l {{ copy \"data\" {} }}", quote(&format!("/srv/{}", unquote(text)))),
        exact: |image, text| {
            let target = format!("/srv/{text}");
            let parts: Vec<&str> = target.split('/').filter(|part| !part.is_empty()).collect();
            let target = format!("/{}{}", parts.join("/"), if text.is_empty() { "/data" } else { "" });
            rows(&image.plan, "layer-l-1") == [["copy", "any", "copy-0", &target].map(str::to_string)]
        },
    },
    Spot {
        name: "what is copied",
        file: "silo.kdl",
        write: |text| format!("layer l {{ copy {text} \"/srv/x\" }}"),
        exact: |image, _| rows(&image.plan, "layer-l-1") == [["copy", "any", "copy-0", "/srv/x"].map(str::to_string)],
    },
    Spot {
        name: "where something is downloaded to",
        file: "silo.kdl",
        write: |text| format!("layer l {{ download \"https://x.example.test/a\" to={} }}", quote(&format!("/srv/x{}", unquote(text)))),
        exact: |image, text| {
            let rows = rows(&image.plan, "layer-l-1");
            rows.len() == 1
                && rows[0].len() == 7
                && rows[0][4] == format!("/srv/x{}", meant(text))
                && rows[0][6] == "https://x.example.test/a"
        },
    },
    Spot {
        name: "what is downloaded",
        file: "silo.kdl",
        write: |text| format!("layer l {{ download {} to=\"/srv/x\" }}", quote(&format!("https://x.example.test/{}", unquote(text)))),
        exact: |image, text| {
            let rows = rows(&image.plan, "layer-l-1");
            rows.len() == 1 && rows[0].len() == 7 && rows[0][6] == format!("https://x.example.test/{}", meant(text))
        },
    },
    Spot {
        name: "a package of the distribution",
        file: "silo.kdl",
        write: |text| format!("layer l {{ apt {text} }}"),
        exact: |image, text| {
            String::from_utf8_lossy(file(&image.plan, "base/packages")).lines().any(|line| {
                // `name=version` asks for a version.
                let fields: Vec<&str> = line.split('\t').collect();
                fields[1] == text || format!("{}={}", fields[1], fields[2]) == text
            })
        },
    },
    Spot {
        name: "a package of npm",
        file: "silo.kdl",
        write: |text| format!("layer l {{ npm {text} }}"),
        exact: |image, text| json(&image.plan, "layer-l-1/npm/package.json")["dependencies"].get(meant(text)).is_some(),
    },
    Spot {
        name: "a package of PyPI",
        file: "silo.kdl",
        write: |text| format!("layer l {{ pip {text} }}"),
        exact: |image, text| {
            let requirements = String::from_utf8_lossy(file(&image.plan, "layer-l-1/requirements.txt")).into_owned();
            requirements.lines().count() == 1 && requirements.starts_with(&format!("{}==", meant(text).to_lowercase()))
        },
    },
    Spot {
        name: "a package of Go",
        file: "silo.kdl",
        write: |text| format!("layer l {{ go {} }}", quote(&format!("example.test/{}", unquote(text)))),
        exact: |image, text| {
            let packages = String::from_utf8_lossy(file(&image.plan, "layer-l-1/go.packages")).into_owned();
            packages.lines().count() == 1 && packages.starts_with(&format!("example.test/{}@v", meant(text)))
        },
    },
    Spot {
        name: "the name of a command",
        file: "silo.kdl",
        write: |text| format!("layer l {{ bin {text} \"/opt/x\" }}"),
        exact: |image, text| rows(&image.plan, "layer-l-1") == [["link", "any", text, "/opt/x", "-"].map(str::to_string)],
    },
    Spot {
        name: "where a command is",
        file: "silo.kdl",
        write: |text| format!("layer l {{ bin \"x\" {} }}", quote(&format!("/opt/{}", unquote(text)))),
        exact: |image, text| {
            rows(&image.plan, "layer-l-1") == [["link", "any", "x", &format!("/opt/{}", meant(text)), "-"].map(str::to_string)]
        },
    },
    Spot {
        name: "the name of a layer",
        file: "silo.kdl",
        write: |text| format!("layer {text} {{ run \"true\" }}"),
        exact: |image, text| file(&image.plan, &format!("hook/layer-{text}-run-1")) == b"true",
    },
    Spot {
        name: "the name of a server",
        file: "silo.kdl",
        write: |text| format!("mcp {text} {{ command \"x\" }}"),
        exact: |image, text| json(&image.plan, SERVERS)["mcpServers"].get(text).is_some(),
    },
    Spot {
        name: "the name of an agent",
        file: "silo.kdl",
        write: |text| format!("define agent {text} {{ install apt {{ apt \"x\" }}; command \"x\" }}\nagent {text}"),
        exact: |_, _| true,
    },
    Spot {
        name: "a version",
        file: "silo.kdl",
        write: |text| format!("language node version={text}"),
        exact: |image, _| image.plan.context.contains_key("language-node/recipe"),
    },
    Spot {
        name: "an option",
        file: "silo.kdl",
        write: |text| {
            format!(
                "define tool t {{ option o type=string default=\"\"; install a {{ run \"x %{{option.o}}\"; bin \"t\" \"/opt/t\" }}; env T=\"%{{option.o}}\" }}\ntool t o={text}"
            )
        },
        exact: |image, text| env(&image.plan, "T") == Some(meant(text)),
    },
    Spot {
        name: "a base",
        file: "silo.kdl",
        write: |text| format!("base {text}"),
        exact: |image, text| lines(&emit::dockerfile(&image.plan)).iter().any(|line| line.starts_with(&format!("FROM {text}@sha256:"))),
    },
    Spot {
        name: "a mount",
        file: "user.kdl",
        write: |text| format!("mount {} to=\"/srv/x\"", quote(&format!("/data/{}", unquote(text)))),
        exact: |image, text| {
            let parts: Vec<String> = places(text).split('/').filter(|part| !part.is_empty()).map(str::to_string).collect();
            let source = format!("/data{}", parts.iter().map(|part| format!("/{part}")).collect::<String>());
            mounts(image).contains(&(source, "/srv/x".to_string()))
        },
    },
    Spot {
        name: "where something is mounted",
        file: "user.kdl",
        write: |text| format!("mount \"/data\" to={}", quote(&format!("/srv/{}", unquote(text)))),
        exact: |image, text| {
            let parts: Vec<String> = places(text).split('/').filter(|part| !part.is_empty()).map(str::to_string).collect();
            let target = format!("/srv{}", parts.iter().map(|part| format!("/{part}")).collect::<String>());
            mounts(image).contains(&("/data".to_string(), target))
        },
    },
    Spot {
        name: "the name of a cache",
        file: "silo.kdl",
        write: |text| format!("cache {text} to=\"/srv/cache\""),
        exact: |image, text| {
            mounts(image).iter().any(|(source, target)| source.ends_with(&format!("/cache/{text}")) && target == "/srv/cache")
        },
    },
];

fn mounts(image: &Compiled) -> Vec<(String, String)> {
    let bind = |mount: &LaunchMount| match mount {
        LaunchMount::Bind { source, target, .. } => Some((source.clone(), target.clone())),
        LaunchMount::Volume { .. } => None,
    };
    image.launch.iter().flat_map(|launch| &launch.mounts).filter_map(bind).collect()
}

/// The text of a quoted one: what a spot adds something to.
fn unquote(quoted: &str) -> String {
    let mut sources = silo::source::Sources::default();
    let text = format!("x {quoted}\n");
    let id = sources.add(silo::source::Source { name: "x".into(), text: text.clone(), layer: silo::source::Layer::User });
    silo::document::parse(id, &text).0.unwrap().nodes[0].text(0).unwrap().to_string()
}

/// The codes with which a text may be refused: those that are about texts.
const REFUSALS: &[Code] = &[
    Code::UnsafeText,
    Code::BadValue,
    Code::WrongType,
    Code::UnknownPlaceholder,
    Code::UnknownDefinition,
    Code::MissingArgument,
    Code::LaunchTarget,
    Code::CopySource,
    Code::NotTrusted,
];

#[test]
fn every_text_comes_out_exactly_or_is_refused() {
    let mut wrong = Vec::new();
    for Spot { name, write, exact, file } in SPOTS {
        let mut through = 0;
        for text in texts() {
            let shown: String = text.chars().take(40).collect();
            let written = write(&quote(&text));
            let agent = if written.contains("agent claude") { "" } else { "agent claude\n" };
            let project = Project::of(&format!("{agent}{}", if *file == "silo.kdl" { written.as_str() } else { "" }));
            let project = if *file == "user.kdl" { project.file("user.kdl", &written).file("trusted", "") } else { project };
            let project = ["data", text.as_str()]
                .into_iter()
                .filter(|path| !path.is_empty() && !path.ends_with(".kdl"))
                .fold(project, |project, path| project.file(path, "x"));
            let mut loaded = project.load();
            let compiled = match loaded.spec.clone() {
                Some(spec) => loaded.compile(&spec),
                None => Vec::new(),
            };
            if loaded.problems.has_errors() {
                for problem in loaded.problems.iter().filter(|problem| !REFUSALS.contains(&problem.code)) {
                    wrong.push(format!("{name}: {shown:?} is refused as {}: {}", problem.code.as_str(), problem.message));
                }
                if text == "plain" && !matches!(*name, "the URL of an MCP server" | "the ending of a language server" | "a version") {
                    wrong.push(format!("{name}: `plain` is refused:\n{}", loaded.rendered()));
                }
                continue;
            }
            through += 1;
            let Some(image) = compiled.last() else {
                wrong.push(format!("{name}: {shown:?} gives nothing and no problem"));
                continue;
            };
            for image in &compiled {
                let dockerfile = emit::dockerfile(&image.plan);
                if instructions(&dockerfile) != planned(&image.plan) {
                    wrong.push(format!("{name}: {shown:?} changes the instructions of\n{dockerfile}"));
                }
                if let Some(line) = dockerfile.lines().find(|line| line.len() > 65_535) {
                    wrong.push(format!("{name}: {shown:?} makes a line of {} bytes, which the builder does not read", line.len()));
                }
            }
            let image = compiled.iter().find(|image| image.target.to_string() == "claude").unwrap_or(image);
            if !exact(image, &text) {
                wrong.push(format!("{name}: {shown:?} comes out as something else"));
            }
        }
        if through == 0 && !matches!(*name, "the URL of an MCP server" | "the ending of a language server" | "a version") {
            wrong.push(format!("{name}: nothing gets through, so nothing is tested"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// `silo.lock` is committed as well, and may come from anybody.
#[test]
fn no_text_of_a_lock_changes_an_instruction() {
    let text = "base \"debian:bookworm\" from=bootstrap\nlanguage node\ntool docker\ntool uv\nagent claude\n";
    let spec = Project::of(text).load().spec.unwrap();
    let mut wrong = Vec::new();
    type Change = (&'static str, fn(&mut silo::lock::Lock, &str));
    let changes: &[Change] = &[
        ("a version", |lock, text| lock.components.iter_mut().for_each(|component| component.version = text.to_string())),
        ("a package's version", |lock, text| lock.packages[0].pin.versions.values_mut().for_each(|version| *version = text.to_string())),
        ("a package's name", |lock, text| lock.fetch_packages[0].pin.name = text.to_string()),
        ("a package's file", |lock, text| lock.packages[0].files.values_mut().for_each(|file| file.path = text.to_string())),
        ("a package's hash", |lock, text| lock.packages[0].files.values_mut().for_each(|file| file.sha256 = text.to_string())),
        ("a digest", |lock, text| lock.base.digest = text.to_string()),
        ("a URL", |lock, text| {
            artifacts(lock, |artifact| {
                if let Artifact::File { url, .. } = artifact {
                    *url = text.to_string()
                }
            })
        }),
        ("a checksum", |lock, text| {
            artifacts(lock, |artifact| {
                if let Artifact::File { sha256, .. } = artifact {
                    *sha256 = text.to_string()
                }
            })
        }),
        ("a path of npm", |lock, text| {
            artifacts(lock, |artifact| {
                if let Artifact::Npm(package) = artifact {
                    package.path = text.to_string()
                }
            })
        }),
        ("an integrity", |lock, text| {
            artifacts(lock, |artifact| {
                if let Artifact::Npm(package) = artifact {
                    package.integrity = text.to_string()
                }
            })
        }),
        ("a wheel", |lock, text| {
            artifacts(lock, |artifact| {
                if let Artifact::Wheel { name, .. } = artifact {
                    *name = text.to_string()
                }
            })
        }),
        ("a wheel's file", |lock, text| {
            artifacts(lock, |artifact| {
                if let Artifact::Wheel { file, .. } = artifact {
                    *file = text.to_string()
                }
            })
        }),
    ];
    for (name, change) in changes {
        for text in texts() {
            let mut lock = answers::lock(&spec.image);
            change(&mut lock, &text);
            // As it would be read from a file.
            let mut loaded = Project::of("").load();
            let printed = lock.print();
            let source = silo::source::Source { name: "silo.lock".into(), text: printed.clone(), layer: silo::source::Layer::Project(4) };
            let (Some(lock), _) = silo::lock::parse(loaded.sources.add(source), &printed) else { continue };
            for image in loaded.compile_with(&spec, &lock, &host("/home/ada/work/api")) {
                let dockerfile = emit::dockerfile(&image.plan);
                let shown: String = text.chars().take(40).collect();
                if instructions(&dockerfile) != planned(&image.plan) {
                    wrong.push(format!("{name}: {shown:?} changes the instructions of\n{dockerfile}"));
                }
                if let Some(line) = dockerfile.lines().find(|line| line.len() > 65_535) {
                    wrong.push(format!("{name}: {shown:?} makes a line of {} bytes", line.len()));
                }
                // Rows have as many fields as they should, and no row is new.
                for (path, file) in image.plan.context.iter().filter(|(path, _)| path.ends_with("/recipe") || path.ends_with("/packages")) {
                    for row in String::from_utf8(file.bytes.clone()).unwrap().lines().skip(usize::from(path.ends_with("/recipe"))) {
                        let fields = row.split('\t').count();
                        let kind = row.split('\t').next().unwrap_or("");
                        let fits = match kind {
                            "download" => fields == 7,
                            "npm" | "run" => fields == 3,
                            "pip" => fields == 6,
                            "link" => fields == 5,
                            "copy" | "mode" => fields == 4,
                            "any" | "amd64" | "arm64" => fields == 5,
                            _ => false,
                        };
                        if !fits {
                            wrong.push(format!("{name}: {shown:?} makes the row {row:?} of {path}"));
                        }
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn artifacts(lock: &mut silo::lock::Lock, change: impl Fn(&mut Artifact)) {
    lock.components.iter_mut().flat_map(|component| &mut component.artifacts).for_each(change);
}

#[test]
fn the_reader_of_dockerfiles_reads_like_a_builder() {
    let text = "# c\nFROM a AS b\nRUN x \\\n  # inside\n  y\nENV A=\"1\"\n\nlabel x=y\n";
    assert_eq!(instructions(text), ["FROM", "RUN", "ENV", "LABEL"]);
    assert_eq!(unquoted("\"a\\\"b\\$c\\\\\""), Some("a\"b$c\\".to_string()));
    assert_eq!((unquoted("\"$x\""), unquoted("\"a\" b"), unquoted("\"open")), (None, None, None));
}
