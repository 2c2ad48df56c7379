//! Decoding: what merged nodes mean, and what is wrong with them.

use silo::catalog::Catalog;
use silo::document;
use silo::layers::{self, File};
use silo::problem::{Code, Problems};
use silo::source::{Layer, Source, Sources};
use silo::spec::update::{Update, Updates};
use silo::spec::{
    Access, Arch, Backend, BaseFrom, Cause, Checksum, EnvValue, FileFormat, Kind, McpTransport, Pattern, Phase, Presence, RunAs, Spec,
    Step, Template, decode, same_image,
};
use silo::trust::CommandLine;

const PROJECT: Layer = Layer::Project(3);

/// Things of the tests' own, so that nothing here depends on the catalog's contents.
const DEFINITIONS: &str = r#"
define language lang {
    option channel type=enum:stable,nightly default="stable"
    option debug type=bool default=#false
    install vendor {
        arch amd64="x64" arm64="a64"
        download "https://example.test/%{option.channel}/lang-%{version}-%{arch}.tar.gz" strip=1 {
            checksums "https://example.test/SUMS"
        }
        bin "lang" "bin/lang"
    }
    install apt { apt "lang" }
    env LANG_CHANNEL="%{option.channel}" LANG_HOME="%{home}/.lang"
    path "%{home}/.lang/bin"
    check "lang" "--version" contains="%{version}"
}
define tool helper { install pypi { pip "helper" version="%{version}" ; bin "helper" "bin/helper" } }
define lsp langls {
    requires language="lang"
    install npm { npm "langls" version="%{version}"; bin "langls" "node_modules/.bin/langls" }
    command "langls" "--stdio"
    extensions ".l"="lang" ".lx"="langx"
}
define mcp notes {
    install npm { requires tool="helper"; npm "notes"; bin "notes" "node_modules/.bin/notes" }
    command "notes" "%{workspace}"
    env NOTES_TOKEN NOTES_DIR="%{home}/notes"
}
define agent bot {
    install vendor { download "https://example.test/bot-%{arch}"; bin "bot" "bot-%{arch}" }
    command "bot" "--yes"
    subcommands "mcp"
    env BOT_KEY BOT_UPDATE="off"
    state "~/.bot"
    file "/opt/silo/etc/bot/a.json" "{\n}\n"
    register mcp file="/opt/silo/etc/bot/mcp.json" key="a.b" env_ref="$%{name}" {
        arg "--servers" "/opt/silo/etc/bot/mcp.json"
        env BOT_SERVERS="1"
        local { type "stdio"; (list)tools "*"; on #true; limit 3; inner { command "%{argv}" } }
    }
    register lsp file="/opt/silo/etc/bot/lsp.toml" format=toml {
        local { command "%{command}" }
    }
}
"#;

/// Compiles texts of several layers up to the decoder.
fn decode_all(texts: &[(Layer, &str)]) -> (Option<Spec>, Problems, Sources) {
    let mut sources = Sources::default();
    let mut files = Vec::new();
    for (layer, text) in texts {
        let id = sources.add(Source { name: format!("{layer:?}.kdl"), text: text.to_string(), layer: *layer });
        let (document, problems) = document::parse(id, text);
        assert!(problems.is_empty(), "{problems:?}");
        files.push(File::new(*layer, document.expect("it parses")));
    }
    let (layered, problems) = layers::merge(&files, &layers::Facts::default());
    assert!(problems.is_empty(), "{problems:?}");
    let (catalog, problems) = Catalog::new(&layered.nodes);
    assert!(problems.is_empty(), "{problems:?}");
    let (spec, problems) = decode::decode(&layered.nodes, &catalog, &mut sources);
    (spec, problems, sources)
}

fn spec_of(layer: Layer, text: &str) -> Spec {
    let text = format!("{text}\n{}", quiet(DEFINITIONS));
    let (spec, problems, _) = decode_all(&[(layer, &text)]);
    assert!(problems.is_empty(), "{problems:?}");
    spec.expect("no problem, so there is a spec")
}

fn project(text: &str) -> Spec {
    spec_of(PROJECT, text)
}

fn project_with_user(user: &str, text: &str) -> Spec {
    // An agent of a project may not take variables of the host, so the definitions are the user's.
    let user = format!("{user}\n{DEFINITIONS}");
    let (spec, problems, _) = decode_all(&[(Layer::User, &user), (PROJECT, text)]);
    assert!(problems.is_empty(), "{problems:?}");
    spec.expect("no problem, so there is a spec")
}

/// The codes, and the texts that the main labels underline.
fn problems_of(layer: Layer, text: &str) -> Vec<(Code, String)> {
    let (spec, problems, sources) = decode_all(&[(layer, text)]);
    assert!(spec.is_none(), "there is a spec in spite of {problems:?}");
    problems
        .iter()
        .map(|problem| (problem.code, problem.labels.first().map_or(String::new(), |label| sources.slice(label.span).to_string())))
        .collect()
}

fn only_problem(text: &str) -> (Code, String, String) {
    let (_, problems, sources) = decode_all(&[(PROJECT, text)]);
    let list: Vec<_> = problems.iter().collect();
    let [problem] = list.as_slice() else { panic!("not one problem: {problems:?}") };
    let place = problem.labels.first().map_or("", |label| sources.slice(label.span));
    (problem.code, place.to_string(), problem.help.clone().unwrap_or_default())
}

/// Definitions as a project may have them: without a variable of the host.
fn quiet(definitions: &str) -> String {
    definitions.replace("env BOT_KEY ", "env ")
}

#[test]
fn an_empty_configuration_is_the_default_base() {
    let spec = project("");
    let (default, problems, _) = decode_all(&[]);
    assert!(problems.is_empty());
    let base = default.expect("a spec").image.base;
    assert_eq!(
        (base.reference, base.from, base.distribution),
        (spec.image.base.reference.clone(), BaseFrom::Registry, spec.image.base.distribution.clone())
    );
    assert_eq!(spec.image.base, spec.image.fetch);
    assert!(!spec.image.base.distribution.packages.is_empty());
    assert!(spec.image.components.is_empty() && spec.image.agents.is_empty());
}

#[test]
fn a_base_is_described_by_its_last_name_and_tag() {
    let default = project("").image.base;
    let tag = default.distribution.suite.as_str();
    let name = default.distribution.name.as_str();
    for reference in [
        format!("{name}:{tag}"),
        format!("registry.example.test/mirror/{name}:{tag}-slim"),
        format!("{name}:{tag}@sha256:{}", "0".repeat(64)),
    ] {
        let spec = project(&format!("base {reference:?} {{ apt \"jq\" \"less=1.2-3\" }}"));
        assert_eq!(spec.image.base.reference, reference);
        assert_eq!(spec.image.base.distribution, default.distribution);
        assert_eq!(spec.image.fetch.reference, reference);
        assert!(
            matches!(&spec.image.base.steps[..], [Step::Apt { packages }] | [Step::Apt { packages }, Step::Apt { .. }] if packages[0] == "jq"),
            "{:?}",
            spec.image.base.steps
        );
        assert!(spec.image.fetch.steps.is_empty());
    }
    let spec = project(&format!("base \"{name}:{tag}\" from=bootstrap"));
    assert_eq!((spec.image.base.from, spec.image.fetch.from), (BaseFrom::Bootstrap, BaseFrom::Bootstrap));
}

#[test]
fn an_image_nobody_describes_gets_nothing_of_its_own() {
    let spec = project("base \"ghcr.example.test/acme/dev:1\"");
    assert_eq!(spec.image.base.reference, "ghcr.example.test/acme/dev:1");
    assert!(spec.image.base.distribution.packages.is_empty() && spec.image.base.distribution.suite.is_empty());
    assert_eq!(spec.image.fetch.reference, project("").image.base.reference);
    let (code, place, help) = only_problem("base \"nonesuch:1\" from=bootstrap");
    assert_eq!((code, place.as_str()), (Code::UnknownDefinition, "\"nonesuch:1\""));
    assert!(help.contains(&project("").image.base.reference), "{help}");
}

#[test]
fn layers_stand_after_those_they_name() {
    let spec = project("layer c after=b { apt \"c\" }\nlayer a { apt \"a\" }\nlayer b after=a { env X=\"1\" ; path \"/opt/b/bin\" }");
    let names: Vec<_> = spec.image.layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(problems_of(PROJECT, "layer a after=b {}\nlayer b after=a {}")[0].0, Code::LayerCycle);
    let (code, place, help) = only_problem("layer alpha {}\nlayer b after=alpa {}");
    assert_eq!((code, place.as_str(), help.as_str()), (Code::UnknownDefinition, "after=alpa", "did you mean `alpha`?"));
}

#[test]
fn a_component_has_its_options_and_every_source() {
    let spec = project("language lang version=\"1.2\" channel=nightly");
    let [lang] = spec.image.components.as_slice() else { panic!("{:?}", spec.image.components) };
    assert_eq!((lang.id.to_string().as_str(), lang.request.as_str(), lang.cause), ("language lang", "1.2", Cause::Configured));
    assert_eq!(lang.options.get("channel").map(String::as_str), Some("nightly"));
    assert_eq!(lang.options.get("debug").map(String::as_str), Some("false"));
    let sources: Vec<_> = lang.installs.iter().map(|install| install.source.as_str()).collect();
    assert_eq!(sources, ["vendor", "apt"]);
    assert_eq!(lang.installs[0].arch[&Arch::Amd64], "x64");
    assert_eq!(lang.installs[1].arch[&Arch::Amd64], "amd64");
    let [Step::Download { url, to: None, strip: 1, checksum: Checksum::Published { url: sums } }, Step::Bin { name, target }] =
        &lang.installs[0].steps[..]
    else {
        panic!("{:?}", lang.installs[0].steps)
    };
    assert_eq!(url.0, "https://example.test/nightly/lang-%{version}-%{arch}.tar.gz");
    assert_eq!((sums.0.as_str(), name.as_str(), target.0.as_str()), ("https://example.test/SUMS", "lang", "bin/lang"));
    let env: Vec<_> = lang.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(env, [("LANG_CHANNEL", "nightly")]);
    assert_eq!(lang.checks[0].contains, Some(Template("%{version}".into())));
}

#[test]
fn what_depends_on_home_is_set_when_a_container_runs() {
    let spec = project("language lang");
    assert_eq!(spec.run.path, [Template("%{home}/.lang/bin".into())]);
    let env: Vec<_> = spec.run.env.iter().map(|variable| (variable.name.as_str(), variable.value.clone())).collect();
    assert_eq!(env, [("LANG_HOME", EnvValue::Set(Template("%{home}/.lang".into())))]);
    let spec = project("language lang\nenv LANG_HOME=\"/srv/lang\"");
    assert!(spec.run.env.is_empty(), "the user's own value is in the image, and nothing hides it: {:?}", spec.run.env);
}

#[test]
fn a_source_is_chosen() {
    let spec = project("language lang source=apt");
    assert_eq!(spec.image.components[0].installs.iter().map(|install| install.source.as_str()).collect::<Vec<_>>(), ["apt"]);
    let (code, place, help) = only_problem(&quiet(&format!("language lang source=brew\n{DEFINITIONS}")));
    assert_eq!((code, place.as_str(), help.as_str()), (Code::UnknownSource, "source=brew", "it can come from `vendor` and `apt`"));
    assert_eq!(project("tool helper source=pypi").image.components.len(), 2);
}

#[test]
fn options_are_checked_and_point_at_the_definition() {
    let text = quiet(&format!("language lang chanel=stable debug=1 version=1.20\n{DEFINITIONS}"));
    let (_, problems, sources) = decode_all(&[(PROJECT, &text)]);
    let seen: Vec<_> = problems
        .iter()
        .map(|problem| {
            (
                problem.code,
                sources.slice(problem.labels[0].span),
                sources.slice(problem.labels[1].span),
                problem.help.as_deref().unwrap_or(""),
            )
        })
        .collect();
    let expected = [
        (Code::UnknownOption, "chanel=stable", "define language lang", "did you mean `channel`?"),
        (Code::WrongType, "debug=1", "option debug", "it is `#true` or `#false`"),
        (Code::WrongType, "version=1.20", "define language lang", "write `version=\"1.20\"`"),
    ];
    for expected in expected {
        assert!(seen.contains(&expected), "{expected:?} in {seen:?}");
    }
    assert_eq!(seen.len(), expected.len(), "{seen:?}");
}

#[test]
fn an_option_without_a_default_must_be_given() {
    let definition = "define tool t { option place type=abs-path; install apt { apt \"t\" } }";
    assert_eq!(problems_of(PROJECT, &format!("tool t\n{definition}")), [(Code::MissingArgument, "tool t".to_string())]);
    assert_eq!(project(&format!("tool t place=\"/x\"\n{definition}")).image.components.len(), 1);
    assert!(project(definition).image.components.is_empty(), "and nobody who does not use it has to");
}

#[test]
fn what_is_required_comes_along_with_what_the_configuration_says_of_it() {
    let spec = project("lsp langls");
    let ids: Vec<_> = spec.image.components.iter().map(|component| (component.id.to_string(), component.cause)).collect();
    let expected = [("language lang", Cause::Required), ("lsp langls", Cause::Configured), ("client npm", Cause::Required)];
    for (id, cause) in expected {
        assert!(ids.contains(&(id.to_string(), cause)), "{id} in {ids:?}");
    }
    assert!(ids.is_sorted_by_key(|(id, _)| Kind::ALL.iter().position(|kind| id.starts_with(kind.as_str()))), "{ids:?}");
    let spec = project("lsp langls\nlanguage lang version=\"7\"");
    let lang = spec.image.components.iter().find(|component| component.id.kind == Kind::Language).expect("it is there");
    assert_eq!((lang.request.as_str(), lang.cause), ("7", Cause::Configured));
    let spec = project("mcp notes");
    assert!(spec.image.components.iter().any(|component| component.id.to_string() == "tool helper"), "through an install block");
}

#[test]
fn a_step_of_a_layer_brings_its_client() {
    let spec = project("layer x { npm \"left-pad\" version=\"^1\" }");
    assert!(spec.image.components.iter().any(|component| component.id.to_string() == "client npm"));
    assert!(project("layer x { apt \"a\" }").image.components.is_empty());
}

#[test]
fn a_language_server_inside_a_language_is_one_like_any_other() {
    let nested = project("language lang { lsp langls }");
    let flat = project("language lang\nlsp langls");
    let ids = |spec: &Spec| {
        spec.image.components.iter().map(|component| (component.id.clone(), component.request.clone(), component.cause)).collect::<Vec<_>>()
    };
    assert_eq!(ids(&nested), ids(&flat));
    let spec = project("language lang { lsp langls }\nlsp langls version=\"3\"");
    let server = spec.image.components.iter().find(|component| component.id.kind == Kind::Lsp).expect("it is there");
    assert_eq!(server.request, "3");
}

#[test]
fn an_unknown_name_is_an_error_with_the_nearest() {
    let (code, place, help) = only_problem(&quiet(&format!("tool helpr\n{DEFINITIONS}")));
    assert_eq!((code, place.as_str()), (Code::UnknownDefinition, "tool helpr"));
    assert!(help.starts_with("did you mean `helper`?"), "{help}");
    let (code, ..) = only_problem("use agent=nobody");
    assert_eq!(code, Code::UnknownDefinition);
}

#[test]
fn an_agent_is_told_of_all_servers_unless_it_chooses() {
    let spec = project_with_user(
        "",
        "agent bot { args \"-m\" \"big\" }\nmcp notes\nmcp web url=\"https://example.test/mcp\" transport=sse\nlsp langls",
    );
    let (agent, run) = (&spec.image.agents[0], &spec.run.agents[0]);
    let names: Vec<_> = agent.mcp.iter().map(|server| server.name.as_str()).collect();
    assert_eq!(names, ["notes", "web"]);
    let needed: Vec<_> = agent.mcp[0].env.iter().map(|name| name.as_str()).collect();
    assert_eq!(needed, ["NOTES_TOKEN", "SILO_WORKSPACE"]);
    let McpTransport::Stdio { command, env } = &agent.mcp[0].transport else { panic!("{:?}", agent.mcp[0]) };
    assert_eq!(command, &[Template("notes".into()), Template("%{workspace}".into())]);
    assert_eq!(env.values().collect::<Vec<_>>(), [&Template("%{home}/notes".into())]);
    assert_eq!(agent.mcp[1].transport, McpTransport::Remote { protocol: "sse".into(), url: "https://example.test/mcp".into() });
    assert_eq!(
        agent.lsp[0].languages.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect::<Vec<_>>(),
        [(".l", "lang"), (".lx", "langx")]
    );
    let words: Vec<_> = run.command.iter().map(|word| word.0.as_str()).collect();
    assert_eq!(words, ["bot", "--yes", "--servers", "/opt/silo/etc/bot/mcp.json"]);
    assert_eq!(run.args, [Template("-m".into()), Template("big".into())]);
    assert_eq!((run.subcommands.as_slice(), run.state.as_slice()), (&["mcp".to_string()][..], &[Template("~/.bot".into())][..]));
    let env: Vec<_> = run.env.iter().map(|variable| (variable.name.as_str(), variable.value.clone(), variable.presence)).collect();
    let set = |text: &str| EnvValue::Set(Template(text.into()));
    assert_eq!(
        env,
        [
            ("BOT_KEY", EnvValue::Host, Presence::Optional),
            ("BOT_SERVERS", set("1"), Presence::Required),
            ("BOT_UPDATE", set("off"), Presence::Required)
        ]
    );
    assert_eq!(agent.files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect::<Vec<_>>(), [("/opt/silo/etc/bot/a.json", "{\n}\n")]);

    let spec = project_with_user("", "agent bot { mcp web }\nmcp notes\nmcp web url=\"https://example.test/mcp\"");
    assert_eq!(spec.image.agents[0].mcp.iter().map(|server| server.name.as_str()).collect::<Vec<_>>(), ["web"]);
    assert!(spec.image.agents[0].registrations.is_empty(), "its pattern cannot say a remote server");
    assert_eq!(spec.run.agents[0].command.len(), 2, "and so nothing is added to its command");
}

#[test]
fn a_server_that_only_an_agent_names_is_that_agents() {
    let spec = project_with_user(
        "define agent other { install apt { apt \"other\" }; command \"other\"; }",
        "agent bot { mcp notes }\nagent other",
    );
    let of = |name: &str| spec.image.agents.iter().find(|agent| agent.name().as_str() == name).expect("it is there").mcp.len();
    assert_eq!((of("bot"), of("other")), (1, 0));
    let notes = spec.image.components.iter().find(|component| component.id.kind == Kind::Mcp).expect("it is installed");
    assert_eq!(notes.cause, Cause::Required);
}

#[test]
fn a_registration_is_a_pattern() {
    let spec = project_with_user("", "agent bot\nmcp notes\nlsp langls");
    let [mcp, lsp] = spec.image.agents[0].registrations.as_slice() else { panic!("two registrations") };
    assert_eq!((mcp.key.join("/"), mcp.env_reference.0.as_str(), mcp.format), ("a/b".to_string(), "$%{name}", FileFormat::Json));
    let text = |text: &str| Pattern::Text(text.into());
    let expected = Pattern::Table(vec![
        ("type".into(), text("stdio")),
        ("tools".into(), Pattern::List(vec![text("*")])),
        ("on".into(), Pattern::Bool(true)),
        ("limit".into(), Pattern::Integer(3)),
        ("inner".into(), Pattern::Table(vec![("command".into(), text("%{argv}"))])),
    ]);
    assert_eq!(mcp.local, expected);
    assert_eq!((lsp.format, lsp.servers, lsp.key.len()), (FileFormat::Toml, Kind::Lsp, 0));
}

#[test]
fn a_server_of_the_users_own_needs_no_definition() {
    let spec = project_with_user(
        "",
        "agent bot\nlsp mine { command \"mine\" \"serve\"; extensions \".m\"=\"m\" }\nmcp own { command \"own\"; env OWN_TOKEN }",
    );
    let agent = &spec.image.agents[0];
    assert_eq!((agent.lsp[0].name.as_str(), agent.mcp[0].name.as_str()), ("mine", "own"));
    assert!(spec.image.components.iter().all(|component| component.id.kind != Kind::Lsp && component.id.kind != Kind::Mcp));
}

#[test]
fn a_variable_is_where_its_phase_says() {
    let spec = project("env A=\"1\" H=\"%{home}/x\" { B \"2\" phase=build; C \"3\" phase=run; D \"4\" secret=#true; E \"%%{x}\" }");
    let image: Vec<_> = spec.image.env.iter().map(|(name, env)| (name.as_str(), env.value.as_str(), env.phase)).collect();
    assert_eq!(image, [("A", "1", Phase::Both), ("B", "2", Phase::Build), ("E", "%{x}", Phase::Both)]);
    let run: Vec<_> = spec.run.env.iter().map(|variable| variable.name.as_str()).collect();
    assert_eq!(run, ["C", "D", "H"]);
    let spec = spec_of(Layer::User, "env A=\"1\" TOKEN { B \"2\" phase=both; N from=host; O from=host required=#false }");
    assert_eq!(spec.image.env.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["B"]);
    let run: Vec<_> =
        spec.run.env.iter().map(|variable| (variable.name.as_str(), variable.value == EnvValue::Host, variable.presence)).collect();
    use Presence::{Optional, Required};
    assert_eq!(run, [("A", false, Required), ("N", true, Required), ("O", true, Optional), ("TOKEN", true, Optional)]);
}

#[test]
fn a_secret_is_in_no_image() {
    for line in ["env { S \"x\" secret=#true phase=build }", "env { S from=host phase=both }"] {
        let (_, problems, _) = decode_all(&[(Layer::User, line)]);
        assert_eq!(problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), [Code::BadValue], "{line}");
    }
    let spec = project("env { S \"hunter2\" secret=#true }");
    assert!(!format!("{:?}", spec.image).contains("hunter2"));
}

