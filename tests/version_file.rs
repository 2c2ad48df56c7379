//! `version_file=`: what the files of version managers and tool chains come to, and what is said of those that say nothing.

use silo::lock::version::Request;
use silo::problem::Severity;
use silo::spec::Kind;

use crate::cli::Place;
use crate::support::answers;
use crate::support::project::{Loaded, Project};

/// What is asked for, the file, what is in it, and the version that this comes to.
type Row = (&'static str, &'static str, &'static str, &'static str);

/// The syntax is that of each tool's own documentation: nvm, nodenv, fnm, Volta, goenv, `go.mod` of the Go reference, rustup's override file,
/// pyenv, uv, Poetry, Pipenv, jenv, SDKMAN, Maven, Gradle, rbenv, Bundler, the .NET SDK, asdf, mise, tfenv, Corepack.
const FILES: &[Row] = &[
    ("language node", ".nvmrc", "22\n", "22"),
    ("language node", ".nvmrc", "v22.11.0\n", "22.11.0"),
    ("language node", ".nvmrc", "  22.11  ", "22.11"),
    ("language node", ".nvmrc", "# what production has\n\nv20.18.1 # until March\n", "20.18.1"),
    ("language node", ".nvmrc", "v22.11.0\r\n", "22.11.0"),
    ("language node", ".nvmrc", "lts/*\n", "lts"),
    ("language node", ".nvmrc", "lts/jod\n", "jod"),
    ("language node", ".nvmrc", "stable\n", "stable"),
    ("language node", ".nvmrc", "node\n", "latest"),
    ("language node", ".node-version", "22.11.0", "22.11.0"),
    ("language node", "package.json", r#"{ "engines": { "node": ">=20 <23", "npm": "10" } }"#, ">=20 <23"),
    ("language node", "package.json", r#"{ "engines": { "node": "20" }, "volta": { "node": "20.18.1" } }"#, "20.18.1"),
    ("language node", "package.json", r#"{ "devEngines": { "runtime": { "name": "node", "version": "^22.4" } } }"#, "^22.4"),
    ("language node", ".tool-versions", "python 3.12.1\nnodejs 22.11.0 20.18.1\n", "22.11.0"),
    ("language node", ".tool-versions", "nodejs lts # long support\n", "lts"),
    ("language node", "mise.toml", "[tools]\nnode = \"22\"\n", "22"),
    ("language node", "mise.toml", "[tools]\nnode = [\"22\", \"20\"]\n", "22"),
    ("language node", ".mise.toml", "[tools]\nnode = { version = \"lts\", postinstall = \"corepack enable\" }\n", "lts"),
    ("language node", "mise.toml", "[tools]\nnode = 22\n", "22"),
    ("language go", "go.mod", "module a.test/b\n\ngo 1.23\n", "1.23"),
    ("language go", "go.mod", "module a.test/b\n\ngo 1.23.0\n\ntoolchain go1.23.4\n", "1.23.4"),
    ("language go", "go.mod", "module a.test/b\n\ngo 1.24rc1 // soon\n", "1.24rc1"),
    ("language go", "go.mod", "module a.test/b\n\ngo 1.22\n\ntoolchain default\n", "1.22"),
    ("language go", "go.work", "go 1.22.1\n\nuse ./a\n", "1.22.1"),
    ("language go", ".go-version", "1.23.4\n", "1.23.4"),
    ("language go", ".tool-versions", "golang 1.23.4\n", "1.23.4"),
    ("language go", "mise.toml", "[tools]\ngo = \"latest\"\n", "latest"),
    ("language rust", "rust-toolchain.toml", "[toolchain]\nchannel = \"1.83.0\"\ncomponents = [\"rustfmt\"]\n", "1.83.0"),
    ("language rust", "rust-toolchain.toml", "[toolchain]\nchannel = \"nightly-2026-11-20\"\n", "nightly-2026-11-20"),
    (
        "language rust",
        "rust-toolchain.toml",
        "[toolchain]\nchannel = \"nightly-2026-11-20-x86_64-unknown-linux-gnu\"\n",
        "nightly-2026-11-20",
    ),
    ("language rust", "rust-toolchain.toml", "[toolchain]\nchannel = \"stable\"\n", "stable"),
    ("language rust", "rust-toolchain", "1.83\n", "1.83"),
    ("language rust", "rust-toolchain", "nightly\n", "nightly"),
    ("language rust", "rust-toolchain", "beta-2026-10-18\n", "beta-2026-10-18"),
    ("language rust", "rust-toolchain", "[toolchain]\nchannel = \"1.82\"\n", "1.82"),
    ("language python", ".python-version", "3.12\n", "3.12"),
    ("language python", ".python-version", "# the first is the default\n3.12.7\n3.11.10\n", "3.12.7"),
    ("language python", ".python-version", "cpython@3.12\n", "3.12"),
    ("language python", "pyproject.toml", "[project]\nname = \"a\"\nrequires-python = \">=3.11,<3.14\"\n", ">=3.11,<3.14"),
    ("language python", "pyproject.toml", "[tool.poetry.dependencies]\npython = \"^3.11\"\n", "^3.11"),
    ("language python", "runtime.txt", "python-3.12.7\n", "3.12.7"),
    ("language python", "Pipfile", "[requires]\npython_version = \"3.12\"\n", "3.12"),
    ("language python", ".tool-versions", "python 3.12.7 3.11.10\n", "3.12.7"),
    ("language java", ".java-version", "21\n", "21"),
    ("language java", ".java-version", "1.8\n", "8"),
    ("language java", ".java-version", "openjdk64-11.0.2\n", "11.0.2"),
    ("language java", ".java-version", "temurin-21.0.5+11.0.LTS\n", "21.0.5"),
    ("language java", ".sdkmanrc", "# Enable auto-env\njava=21.0.5-tem\ngradle=8.10\n", "21.0.5"),
    ("language java", "pom.xml", "<project>\n  <maven.compiler.release>21</maven.compiler.release>\n</project>\n", "21"),
    ("language java", "build.gradle.kts", "java {\n  toolchain { languageVersion = JavaLanguageVersion.of(21) }\n}\n", "21"),
    ("language java", ".tool-versions", "java temurin-21.0.5+11.0.LTS\n", "21.0.5"),
    ("language java", "mise.toml", "[tools]\njava = \"zulu-17.0.13\"\n", "17.0.13"),
    ("language kotlin", ".sdkmanrc", "java=21.0.5-tem\nkotlin=2.0.21\n", "2.0.21"),
    ("language ruby", ".ruby-version", "3.4.7\n", "3.4.7"),
    ("language ruby", ".ruby-version", "ruby-3.3.6\n", "3.3.6"),
    ("language ruby", "Gemfile", "source \"a\"\nruby \"3.4.7\"\n", "3.4.7"),
    ("language ruby", "Gemfile", "ruby('3.4')\n", "3.4"),
    ("language ruby", ".tool-versions", "ruby 3.4.7\n", "3.4.7"),
    (
        "language dotnet",
        "global.json",
        "{\n  // comments are fine\n  \"sdk\": { \"version\": \"9.0.100\", \"rollForward\": \"latestFeature\" }\n}\n",
        "9.0.100",
    ),
    ("language deno", ".dvmrc", "v2.1.4\n", "2.1.4"),
    ("language bun", ".bun-version", "1.1.38\n", "1.1.38"),
    ("language bun", "package.json", r#"{ "packageManager": "bun@1.1.38" }"#, "1.1.38"),
    ("language zig", "build.zig.zon", ".{\n    .name = .a,\n    .minimum_zig_version = \"0.14.0\",\n}\n", "0.14.0"),
    ("language elixir", ".tool-versions", "erlang 27.1\nelixir 1.17.3-otp-27\n", "1.17.3-otp-27"),
    ("language php", "composer.json", r#"{ "config": { "platform": { "php": "8.2" } } }"#, "8.2"),
    ("language perl", ".perl-version", "5.36.0\n", "5.36.0"),
    ("tool terraform", ".terraform-version", "1.9.8\n", "1.9.8"),
    ("tool pnpm", "package.json", r#"{ "packageManager": "pnpm@9.14.2+sha512.6e2b" }"#, "9.14.2"),
    ("tool gradle", ".sdkmanrc", "java=21.0.5-tem\ngradle=8.10.2\n", "8.10.2"),
    ("tool uv", "pyproject.toml", "[tool.uv]\nrequired-version = \">=0.5\"\n", ">=0.5"),
];

fn load(of: &str, file: &str, text: &str) -> Loaded {
    Project::of(&format!("{of} version_file=\"{file}\"\n")).file(file, text).load()
}

/// The version asked for of the only thing that the configuration names itself.
fn request(loaded: &Loaded, of: &str) -> Option<String> {
    let spec = loaded.spec.as_ref()?;
    spec.image.components.iter().find(|component| component.id.to_string() == of).map(|component| component.request.clone())
}

#[test]
fn files_come_to_versions() {
    let mut wrong = Vec::new();
    for (of, file, text, expected) in FILES {
        let loaded = load(of, file, text);
        let found = request(&loaded, of);
        if found.as_deref() != Some(*expected) {
            wrong.push(format!("{of}, {file} {text:?}: {found:?} is not {expected:?}\n{}", loaded.rendered()));
        }
        assert!(!matches!(Request::parse(expected), Request::Latest(ref word) if word != expected), "{expected}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is asked for, the file, what is in it, and words of the problem.
const SILENT: &[(&str, &str, &str, &[&str])] = &[
    ("language node", ".nvmrc", "", &["`.nvmrc` says no version of language node", "what was looked for: a line that matches"]),
    ("language node", ".nvmrc", "lts/-1\n", &["says no version", ".nvmrc:1", "this is there"]),
    ("language node", "package.json", "{}", &["says no version", "`volta.node`", "`engines.node`"]),
    ("language node", "package.json", "{ \"engines\": ", &["this is not JSON", "package.json:1", "asked for here"]),
    (
        "language node",
        "package.json",
        r#"{ "engines": { "node": "$(touch x)" } }"#,
        &["cannot be locked", "package.json:1", "this version"],
    ),
    ("language node", ".tool-versions", "nodejs ref:main\n", &["cannot be locked: `ref:` builds from source", ".tool-versions:1"]),
    ("language node", ".tool-versions", "nodejs system\n", &["`system` is the machine's own"]),
    ("language node", "mise.toml", "[tools]\nnode = [\n", &["this is not TOML"]),
    ("language python", ".python-version", "pypy3.10-7.3.15\n", &["says no version of language python", "pypy3.10"]),
    (
        "language node",
        "versions.txt",
        "22\n",
        &["nothing says how the version of language node stands in `versions.txt`", "`.nvmrc`", "extends=node"],
    ),
    ("language c", ".c-version", "13\n", &["nothing says how the version of language c", "write `version=` instead"]),
    ("language cobol", ".cobol-version", "1\n", &["there is no language `cobol`"]),
];

#[test]
fn files_that_say_nothing_are_problems() {
    for (of, file, text, words) in SILENT {
        let loaded = load(of, file, text);
        let shown = loaded.rendered();
        let flat = shown.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
        assert!(
            loaded.spec.is_none() && loaded.problems.iter().any(|problem| problem.severity() == Severity::Error),
            "{of} {file}\n{shown}"
        );
        for word in *words {
            assert!(flat.contains(word), "{of} {file} {text:?}: `{word}` is not in\n{shown}");
        }
    }
}

#[test]
fn a_path_leads_to_a_file_of_the_repository() {
    let missing = Project::of("language node version_file=\".nvmr\"\n").file(".nvmrc", "22").load().rendered();
    assert!(missing.contains("`.nvmr` does not exist") && missing.contains("did you mean `.nvmrc`?"), "{missing}");
    let other = Project::of("language node version_file=\".nvmrc\"\n").file("package.json", "{}").load().rendered();
    assert!(other.contains("there is `package.json`"), "{other}");
    let none = Project::of("language node version_file=\".nvmrc\"\n").load().rendered();
    assert!(none.contains("can stand in `.nvmrc`, `.node-version`"), "{none}");
    let outside = Project::of("language node version_file=\"../.nvmrc\"\n").load().rendered();
    assert!(outside.contains("leads out of the repository"), "{outside}");
    let placeholder =
        Project::of("vars { f \".nvmrc\"; }\nlanguage node version_file=\"%{vars.f}\"\n").file(".nvmrc", "22").load().rendered();
    assert!(placeholder.contains("before any placeholder has a value"), "{placeholder}");
    // From the folder of the file that says it, a file up in the repository is fine.
    let nested = Project::default().file("web/silo.kdl", "language node version_file=\"../.nvmrc\"\n").file(".nvmrc", "22").load();
    assert_eq!(request(&nested, "language node").as_deref(), Some("22"), "{}", nested.rendered());
    // What a definition calls by a path is found below any folder.
    let text = "define tool x { install vendor { download \"https://a.test/%{version}\"; bin x \"x\"; }; check x; detect \"ci/x.txt\" match=#\"^x (\\d+)$\"#; }\ntool x version_file=\"app/ci/x.txt\"\n";
    let deep = Project::of(text).file("app/ci/x.txt", "y 1\nx 7\n").load();
    assert_eq!(request(&deep, "tool x").as_deref(), Some("7"), "{}", deep.rendered());
}

#[test]
fn a_file_is_a_version_like_any_other() {
    let of = |text: &str| Project::of(text).file(".nvmrc", "# this\nv22.11.0\n").file(".node-version", "20\n");
    let asked = |project: Project| {
        let loaded = project.load();
        request(&loaded, "language node").unwrap_or_else(|| loaded.rendered())
    };
    // A stronger file wins, whichever way either says it.
    assert_eq!(asked(of("language node version_file=\".nvmrc\"\n").file("silo.local.kdl", "language node version=\"24\"\n")), "24");
    assert_eq!(asked(of("language node version=\"24\"\n").file("silo.local.kdl", "language node version_file=\".node-version\"\n")), "20");
    assert_eq!(asked(of("language node version_file=\".nvmrc\"\n").file("silo.local.kdl", "language node version_file=#null\n")), "latest");
    assert_eq!(
        asked(of("language node version_file=\".nvmrc\"\n").file("user.kdl", "(force)language node version_file=\".node-version\"\n")),
        "20"
    );
    // As a node of the block, under a condition, and of an imported file's own folder.
    assert_eq!(asked(of("language node { version_file \".nvmrc\"; }\n")), "22.11.0");
    assert_eq!(asked(of("when exists=\".nvmrc\" { language node version_file=\".nvmrc\"; }\n")), "22.11.0");
    assert_eq!(asked(of("when exists=\".nope\" { language node version_file=\".nope\"; }\nlanguage node\n")), "latest");
    let imported =
        of("import \"web/node.kdl\"\n").file("web/node.kdl", "language node version_file=\".nvmrc\"\n").file("web/.nvmrc", "18\n");
    assert_eq!(asked(imported), "18");
    // The user's own file means the repository's root.
    assert_eq!(
        asked(of("language node\n").file("user.kdl", "when exists=\".nvmrc\" { language node version_file=\".nvmrc\"; }\n")),
        "22.11.0"
    );
    // Two that disagree and contracts show the file.
    let conflict = of("language node version_file=\".nvmrc\"\nlanguage node version=\"20\"\n").load().rendered();
    assert!(conflict.contains(".nvmrc:2"), "{conflict}");
    let contract = of("contract on=\"language.node.version\" { max \"20\"; }\nlanguage node version_file=\".nvmrc\"\n").load().rendered();
    assert!(contract.contains(".nvmrc:2"), "{contract}");
    // What the file says is shown at its place there.
    let merged = of("language node version_file=\".nvmrc\"\n").load();
    let shown = silo::layers::print_with_sources(&merged.layered, &merged.sources);
    assert_eq!(shown, "language \"node\" version=\"22.11.0\" // silo.kdl:1, .nvmrc:2\n");
    assert!(merged.spec.is_some_and(|spec| spec.image.components.iter().any(|component| component.id.kind == Kind::Language)));
}

const COMMITTED: &str =
    "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\nlanguage node version_file=\".nvmrc\"\nagent claude\n";

/// The committed configuration with a lock of what the files say.
fn committed() -> Place {
    let place = Place::new();
    let loaded = Project::of(COMMITTED).file(".nvmrc", "22\n").load();
    let lock = answers::lock(&loaded.shared.as_ref().unwrap_or_else(|| panic!("{}", loaded.rendered())).image).print();
    assert!(lock.contains("\"22\""), "the lock holds what was asked for:\n{lock}");
    place.write("silo.kdl", COMMITTED).write(".nvmrc", "22\n").write("silo.lock", lock);
    place
}

#[test]
fn a_changed_file_makes_the_lock_stale() {
    let place = committed();
    let before = place.run(&["hash", "claude"]).expect(0).out.clone();
    place.write(".nvmrc", "# another comment\nv22\n");
    assert_eq!(place.run(&["hash", "claude"]).expect(0).out, before, "what is asked for is the same");
    place.write(".nvmrc", "20\n");
    let stale = place.run(&["compile", "claude"]);
    assert!(
        stale.expect(1).err.contains("silo::lock::stale") && stale.err.contains("language node is asked for as `20`, locked as `22`"),
        "{}",
        stale.err
    );
    let show = place.run(&["config", "show", "--why", "language.node.version"]);
    assert!(show.expect(0).out.contains(".nvmrc:1") && show.out.contains("20"), "{}", show.out);
    let explained = committed().run(&["hash", "--explain", "claude"]);
    assert!(explained.expect(0).err.contains("language node is asked for as `22` by .nvmrc"), "{}", explained.err);
}

#[test]
fn nothing_outside_the_repository_is_read() {
    let place = committed();
    std::fs::write(place.home().join("secret"), "22\n").unwrap();
    std::fs::remove_file(place.repository().join(".nvmrc")).unwrap();
    std::os::unix::fs::symlink(place.home().join("secret"), place.repository().join(".nvmrc")).unwrap();
    for path in [".nvmrc", "../../secret", "/etc/passwd", "~/secret"] {
        place.write("silo.kdl", COMMITTED.replace(".nvmrc", path));
        let ran = place.run(&["check"]);
        assert!(ran.expect(1).err.contains("leads out of the repository"), "{path}: {}", ran.err);
    }
    // A folder, a pipe and what is too long are refused without being read.
    place.write("silo.kdl", COMMITTED.replace(".nvmrc", "web/.nvmrc")).write("web/.nvmrc/x", "");
    assert!(place.run(&["check"]).expect(1).err.contains("web/.nvmrc is a directory"));
    place.write("silo.kdl", COMMITTED.replace(".nvmrc", "go.mod")).write("go.mod", "x".repeat(300_000));
    assert!(place.run(&["check"]).expect(1).err.contains("silo reads at most"));
}

#[test]
fn what_is_taken_from_a_file_is_part_of_what_is_trusted_and_the_rest_of_it_is_not() {
    let place = committed();
    place.write("silo.kdl", format!("{COMMITTED}env TOKEN\n"));
    let digest = |place: &Place| place.run(&["trust", "--digest"]).expect(0).out.clone();
    let before = digest(&place);
    place.write(".nvmrc", "# why\n22\n");
    assert_eq!(digest(&place), before);
    place.write(".nvmrc", "20\n");
    assert_ne!(digest(&place), before);
}
