//! What people see when they get something wrong: one mistake each, drawn 80 columns wide, in `tests/errors/`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use silo::problem::{RenderOptions, Severity, render};

use crate::support::project::Project;

const MEND: &str = "SILO_BLESS=1 cargo test --test main errors::";

/// A name, the `silo.kdl`, and what the text has to say: the fix, where there is one.
type Mistake = (&'static str, &'static str, &'static str);

const MISTAKES: &[Mistake] = &[
    // What KDL reads as something else than was meant.
    ("a-version-that-is-a-number", "language node version=1.20", "version=\"1.20\""),
    ("a-version-of-three-parts", "language node version=1.2.3", "\"1.2.3\""),
    ("a-comma-in-a-list", "agent claude { mcp memory, fetch; }", "comma"),
    ("a-mode-without-quotes", "layer x { copy \"a\" \"/b\" mode=0755; }", "\"0755\""),
    ("a-path-without-quotes", "mount /srv/data", "\"/srv/data\""),
    ("a-home-path-without-quotes", "mount ~/data", "\"~/data\""),
    ("a-size-without-quotes", "resources memory=8GiB", "\"8GiB\""),
    ("true-without-a-hash", "silo root=true", "#true"),
    ("null-without-a-hash", "use agent=null", "#null"),
    ("a-placeholder-without-quotes", "vars { x \"1\"; }\nenv A=%{vars.x} B=\"2\"", "\"%{vars.x}\""),
    ("an-expression-that-is-none", "define tool x { detect \"a\" match=\"v(\"; command x; install apt { apt x; }; }", "put `\\` before"),
    (
        "an-option-that-is-called-like-a-property",
        "define tool x {\n    option env-ref default=\"\"\n    command x\n    install apt { apt x; }\n}\ntool x",
        "call the option otherwise",
    ),
    ("a-package-of-go-without-a-host", "layer x { go \"owner/name\"; }", "begins with a host"),
    ("a-property-twice", "resources cpus=2 cpus=4", "keep one of them"),
    (
        "a-list-of-versions-twice",
        "define tool x {\n    install vendor {\n        versions \"https://a.test/index.json\" json=\"*/version\"\n        versions github_releases=\"a/b\"\n        download \"https://a.test/%{version}.tgz\"\n    }\n}\ntool x",
        "keep one of the two",
    ),
    ("brackets-of-json", "agent claude { mcp [\"memory\"]; }", "bracket"),
    ("an-assignment", "memory = \"8GiB\"", "="),
    ("smart-quotes", "agent “claude”", "\""),
    ("a-brace-that-is-missing", "agent claude {\n    mcp memory\n", "}"),
    ("a-brace-too-many", "agent claude\n}\n", "}"),
    ("a-quote-that-is-missing", "env A=\"x\nenv B=\"y\"\n", "\""),
    ("a-comment-that-never-ends", "/* agent claude\n", "*/"),
    ("a-colon-after-a-name", "agent: claude", "agent"),
    ("a-comment-of-the-shell", "# agent claude", "//"),
    // Names.
    ("a-misspelt-node", "agnet claude", "agent"),
    ("a-misspelt-property", "resources memroy=\"8GiB\"", "memory"),
    ("a-misspelt-child", "base { atp \"curl\"; }", "apt"),
    ("a-misspelt-annotation", "(focre)use agent=claude", "force"),
    ("a-node-in-the-wrong-place", "apt \"curl\"", "base"),
    ("a-node-of-a-dockerfile", "from \"debian\"", "silo"),
    ("an-argument-too-many", "cache a b to=\"/c\"", "cache"),
    ("an-argument-that-is-missing", "language", "language"),
    ("a-node-written-as-a-property", "agent claude mcp=memory", "write it inside the braces"),
    ("a-property-written-as-an-argument", "resources memory \"8GiB\"", "memory="),
    ("a-block-where-there-is-none", "use agent=claude { x; }", "use"),
    ("an-unknown-agent", "agent claud", "claude"),
    ("an-unknown-language", "language nodejs", "node"),
    ("an-unknown-tool", "tool rigrep", "ripgrep"),
    ("an-unknown-server", "agent claude { mcp memroy; }", "memory"),
    ("an-unknown-option", "language node versoin=\"22\"", "version"),
    ("an-unknown-source", "language node source=nowhere", "source"),
    ("an-unknown-edition", "silo edition=\"2031\"", "2026"),
    ("a-newer-silo", "silo min=\"99.0\"", "upgrade"),
    // Values.
    ("a-text-where-a-number-belongs", "resources cpus=\"two\"", "number"),
    ("a-number-where-a-text-belongs", "env A=1", "\"1\""),
    ("a-size-that-is-none", "resources memory=\"8 gigs\"", "GiB"),
    ("a-word-that-is-none-of-those", "mount \"./a\" mode=rx", "ro"),
    ("a-name-with-a-space", "layer \"my layer\" { run \"true\"; }", "layer"),
    ("a-variable-with-a-hyphen", "env MY-VAR=\"x\"", "MY-VAR"),
    ("a-relative-target", "mount \"./a\" to=\"b\"", "/"),
    ("a-base-that-is-none", "base \"not a base\"", "base"),
    ("a-checksum-that-is-none", "layer x { download \"https://x.example.test/a\" to=\"/a\" { sha256 \"abc\"; }; }", "sha256"),
    ("a-url-that-is-none", "mcp own url=\"not a url\"", "url"),
    ("a-version-file-that-is-missing", "language node version_file=\".nvmrc\"", "`.node-version`"),
    ("a-version-said-twice", "language node version=\"22\" version_file=\".nvmrc\"", "keep one of them"),
    ("a-version-file-that-nothing-reads", "language go version_file=\"VERSION\"", "`go.mod`"),
    ("a-server-of-both-kinds", "mcp own url=\"https://x.example.test\" { command \"x\"; }", "url"),
    ("a-server-of-no-kind", "mcp own", "own"),
    // Values that refer.
    ("a-name-that-means-nothing", "env A=\"%{vars.nothing}\"", "%{"),
    ("a-misspelt-name", "let registry \"x\"\nenv A=\"%{regsitry}\"", "registry"),
    ("a-circle-of-names", "vars {\n    a \"%{vars.b}\"\n    b \"%{vars.a}\"\n}\nenv A=\"%{vars.a}\"", "vars.a"),
    ("a-placeholder-that-never-ends", "env A=\"%{vars.a\"", "%%{"),
    // Merging.
    ("twice-in-one-file", "use agent=claude\nuse agent=codex", "keep one of them"),
    ("three-values", "resources cpus=1\nresources cpus=2\nresources cpus=3", "3 values"),
    ("wanted-and-removed", "language go\n(remove)language go", "removed"),
    ("a-definition-twice", "define tool x { doc \"a\"; }\ndefine tool x { doc \"b\"; }", "define"),
    ("a-built-in-definition-again", "define tool ripgrep { doc \"mine\"; }", "(replace)"),
    ("two-strengths", "(default,force)use agent=claude", "force"),
    ("a-priority-without-a-number", "(priority)use agent=claude", "priority:10"),
    ("a-priority-of-zero", "(\"priority:0\")use agent=claude", "priority:10"),
    ("a-place-where-there-is-no-order", "(prepend)use agent=claude", "prepend"),
    // Conditions.
    ("a-condition-on-nothing", "when { tool jq; }", "when"),
    ("a-condition-that-guards-nothing", "when os=linux", "{"),
    ("a-condition-with-an-unknown-key", "when operating-system=linux { tool jq; }", "os"),
    ("a-condition-that-would-choose-itself", "when agent=claude { use agent=codex; }", "use"),
    ("a-condition-with-a-placeholder", "when os=\"%{os}\" { tool jq; }", "write the pattern out"),
    ("a-condition-that-leads-outside", "when exists=\"../secret\" { tool jq; }", "relative"),
    // Layers that wait for each other.
    ("layers-in-a-circle", "layer a after=b { run \"true\"; }\nlayer b after=a { run \"true\"; }", "after"),
    ("a-layer-after-nothing", "layer a after=b { run \"true\"; }", "b"),
    ("an-unsafe-text", "env A=\"a\\u{0}b\"", "u{0}"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors")
}

/// The problems of a project as a terminal of 80 columns shows them.
fn drawn(project: &Project) -> (String, bool) {
    let loaded = project.load();
    let errors = loaded.problems.iter().any(|problem| problem.severity() == Severity::Error);
    let text = render(&loaded.problems, &loaded.sources, RenderOptions { width: 80, color: false, unicode: true });
    (text.lines().map(|line| format!("{}\n", line.trim_end())).collect(), errors)
}

#[test]
fn every_mistake_is_drawn_as_its_snapshot_says() {
    let bless = std::env::var_os("SILO_BLESS").is_some();
    let mut wrong = Vec::new();
    assert!(MISTAKES.len() >= 60);
    for (name, text, fix) in MISTAKES {
        let (drawn, errors) = drawn(&Project::of(&format!("{text}\n")));
        let path = folder().join(format!("{name}.txt"));
        if bless {
            fs::create_dir_all(folder()).unwrap();
            fs::write(&path, &drawn).unwrap();
        }
        if !errors {
            wrong.push(format!("{name}: no error\n{drawn}"));
        }
        // Where a line is broken does not matter.
        let words = drawn.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
        if !words.contains(fix) {
            wrong.push(format!("{name}: `{fix}` is not in\n{drawn}"));
        }
        if let Some(line) = drawn.lines().find(|line| line.chars().count() > 80) {
            wrong.push(format!("{name}: wider than 80 columns: {line}"));
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        if committed != drawn {
            wrong.push(format!("{name}: as committed:\n{committed}\nas it is now ({MEND}):\n{drawn}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    let known: BTreeSet<String> = MISTAKES.iter().map(|(name, _, _)| format!("{name}.txt")).collect();
    let stale: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| !known.contains(name))
        .collect();
    assert!(stale.is_empty(), "snapshots of no mistake: {stale:?}");
}

#[test]
fn errors_of_three_files_are_shown_together() {
    let project =
        Project::of("import \"./a.kdl\"\nagnet claude\n").file("a.kdl", "resources memroy=\"8GiB\"\n").file("user.kdl", "mount ~/data\n");
    let (drawn, _) = drawn(&project);
    for place in ["silo.kdl:2", "a.kdl:1", "~/.config/silo/silo.kdl:1"] {
        assert!(drawn.contains(place), "{place} is not in\n{drawn}");
    }
}

#[test]
fn nothing_that_a_file_contains_commands_the_terminal() {
    // Every character that could: in a name, a key, a value, a comment beside a mistake, and the name of a file.
    let characters =
        (0u32..0x20).chain(0x7f..0xa0).chain([0x200b, 0x200e, 0x202e, 0x2028, 0x2066, 0xfeff, 0xe0041]).filter_map(char::from_u32);
    for c in characters {
        let escaped = format!("\\u{{{:x}}}", c as u32);
        for text in [
            format!("\"no{escaped}node\" x=1\n"),
            format!("resources \"me{escaped}\"=1\n"),
            format!("agent \"a{escaped}b\"\n"),
            format!("use agent=\"a{escaped}\"\nuse agent=\"b{escaped}\"\n"),
            format!("(\"fo{escaped}\")use agent=claude\n"),
            format!("agnet claude // {c}\n"),
            format!("agnet \"{c}[31m\" /* {c} */\n"),
            format!("import \"./{escaped}.kdl\" optional=#true\nagnet claude\n"),
        ] {
            let (drawn, errors) = drawn(&Project::of(&text));
            assert!(errors, "{text:?} is fine");
            let commands = |c: &char| {
                c.is_control() && *c != '\n'
                    || matches!(*c as u32, 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xe0000..=0xe0fff)
            };
            // A line break that a file holds ends a line there, as it does in the file.
            assert_eq!(drawn.chars().find(commands), None, "{text:?}:\n{drawn}");
        }
    }
}