#[test]
fn a_project_cannot_reach_for_the_host() {
    let text = "env TOKEN\nenv { OTHER from=host }\nmount \"~/.ssh\" \"/etc\"\nmount \"%{home}/x\"\nmount \"~/.netrc\" to=\"/n\"";
    let asked = |layer: Layer, text: &str| {
        let (spec, problems, sources) = decode_all(&[(layer, text)]);
        assert!(problems.is_empty(), "{problems:?}");
        let spec = spec.unwrap();
        let requests = silo::trust::requests(&spec, &CommandLine::default(), &sources);
        let warnings = silo::trust::warnings(&requests, &sources);
        let run = silo::trust::withhold(&spec.run, &CommandLine::default());
        let agents: usize = run.agents.iter().map(|agent| agent.env.len() + agent.mounts.len()).sum();
        assert_eq!(run.env.len() + run.mounts.len() + agents, 0, "all of it is kept back");
        (requests.len(), warnings.iter().filter(|problem| problem.code == Code::NotTrusted).count())
    };
    for layer in [Layer::System, Layer::User, Layer::Above(1), Layer::CommandLine] {
        let spec = spec_of(layer, text);
        assert_eq!((spec.run.env.len(), spec.run.mounts.len()), (2, 4));
        assert_eq!(asked(layer, text), (6, 0), "the user's own is shown, and nobody is warned of it");
    }
    for layer in [PROJECT, Layer::Local(3)] {
        assert_eq!(asked(layer, text), (6, 6), "{layer:?}");
    }
    let definition = "define agent thief { install apt { apt \"x\" }; command \"x\"; env SECRET }\nagent thief";
    assert_eq!(asked(PROJECT, definition), (1, 1));
    let tool = "define tool thief { install apt { apt \"x\" }; env SECRET }";
    assert_eq!(problems_of(Layer::User, tool)[0].0, Code::BadValue, "nor any tool, whoever describes it");
}

#[test]
fn a_project_mounts_what_it_has() {
    let spec = project("mount \"data\" to=\"/srv/data\" mode=rw optional=#true\nmount \"%{workspace}/a\" \"b\"");
    let mounts: Vec<_> =
        spec.run.mounts.iter().map(|mount| (mount.source.0.as_str(), mount.target.0.as_str(), mount.access, mount.presence)).collect();
    for expected in [
        ("%{workspace}/data", "/srv/data", Access::ReadWrite, Presence::Optional),
        ("%{workspace}/a", "%{workspace}/a", Access::ReadOnly, Presence::Required),
        ("%{workspace}/b", "%{workspace}/b", Access::ReadOnly, Presence::Required),
    ] {
        assert!(mounts.contains(&expected), "{expected:?} in {mounts:?}");
    }
}

#[test]
fn some_mounts_are_nobodys() {
    for line in [
        "mount \"/var/run/docker.sock\"",
        "mount \"/run/containerd/containerd.sock\" to=\"/x\"",
        "mount \"/a/../b\"",
        "mount \"/\"",
        "mount \"/srv\" to=\"/proc/x\"",
        "mount \"/srv\" to=\"/sys\"",
        "mount \"/dev\"",
        "mount \"/srv\" to=\"relative\"",
        "mount \"/srv\" to=\"/./dev\"",
        "cache x to=\"/dev/shm\"",
        "cache x to=\"/a/../b\"",
        "cache x to=\"/opt/./silo/bin\"",
        "mount \"a\" to=\"/opt/silo\"",
        "env PATH=\"/x\"",
        "env { HOME \"/x\" phase=run }",
        "layer x { env PATH=\"/x\" }",
        "layer x { download \"https://example.test/x\" to=\"/opt/silo/bin/x\" }",
    ] {
        let (_, problems, _) = decode_all(&[(Layer::User, line)]);
        assert_eq!(problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), [Code::BadValue], "{line}");
    }
}

#[test]
fn resources_have_units() {
    let text = format!("resources cpus=1.5 memory=\"8GiB\" disk=\"512MB\" pids=100\n{}", quiet(DEFINITIONS));
    let (spec, problems, _) = decode_all(&[(PROJECT, &text)]);
    assert_eq!(problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), [Code::NotLimited]);
    let resources = spec.unwrap().run.resources;
    assert_eq!(
        (resources.milli_cpus, resources.memory, resources.disk, resources.pids),
        (Some(1500), Some(8 << 30), Some(512_000_000), Some(100))
    );
    assert_eq!(project("resources cpus=4 memory=\"1.5KiB\"").run.resources.memory, Some(1536));
    for line in [
        "resources memory=\"8 gigs\"",
        "resources cpus=-1",
        "resources memory=\"0GiB\"",
        "resources memory=\"99999999999TiB\"",
        "resources pids=1.5",
        "resources cpus=1.2345",
    ] {
        assert_eq!(only_problem(line).0, Code::BadValue, "{line}");
    }
}

#[test]
fn caches_hooks_and_the_choice() {
    let spec = project(
        "cache pnpm to=\"~/.local/share/pnpm\"\npre_build \"a\\nb\" id=one\npost_build \"c\" as=user\npre_run \"d\"\nuse backend=apple",
    );
    assert_eq!((spec.run.caches[0].name.as_str(), spec.run.caches[0].target.0.as_str()), ("pnpm", "~/.local/share/pnpm"));
    let hooks: Vec<_> = [&spec.image.pre_build[0], &spec.image.post_build[0], &spec.run.pre_run[0]]
        .into_iter()
        .map(|hook| (hook.script.as_str(), hook.id.as_deref(), hook.user))
        .collect();
    assert_eq!(hooks, [("a\nb", Some("one"), RunAs::Root), ("c", None, RunAs::User), ("d", None, RunAs::User)]);
    assert_eq!((spec.run.backend, spec.run.default_agent), (Some(Backend::Apple), None));
    let spec = project_with_user("use agent=bot", "");
    assert_eq!(spec.run.default_agent.as_ref().map(|name| name.as_str()), Some("bot"));
    assert_eq!(spec.image.agents.len(), 1);
}

#[test]
fn what_keeps_agents_new_is_how_they_are_run_and_not_what_they_are() {
    let plain = project("agent bot");
    assert_eq!((plain.run.agents[0].update, plain.run.updates), (Update::Notify, Updates { most: Update::Auto, hours: 24 }));
    let said = project("agent bot update=auto\nuse update=notify update_hours=6");
    assert_eq!((said.run.agents[0].update, said.run.updates), (Update::Auto, Updates { most: Update::Notify, hours: 6 }));
    assert_eq!(plain.image.agents[0].component.options, said.image.agents[0].component.options, "no option of the definition");
    for line in ["use update_hours=-1", "use update_hours=9000"] {
        assert_eq!(only_problem(line).0, Code::BadValue, "{line}");
    }
    // Said by the user of an agent of the project's, it is still the project's image; what changes the image makes it another.
    let user = project_with_user("agent bot update=auto", "agent bot { args \"x\"; }\nbase \"debian:bookworm\" { run \"a\"; }");
    let alone = project("agent bot { args \"x\"; }\nbase \"debian:bookworm\" { run \"a\"; }");
    assert_eq!(user.run.agents[0].update, Update::Auto);
    assert_ne!(user.image, alone.image, "the places differ");
    assert!(same_image(&user.image, &alone.image));
    assert!(!same_image(&user.image, &project("agent bot { args \"x\"; }\nbase \"debian:bookworm\" { run \"b\"; }").image));
    assert!(!same_image(&project("agent bot").image, &project("agent bot version=\"1\"").image));
    // A user's own forced word stands, whatever the project says.
    let user = project_with_user("use update=(force)never", "use update=auto\nagent bot update=auto");
    assert_eq!(user.run.updates.most, Update::Never);
}

#[test]
fn scripts_are_exact_whatever_they_hold() {
    let script = "echo %%{home} \\\"${X}\\\" \\\\ 'EOF' # \\u{1F980}";
    let spec = project(&format!("post_build \"{script}\""));
    assert_eq!(spec.image.post_build[0].script, "echo %{home} \"${X}\" \\ 'EOF' # \u{1F980}");
}

#[test]
fn placeholders_are_known_or_wrong() {
    let (code, place, help) = only_problem("pre_build \"ls %{workspace}\"");
    assert_eq!((code, place.as_str()), (Code::UnknownPlaceholder, "\"ls %{workspace}\""));
    assert!(help.contains("$SILO_WORKSPACE"), "{help}");
    assert_eq!(only_problem("mcp x { command \"x\" \"%{user}\" }").0, Code::UnknownPlaceholder);
    assert_eq!(only_problem("env { X \"%{home}\" phase=build }").0, Code::UnknownPlaceholder);
    let text = "define tool t { option opt default=\"x\"; install apt { apt \"%{option.oqt}\" } }";
    let (_, problems, _) = decode_all(&[(PROJECT, text)]);
    assert!(
        problems
            .iter()
            .any(|problem| problem.code == Code::UnknownPlaceholder
                && problem.help.as_deref().is_some_and(|help| help.contains("option.opt")))
    );
}

#[test]
fn an_options_value_is_no_placeholder() {
    let text = "define lsp o { option word default=\"a\"; install apt { apt \"o\" }; command \"o\"; extensions \".o\"=\"o\" }\n\
                define mcp p { option word default=\"a\"; install apt { apt \"p\" }; command \"p\" \"%{option.word}\" }\nmcp p word=\"%{home}\"\nagent bot";
    let spec = project_with_user("", text);
    let McpTransport::Stdio { command, .. } = &spec.image.agents[0].mcp[0].transport else { panic!("a program") };
    assert_eq!(command[1].0, "%%{home}");
}

#[test]
fn a_text_that_cannot_be_carried_is_refused() {
    for text in [
        "env X=\"a\\nb\"",
        "env X=\"a\\u{0}b\"",
        "env X=\"\\u{202E}x\"",
        "pre_run \"a\\u{0}b\"",
        "base \"a\\nRUN b\"",
        "mount \"a\\nb\"",
        "cache x to=\"/a\\tb\"",
        "layer x { download \"https://example.test/a\\nb\" to=\"/x\" }",
        "layer x { run \"a\\u{0}\" }",
        "mcp m { command \"a\\nb\" }",
        "mcp m url=\"https://example.test/\\u{7}\"",
        "use agent=\"a\\nb\"",
    ] {
        let found = problems_of(PROJECT, text);
        assert!(found.iter().any(|(code, _)| *code == Code::UnsafeText), "{text}: {found:?}");
    }
}

#[test]
fn steps_are_checked() {
    for step in [
        "apt \"a b\"",
        "apt \"-o=x\"",
        "apt \"a;b\"",
        "copy \"../x\" \"/y\"",
        "copy \"/x\" \"/y\"",
        "copy \"x\" \"y\"",
        "copy \"x\" \"/opt/silo/bin/y\"",
        "copy \"x\" \"/y\" mode=\"99\"",
        "bin \"a/b\" \"/c\"",
        "bin \"a\" \"b\"",
        "path \"bin\"",
        "npm \"--flag\"",
        "npm \"a b\"",
        "pip \"a==1\"",
        "go \"hello\"",
        "go \"a.test/../x\"",
        "go \"-a.test/x\"",
        "go \"a.test/x@v1.0.0\"",
        "go \"https://a.test/x\"",
        "go \"a.test/\"",
        "download \"ftp://example.test/x\" to=\"/x\"",
        "download \"https://example.test/x\"",
        "download \"https://example.test/x\" to=\"/x\" { sha256 \"12\" }",
        "run \"x\" as=nobody",
    ] {
        let found = problems_of(PROJECT, &format!("layer l {{ {step} }}"));
        assert_eq!(found.iter().map(|(code, _)| *code).collect::<Vec<_>>(), [Code::BadValue], "{step}: {found:?}");
    }
    let hash = "ab".repeat(32);
    let spec = project(&format!(
        "layer l {{ copy \"./ci/x\" \"/etc/x\" mode=\"0755\"; download \"https://example.test/x\" to=\"/x\" {{ sha256 amd64=\"{hash}\" }} }}"
    ));
    let steps = &spec.image.layers[0].steps;
    assert!(matches!(&steps[0], Step::Copy { mode: Some(0o755), .. }), "{steps:?}");
    assert!(
        matches!(&steps[1], Step::Download { checksum: Checksum::Sha256(hashes), .. } if hashes.len() == 1 && hashes[&Arch::Amd64] == hash),
        "{steps:?}"
    );
}

#[test]
fn every_problem_is_reported_at_once() {
    let text = "base \"x y\"\ntool nonesuch\nresources cpus=0\ncache C to=\"/c\"\nmount \"~/a\"\npre_run \"x\" as=root\nuse backend=lxc";
    let mut codes: Vec<_> = problems_of(PROJECT, text).into_iter().map(|(code, _)| code).collect();
    codes.sort();
    let mut expected = vec![Code::UnknownDefinition];
    expected.extend([Code::BadValue; 5]);
    expected.sort();
    assert_eq!(codes, expected);
}

#[test]
fn a_definition_that_nobody_uses_is_checked_too() {
    let text = "define tool broken { install apt { apt \"x;y\" } }";
    assert_eq!(problems_of(PROJECT, text), [(Code::BadValue, "\"x;y\"".to_string())]);
    let spec = project("");
    assert!(spec.image.components.is_empty() && spec.run.env.is_empty() && spec.run.path.is_empty(), "and leaves no trace");
}

#[test]
fn decoding_twice_gives_the_same_and_reads_the_catalog_once() {
    let (first, _, sources) = decode_all(&[(PROJECT, "layer x { npm \"a\" }")]);
    let (second, _, again) = decode_all(&[(PROJECT, "layer x { npm \"a\" }")]);
    assert_eq!(first, second);
    let names = |sources: &Sources| sources.iter().map(|(_, source)| source.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&sources), names(&again));
    let mut unique = names(&sources);
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), names(&sources).len());
}

#[test]
fn placeholders_are_read_in_one_way() {
    use silo::template::{Part, fill, parts};
    let of = |text| parts(text);
    assert_eq!(of("a%{b}c"), [Part::Text("a"), Part::Placeholder("b"), Part::Text("c")]);
    assert_eq!(of("%{b}%{c}"), [Part::Placeholder("b"), Part::Placeholder("c")]);
    assert_eq!(of("%%{b}"), [Part::Text("%{"), Part::Text("b}")]);
    assert_eq!(of("100% %{open"), [Part::Text("100% %{open")]);
    assert_eq!(of("%%%{b}é%"), [Part::Text("%"), Part::Text("%{"), Part::Text("b}é%")]);
    assert_eq!(of(""), []);
    assert_eq!(fill("<%{a}>", |name| (name == "a").then(|| "1".to_string())), Ok("<1>".to_string()));
    assert_eq!(fill("<%{b}>", |_| None), Err("b".to_string()));
}
