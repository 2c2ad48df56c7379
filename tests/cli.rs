//! The real program, in folders and with an environment of its own: what it prints where, and its exit codes.

mod limits;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use silo::emit;
use silo::problem::Code;
use tempfile::TempDir;

use crate::support::answers;
use crate::support::project::Project;

const MINIMAL: &str = "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\nagent claude\n";

/// A home folder with a repository in it.
pub struct Place {
    folder: TempDir,
}

impl Place {
    pub fn new() -> Place {
        let place = Place { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(place.repository().join(".git")).unwrap();
        place
    }

    pub fn home(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join("home")
    }

    pub fn repository(&self) -> PathBuf {
        self.home().join("work/api")
    }

    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) -> &Place {
        let path = self.repository().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// The configuration with a lock that fits, made of made-up answers.
    pub fn locked(&self, text: &str) -> &Place {
        self.write("silo.kdl", text).write("silo.lock", lock(text))
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_silo"));
        command.env_clear().env("HOME", self.home()).env("PATH", "/usr/bin:/bin").env("DOCKER_HOST", "unix:///nonexistent/docker.sock");
        command.args(args).current_dir(self.repository()).stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }
}

/// The text of a lock for a configuration of one file.
fn lock(text: &str) -> String {
    let loaded = Project::of(text).load();
    assert!(!loaded.problems.has_errors(), "{}", loaded.rendered());
    answers::lock(&loaded.shared.unwrap().image).print()
}

pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(output: Output) -> Ran {
        let text = |bytes| String::from_utf8(bytes).expect("silo prints UTF-8");
        Ran { code: output.status.code().expect("silo was not killed"), out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    pub fn expect(&self, code: i32) -> &Ran {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }
}

/// A mistake that only the program can find, and the code that it has.
struct Mistake {
    name: &'static str,
    make: fn(&Place),
    args: &'static [&'static str],
    code: Code,
    /// What the message has to say.
    says: &'static [&'static str],
}

/// How long saying what is wrong may take.
const LIMIT: Duration = Duration::from_millis(200);

const CHECK: &[&str] = &["check"];
const COMPILE: &[&str] = &["compile", "claude"];
const COPIES: &str =
    "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\nlayer x { copy \"data\" \"/srv/data\" }\nagent claude\n";
const DOWNLOADS: &str = "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\nlayer x { download \"https://x.example.test/a.tgz\" to=\"/opt/a\" }\nagent claude\n";

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

const MISTAKES: &[Mistake] = &[
    Mistake {
        name: "ten megabytes",
        make: |place| {
            place.write("silo.kdl", "// x\n".repeat(2_000_000));
        },
        args: CHECK,
        code: Code::TooLarge,
        says: &["silo.kdl", "262144", "import"],
    },
    Mistake {
        name: "one node of a megabyte",
        make: |place| {
            place.write("silo.kdl", format!("env A=\"{}\"\n", "x".repeat(1 << 20)));
        },
        args: CHECK,
        code: Code::TooLarge,
        says: &["silo.kdl"],
    },
    Mistake {
        name: "nested a hundred thousand deep",
        make: |place| {
            place.write("silo.kdl", "a{".repeat(100_000));
        },
        args: CHECK,
        code: Code::TooDeep,
        says: &["silo.kdl:1"],
    },
    Mistake {
        name: "a folder named silo.kdl",
        make: |place| fs::create_dir(place.repository().join("silo.kdl")).unwrap(),
        args: CHECK,
        code: Code::Unreadable,
        says: &["silo.kdl is a directory", "replace it by a file"],
    },
    Mistake {
        name: "a pipe named silo.kdl",
        make: |place| fifo(&place.repository().join("silo.kdl")),
        args: CHECK,
        code: Code::Unreadable,
        says: &["silo.kdl is not an ordinary file"],
    },
    Mistake {
        name: "a link to itself",
        make: |place| symlink("silo.kdl", place.repository().join("silo.kdl")).unwrap(),
        args: CHECK,
        code: Code::Unreadable,
        says: &["silo.kdl cannot be read", "symbolic links"],
    },
    Mistake {
        name: "a link to nothing",
        make: |place| symlink("gone.kdl", place.repository().join("silo.kdl")).unwrap(),
        args: CHECK,
        code: Code::Unreadable,
        says: &["silo.kdl cannot be read"],
    },
    Mistake {
        name: "a device",
        make: |place| symlink("/dev/zero", place.repository().join("silo.kdl")).unwrap(),
        args: CHECK,
        code: Code::Unreadable,
        says: &["silo.kdl is not an ordinary file"],
    },
    Mistake {
        name: "bytes that are no text",
        make: |place| {
            place.write("silo.kdl", b"agent claude\n// \xff\xfe\n");
        },
        args: CHECK,
        code: Code::NotUtf8,
        says: &["silo.kdl is not UTF-8", "line 2"],
    },
    Mistake {
        name: "an import that is missing",
        make: |place| {
            place.write("silo.kdl", "import \"team.kdl\"\nagent claude\n");
        },
        args: CHECK,
        code: Code::ImportMissing,
        says: &["team.kdl does not exist", "silo.kdl:1", "optional=#true"],
    },
    Mistake {
        name: "imports in a circle",
        make: |place| {
            place.write("silo.kdl", "import \"a.kdl\"\n").write("a.kdl", "import \"b.kdl\"\n").write("b.kdl", "import \"a.kdl\"\n");
        },
        args: CHECK,
        code: Code::ImportCycle,
        says: &["[a.kdl:1:8]", "imports b.kdl", "[b.kdl:1:8]", "which imports a.kdl again"],
    },
    Mistake {
        name: "too many files",
        make: |place| {
            let mut imports = String::new();
            for index in 0..10_000 {
                imports.push_str(&format!("import \"{index}.kdl\"\n"));
            }
            place.write("silo.kdl", imports);
            for index in 0..300 {
                place.write(&format!("{index}.kdl"), "");
            }
        },
        args: CHECK,
        code: Code::ImportLimit,
        says: &["more than 256 files", "silo.kdl:257"],
    },
    Mistake {
        name: "imports that go on and on",
        make: |place| {
            place.write("silo.kdl", "import \"0.kdl\"\n");
            for index in 0..40 {
                place.write(&format!("{index}.kdl"), format!("import \"{}.kdl\"\n", index + 1));
            }
        },
        args: CHECK,
        code: Code::ImportLimit,
        says: &["more than 32 deep"],
    },
    Mistake {
        name: "a file that is not in the catalog",
        make: |place| {
            place.write("silo.kdl", "import \"catalog:stack/wbe\"\n");
        },
        args: CHECK,
        code: Code::ImportMissing,
        says: &["did you mean `catalog:stack/web`?"],
    },
    Mistake {
        name: "a lock that is no KDL",
        make: |place| {
            place.write("silo.kdl", MINIMAL).write("silo.lock", "<<<<<<< HEAD\n");
        },
        args: COMPILE,
        code: Code::LockSyntax,
        says: &["silo.lock", "silo lock"],
    },
    Mistake {
        name: "a lock of a newer silo",
        make: |place| {
            place.write("silo.kdl", MINIMAL).write("silo.lock", lock(MINIMAL).replace("version=2 ", "version=9 "));
        },
        args: COMPILE,
        code: Code::LockVersion,
        says: &["silo.lock:2", "update silo"],
    },
    Mistake {
        name: "no lock",
        make: |place| {
            place.write("silo.kdl", MINIMAL);
        },
        args: COMPILE,
        code: Code::LockMissing,
        says: &["there is no silo.lock", "run `silo lock`"],
    },
    Mistake {
        name: "no lock where one is demanded",
        make: |place| {
            place.write("silo.kdl", MINIMAL);
        },
        args: &["check", "--locked"],
        code: Code::LockMissing,
        says: &["there is no silo.lock"],
    },
    Mistake {
        name: "a lock of another configuration",
        make: |place| {
            place.locked(MINIMAL).write("silo.kdl", format!("{MINIMAL}tool jq\nlanguage node\n"));
        },
        args: COMPILE,
        code: Code::LockStale,
        says: &["tool jq is new", "language node is new", "run `silo lock`"],
    },
    Mistake {
        name: "a lock without a checksum",
        make: |place| {
            let lock: String =
                lock(DOWNLOADS).lines().filter(|line| !line.contains("x.example.test")).map(|line| format!("{line}\n")).collect();
            place.write("silo.kdl", DOWNLOADS).write("silo.lock", lock);
        },
        args: COMPILE,
        code: Code::LockStale,
        says: &["layer x is locked without the file", "x.example.test/a.tgz for amd64", "silo lock"],
    },
    Mistake {
        name: "something new that cannot be looked up",
        make: |place| {
            place.locked(MINIMAL).write(
                "silo.kdl",
                format!("{MINIMAL}{}", &DOWNLOADS[DOWNLOADS.find("layer").unwrap()..])
                    .replace("https://x.example.test", "http://127.0.0.1:1")
                    .replacen("agent claude\n", "", 1),
            );
        },
        args: &["lock"],
        code: Code::Unresolved,
        says: &["refused", "silo.kdl:3"],
    },
    Mistake {
        name: "a file to copy that is missing",
        make: |place| {
            place.locked(COPIES);
        },
        args: COMPILE,
        code: Code::CopySource,
        says: &["`data` cannot be copied", "relative to"],
    },
    Mistake {
        name: "a file to copy that leads outside",
        make: |place| {
            fs::write(place.home().join("secret"), "x").unwrap();
            symlink(place.home().join("secret"), place.repository().join("data")).unwrap();
            place.locked(COPIES);
        },
        args: COMPILE,
        code: Code::CopySource,
        says: &["`data` is outside the repository"],
    },
    Mistake {
        name: "a folder to copy with a link that leads outside",
        make: |place| {
            place.write("data/fine", "x");
            symlink("/etc/passwd", place.repository().join("data/link")).unwrap();
            place.locked(COPIES);
        },
        args: COMPILE,
        code: Code::CopySource,
        says: &["data/link leads outside the repository"],
    },
    Mistake {
        name: "more conditions than can be told apart",
        make: |place| {
            place.write("silo.kdl", "when os=\"*\" { env A=\"x\"; }\n".repeat(1001));
        },
        args: CHECK,
        code: Code::TooManyConditions,
        says: &["more than 1000 conditions", "silo.kdl:1001"],
    },
    Mistake {
        name: "two versions of one language",
        make: |place| {
            place.write("silo.kdl", format!("{MINIMAL}language node version=\"20\"\nwhen ci=#true {{ language node version=\"22\"; }}\n"));
        },
        args: &["lock"],
        code: Code::LockVariants,
        says: &["what is asked of language node depends on a condition", "silo.kdl:4", "another layer, tool or language"],
    },
    Mistake {
        name: "a pipe to copy",
        make: |place| {
            fs::create_dir(place.repository().join("data")).unwrap();
            fifo(&place.repository().join("data/pipe"));
            place.locked(COPIES);
        },
        args: COMPILE,
        code: Code::CopySource,
        says: &["data/pipe is not an ordinary file"],
    },
    Mistake {
        name: "a comma that is missing in a file to import",
        make: |place| {
            place.write("devcontainer.json", "{\n  \"image\": \"debian\"\n  \"name\": \"x\"\n}\n");
        },
        args: &["import", "devcontainer.json"],
        code: Code::ForeignSyntax,
        says: &["devcontainer.json:2:20", "this is not JSON", "put a `,` between two values"],
    },
    Mistake {
        name: "a file to import with junk in it",
        make: |place| {
            place.write("mise.toml", "[tools]\nnode = @@@\n");
        },
        args: &["import", "mise.toml"],
        code: Code::ForeignSyntax,
        says: &["mise.toml:2", "this is not TOML"],
    },
    Mistake {
        name: "a line without a version in a file to import",
        make: |place| {
            place.write(".tool-versions", "# ours\nnodejs\n");
        },
        args: &["import", ".tool-versions"],
        code: Code::ForeignSyntax,
        says: &[".tool-versions:2:1", "`nodejs` has no version", "nodejs latest"],
    },
    Mistake {
        name: "a list to import",
        make: |place| {
            place.write("silo.jsonc", "[1, 2]\n");
        },
        args: &["import", "silo.jsonc"],
        code: Code::ForeignSyntax,
        says: &["silo.jsonc:1:1", "is an object, and this is a list"],
    },
    Mistake {
        name: "a hundred thousand brackets to import",
        make: |place| {
            place.write("devcontainer.json", "[".repeat(100_000));
        },
        args: &["import", "devcontainer.json"],
        code: Code::TooDeep,
        says: &["devcontainer.json:1"],
    },
    Mistake {
        name: "a hundred thousand brackets in TOML to import",
        make: |place| {
            place.write("mise.toml", format!("a = {}", "[".repeat(100_000)));
        },
        args: &["import", "mise.toml"],
        code: Code::ForeignSyntax,
        says: &["mise.toml:1", "recursion"],
    },
    Mistake {
        name: "ten megabytes to import",
        make: |place| {
            place.write("mise.toml", "# x\n".repeat(2_500_000));
        },
        args: &["import", "mise.toml"],
        code: Code::TooLarge,
        says: &["mise.toml", "262144", "name the right file"],
    },
    Mistake {
        name: "bytes that are no text to import",
        make: |place| {
            place.write(".tool-versions", b"nodejs 20\n\xff\xfe");
        },
        args: &["import", ".tool-versions"],
        code: Code::NotUtf8,
        says: &[".tool-versions is not UTF-8", "line 2"],
    },
    Mistake {
        name: "nothing to import",
        make: |_| {},
        args: &["import", "mise.toml"],
        code: Code::Unreadable,
        says: &["mise.toml does not exist"],
    },
];

/// The codes that [`MISTAKES`] show, for `tests/cases.rs`.
pub fn codes() -> impl Iterator<Item = Code> {
    MISTAKES.iter().map(|mistake| mistake.code)
}

#[test]
fn mistakes_are_told_with_their_code_at_once_and_nothing_else() {
    for Mistake { name, make, args, code, says } in MISTAKES {
        let place = Place::new();
        make(&place);
        // The best of a few runs: a machine that is busy with other things is slow now and then, and silo would be slow each time.
        let timed = || {
            let start = Instant::now();
            (place.run(args), start.elapsed())
        };
        let (ran, mut took) = timed();
        for _ in 0..9 {
            if took >= LIMIT {
                took = took.min(timed().1);
            }
        }
        ran.expect(1);
        assert_eq!(ran.out, "", "{name}: problems are talk");
        let codes: Vec<&str> = ran.err.lines().filter(|line| line.starts_with("silo::")).collect();
        assert!(!codes.is_empty() && codes.iter().all(|found| *found == code.as_str()), "{name}: {code:?} in\n{}", ran.err);
        let text = ran.err.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
        for part in *says {
            assert!(text.contains(part), "{name}: `{part}` in\n{}", ran.err);
        }
        assert!(!ran.err.contains('\u{1b}'), "{name}: colour into a pipe");
        assert!(took < LIMIT, "{name} took {took:?}");
    }
}

#[test]
fn check_says_what_there_is() {
    let place = Place::new();
    let ran = place.run(&["check"]);
    assert!(ran.expect(1).err.contains("there is no silo.kdl here") && ran.err.contains("silo init"), "{}", ran.err);
    place.write("silo.kdl", MINIMAL);
    let ran = place.run(&["check"]);
    assert!(ran.expect(0).err.contains("1 file read, nothing wrong; no silo.lock yet: `silo lock` writes it"), "{}", ran.err);
    place.locked(MINIMAL);
    assert!(place.run(&["check", "--locked"]).expect(0).err.contains("silo.lock fits"));
    assert_eq!(place.run(&["--quiet", "check"]).expect(0).err, "");
}

#[test]
fn check_prints_json() {
    let place = Place::new();
    place.write("silo.kdl", "silo edition=\"2026\"\nagnet claude\nresources memroy=\"8GiB\"\n");
    let ran = place.run(&["check", "--json"]);
    let json: Value = serde_json::from_str(&ran.expect(1).out).unwrap();
    let problems = json["problems"].as_array().unwrap();
    assert_eq!((problems.len(), ran.err.as_str()), (2, ""));
    assert_eq!(problems[0]["code"], "silo::check::unknown-node");
    assert_eq!(problems[0]["severity"], "error");
    assert_eq!(problems[0]["labels"][0]["file"], "silo.kdl");
    assert_eq!((&problems[0]["labels"][0]["line"], &problems[0]["labels"][0]["column"]), (&Value::from(2), &Value::from(1)));
    assert!(problems[0]["help"].as_str().unwrap().contains("agent"));

    place.write("silo.kdl", format!("{MINIMAL}(remove)tool jq\n"));
    let json: Value = serde_json::from_str(&place.run(&["check", "--json"]).expect(0).out).unwrap();
    assert_eq!(
        (&json["problems"][0]["code"], &json["problems"][0]["severity"]),
        (&Value::from("silo::merge::removes-nothing"), &Value::from("warning"))
    );
}

#[test]
fn the_program_compiles_what_the_library_does() {
    let text = "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\nlanguage node version=\"22\"\nmcp memory\nlayer x { copy \"data\" \"/srv/data\" }\npost_build \"echo $HOME\"\nagent claude\n";
    let place = Place::new();
    place.locked(text).write("data/a.txt", "a\n").write("data/b/c.txt", "c\n");
    let mut loaded = Project::of(text).file("data/a.txt", "a\n").file("data/b/c.txt", "c\n").load();
    let spec = loaded.spec.clone().unwrap();
    let compiled = &loaded.compile(&spec)[0];

    assert_eq!(place.run(&["compile"]).expect(0).out, emit::dockerfile(&compiled.plan));
    assert_eq!(place.run(&["hash", "claude"]).expect(0).out, format!("{}\n", compiled.identity));
    assert_eq!(place.run(&["hash"]).expect(0).out, format!("{}  claude\n", compiled.identity));
    let json: Value = serde_json::from_str(&place.run(&["hash", "--json"]).expect(0).out).unwrap();
    assert_eq!(json["claude"], compiled.identity.as_str());

    let json: Value = serde_json::from_str(&place.run(&["compile", "claude", "--to", "json"]).expect(0).out).unwrap();
    assert_eq!(json["identity"], compiled.identity.as_str());
    assert_eq!(json["dockerfile"], emit::dockerfile(&compiled.plan));
    assert_eq!(json["image"], format!("localhost/silo/claude:{}", compiled.identity));
    assert_eq!(json["launch"]["argv"][0], "claude");
    assert_eq!(json["launch"]["workdir"], place.repository().display().to_string());

    let outline = place.run(&["compile", "--to", "plan"]).expect(0).out.clone();
    assert!(outline.contains("language-node from fetch\n") && outline.contains("(silo.kdl:3)"), "{outline}");

    let folder = place.home().join("out");
    place.run(&["compile", "--output", folder.to_str().unwrap()]).expect(0);
    assert_eq!(fs::read_to_string(folder.join("Dockerfile")).unwrap(), emit::dockerfile(&compiled.plan));
    for (path, file) in &compiled.plan.context {
        assert_eq!(fs::read(folder.join(path)).unwrap(), file.bytes, "{path}");
    }
}

#[test]
fn nothing_of_the_caller_is_in_the_identity() {
    let (here, there) = (Place::new(), Place::new());
    here.locked(MINIMAL);
    there.locked(MINIMAL);
    let base = here.run(&["hash", "claude"]).expect(0).out.clone();
    let set = [
        ("USER", "somebody"),
        ("LANG", "de_DE.UTF-8"),
        ("TZ", "Asia/Tokyo"),
        ("HTTPS_PROXY", "http://proxy.example.test:3128"),
        ("SSL_CERT_FILE", "/etc/ssl/other.pem"),
        ("NPM_CONFIG_REGISTRY", "https://mirror.example.test"),
        ("SILO_MEMORY", "2GiB"),
        ("SOURCE_DATE_EPOCH", "7"),
    ];
    let mut command = there.command(&["hash", "claude"]);
    command.envs(set);
    assert_eq!(Ran::of(command.output().unwrap()).expect(0).out, base);
    // Another folder below the repository, another layout of the same text.
    let below = there.repository().join("deep/below");
    fs::create_dir_all(&below).unwrap();
    let mut command = there.command(&["hash", "claude"]);
    assert_eq!(Ran::of(command.current_dir(below).output().unwrap()).expect(0).out, base);
    there.write("silo.kdl", "/* the same */ silo edition=\"2026\"; agent \"claude\"\n\nbase   debian:bookworm   from=\"bootstrap\" // x\n");
    assert_eq!(there.run(&["hash", "claude"]).expect(0).out, base);
    // What the user's own file adds changes neither, nor asks for another lock.
    fs::create_dir_all(there.home().join(".config/silo")).unwrap();
    fs::write(there.home().join(".config/silo/silo.kdl"), "tool jq\nenv EDITOR=\"vi\"\n").unwrap();
    assert_eq!(there.run(&["hash", "claude"]).expect(0).out, base);
}

#[test]
fn one_lock_holds_what_every_condition_may_ask_for() {
    let place = Place::new();
    let both = format!("{MINIMAL}agent codex\n");
    let conditions = "when agent=claude { tool jq; }\nwhen arch=\"!x86_64|aarch64\" { tool gh; }\nwhen ci=#true { tool zsh; }\n\
                      when exists=\"nowhere\" { tool ripgrep; }\n";
    place.write("silo.kdl", format!("{both}{conditions}")).write("silo.lock", lock(&format!("{both}tool jq\ntool zsh\n")));
    let check = place.run(&["check", "--locked"]);
    assert!(check.expect(0).err.contains("silo.lock fits"), "{}", check.err);
    assert!(check.err.contains("silo::spec::split-identity") && check.err.contains("on `ci`"), "{}", check.err);
    // Each agent has the image that a configuration without conditions would give it.
    let hash = |agent: &str| place.run(&["hash", agent]).expect(0).out.clone();
    let plain = |agent: &str, text: &str| {
        let other = Place::new();
        other.locked(&format!("{both}{text}"));
        other.run(&["hash", agent]).expect(0).out.clone()
    };
    assert_eq!(hash("claude"), plain("claude", "tool jq\n"));
    assert_eq!(hash("codex"), plain("codex", ""));
    let mut ci = place.command(&["hash", "codex"]);
    assert_eq!(Ran::of(ci.env("CI", "true").output().unwrap()).expect(0).out, plain("codex", "tool zsh\n"));
    // What only another machine needs is missed as well.
    place.write("silo.lock", lock(&format!("{both}tool jq\n")));
    let check = place.run(&["check", "--locked"]);
    assert!(check.expect(1).err.contains("tool zsh is new"), "{}", check.err);
    place.write("silo.lock", lock(&format!("{both}tool jq\ntool zsh\ntool gh\n")));
    assert!(place.run(&["check", "--locked"]).expect(1).err.contains("tool gh is no longer asked for"));
}

#[test]
fn hash_explains_and_compares() {
    let (mine, other) = (Place::new(), Place::new());
    mine.locked(MINIMAL);
    let explained = mine.run(&["hash", "--explain"]).expect(0).out.clone();
    assert!(explained.starts_with("silo-identity-1\ntarget = agent-claude\n"), "{explained}");

    let other_text = format!("{MINIMAL}post_build \"echo other\"\n");
    other.locked(&other_text);
    let folder = other.repository();
    let ran = mine.run(&["hash", "--diff", folder.to_str().unwrap()]);
    assert!(ran.expect(1).out.lines().any(|line| line.starts_with("- context/hook/post-build-1 = 0755 ")), "{}", ran.out);
    assert!(ran.out.contains("silo.kdl:4"), "where it was set: {}", ran.out);

    let saved = mine.home().join("before.txt");
    fs::write(&saved, &explained).unwrap();
    let ran = mine.run(&["hash", "--diff", saved.to_str().unwrap()]);
    assert_eq!((ran.expect(0).out.as_str(), ran.err.contains("nothing differs")), ("", true));
    fs::write(&saved, "something else\n").unwrap();
    assert!(mine.run(&["hash", "--diff", saved.to_str().unwrap()]).expect(2).err.contains("silo hash --explain"));
}

#[test]
fn config_shows_paths_and_starts() {
    let place = Place::new();
    let ran = place.run(&["config", "init", "--agent", "codex", "--base", "debian:trixie"]);
    assert!(ran.expect(0).err.contains("silo lock"), "{}", ran.err);
    let written = fs::read_to_string(place.repository().join("silo.kdl")).unwrap();
    assert!(written.contains("agent \"codex\"") && written.contains("debian:trixie"), "{written}");
    assert!(place.run(&["config", "init"]).expect(1).err.contains("exists already"));
    place.run(&["check"]).expect(0);

    let shown = place.run(&["config", "show"]).expect(0).out.clone();
    assert!(shown.contains("agent \"codex\" // silo.kdl:"), "{shown}");
    let json: Value = serde_json::from_str(&place.run(&["config", "show", "--json"]).expect(0).out).unwrap();
    assert!(json.to_string().contains("codex"), "{json}");

    let paths = place.run(&["config", "paths"]).expect(0).out.clone();
    assert!(paths.contains("/etc/silo/silo.kdl") && paths.contains(".config/silo/silo.kdl") && paths.contains("silo.local.kdl"), "{paths}");
    serde_json::from_str::<Value>(&place.run(&["config", "paths", "--json"]).expect(0).out).unwrap();

    let example = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("silo.kdl.example")).unwrap();
    assert_eq!(place.run(&["config", "default"]).expect(0).out, example);

    place.run(&["config", "init", "--global", "--agent", "codex"]).expect(0);
    assert!(place.home().join(".config/silo/silo.kdl").is_file());
}

#[test]
fn the_command_line_is_checked() {
    let place = Place::new();
    place.locked(MINIMAL);
    for args in [&["--nonsense"][..], &["run"], &["exec"], &["compile", "--to", "dockerfil"], &["rm"], &["completions", "fishy"]] {
        let ran = place.run(args);
        assert_eq!(ran.expect(2).out, "", "{args:?}");
    }
    let ran = place.run(&["claud"]);
    assert!(
        ran.expect(2).err.contains("`claud` is neither a command nor a configured agent") && ran.err.contains("did you mean `claude`?"),
        "{}",
        ran.err
    );
    assert!(place.run(&["hash", "codex"]).expect(2).err.contains("configured are: claude"));
    assert!(place.run(&["-C", "/nonexistent", "check"]).expect(1).err.contains("/nonexistent"));
    for args in [&["--help"][..], &["--version"], &["build", "--help"], &["completions", "bash"]] {
        let ran = place.run(args);
        assert!(!ran.expect(0).out.is_empty() && ran.err.is_empty(), "{args:?}");
    }
}

#[test]
fn without_an_engine_there_is_one_clear_error() {
    let place = Place::new();
    place.locked(MINIMAL);
    let ran = place.run(&["build", "--locked"]);
    assert!(ran.expect(125).err.contains("/nonexistent/docker.sock"), "{}", ran.err);
    assert_eq!(ran.out, "");
}

#[test]
fn variables_and_options_configure() {
    let place = Place::new();
    place.locked(&format!("{MINIMAL}agent codex\n"));
    let mut command = place.command(&["config", "show"]);
    command.envs([("SILO_AGENT", "codex"), ("SILO_MEMORY", "3GiB"), ("SILO_CPUS", "1.5")]);
    let shown = Ran::of(command.output().unwrap()).expect(0).out.clone();
    for part in ["use agent=\"codex\" // the environment:", "memory=\"3GiB\"", "cpus=1.5"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let mut command = place.command(&["check"]);
    command.env("SILO_BACKEND", "x\"; agent evil //");
    let ran = Ran::of(command.output().unwrap());
    assert!(ran.expect(1).err.contains("silo::check::bad-value"), "{}", ran.err);
}

#[test]
fn another_backend_is_refused_where_only_docker_runs() {
    let place = Place::new();
    place.locked("silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\nuse backend=apple\nagent claude\n");
    for args in [&["claude"][..], &["build"], &["shell"], &["exec", "true"]] {
        let ran = place.run(args);
        assert_eq!(ran.code, 1, "{args:?}: {}", ran.err);
        assert!(ran.err.contains("does not run Apple's tool") && ran.err.contains("silo compile --to apple"), "{args:?}: {}", ran.err);
    }
}

#[test]
fn init_proposes_what_the_files_of_a_repository_ask_for() {
    let place = Place::new();
    place.write("package.json", r#"{ "engines": { "node": "22" } }"#).write("srv/go.mod", "module x\n\ngo 1.23\n");
    // None of these is the repository's own, or lies where a person would look.
    place.write("node_modules/x/rust-toolchain", "1.0").write("a/b/c/d/Cargo.toml", "").write(".hidden/Cargo.toml", "");
    let outside = place.home().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("pyproject.toml"), "").unwrap();
    symlink(&outside, place.repository().join("link")).unwrap();
    symlink(outside.join("pyproject.toml"), place.repository().join("pyproject.toml")).unwrap();
    fifo(&place.repository().join(".nvmrc"));

    let ran = place.run(&["init", "--detect"]);
    // The best of a few runs: a machine that is busy with other things is slow now and then.
    let took = (0..5).map(|_| {
        let start = Instant::now();
        place.run(&["init", "--detect"]);
        start.elapsed()
    });
    let took = took.min().unwrap();
    let proposed = ran.expect(0).out.clone();
    assert!(proposed.contains("language \"node\" version=\"22\" // package.json:1"), "{proposed}");
    assert!(proposed.contains("language \"go\" version=\"1.23\" // srv/go.mod:3") && proposed.contains("lsp \"gopls\""), "{proposed}");
    assert!(!proposed.contains("rust") && !proposed.contains("python"), "{proposed}");
    assert!(ran.err.contains("`--yes` writes this") && !place.repository().join("silo.kdl").exists(), "{}", ran.err);
    assert!(took < LIMIT, "{took:?}");

    assert!(place.run(&["init", "--detect", "--agent", "cluade"]).expect(2).err.contains("did you mean `claude`?"));
    place.run(&["init", "--detect", "--yes", "--agent", "claude", "--base", "debian:bookworm"]).expect(0);
    let written = fs::read_to_string(place.repository().join("silo.kdl")).unwrap();
    assert!(written.contains("agent \"claude\"") && written.contains("base \"debian:bookworm\""), "{written}");
    place.run(&["check"]).expect(0);
    assert!(place.run(&["init", "--detect", "--yes"]).expect(1).err.contains("exists already"));
    assert_eq!(fs::read_to_string(place.repository().join("silo.kdl")).unwrap(), written);
}

#[test]
fn init_is_config_init() {
    let (one, other) = (Place::new(), Place::new());
    one.run(&["init", "--agent", "codex"]).expect(0);
    other.run(&["config", "init", "--agent", "codex"]).expect(0);
    let read = |place: &Place| fs::read_to_string(place.repository().join("silo.kdl")).unwrap();
    assert_eq!(read(&one), read(&other));
}

#[test]
fn import_writes_once_and_says_what_it_leaves_out() {
    let place = Place::new();
    place.write("mise.toml", "[tools]\nnode = \"22\"\npulumi = \"1\"\n").write("tools.txt", "nodejs 20\n");
    let ran = place.run(&["import", "mise.toml", "--stdout"]);
    assert!(ran.expect(0).out.contains("language \"node\" version=\"22\" // mise.toml:2"), "{}", ran.out);
    assert!(ran.err.contains("mise.toml:3: pulumi: ") && !place.repository().join("silo.kdl").exists(), "{}", ran.err);
    place.run(&["import", "mise.toml"]).expect(0);
    place.run(&["check"]).expect(0);
    let written = fs::read_to_string(place.repository().join("silo.kdl")).unwrap();
    assert_eq!(written, ran.out);
    let refused = place.run(&["import", "mise.toml"]);
    assert!(refused.expect(1).err.contains("exists already") && refused.err.contains("--stdout"), "{}", refused.err);
    assert!(place.run(&["import", "mise.toml", "-o", "silo.kdl"]).expect(1).err.contains("choose another path"));
    place.run(&["import", "tools.txt", "--from", "tool-versions", "-o", "other.kdl"]).expect(0);
    assert!(fs::read_to_string(place.repository().join("other.kdl")).unwrap().contains("version=\"20\""));
    assert!(place.run(&["import", "tools.txt"]).expect(2).err.contains("--from devcontainer|silo-jsonc|tool-versions|mise"));
    place.write("silo.jsonc", r#"{ "env": ["TOKEN"], "tool": "claude" }"#);
    place.run(&["import", "silo.jsonc", "--global"]).expect(0);
    let own = fs::read_to_string(place.home().join(".config/silo/silo.kdl")).unwrap();
    assert!(own.contains("\nenv \"TOKEN\" // silo.jsonc:1"), "{own}");
    place.run(&["check"]).expect(0);
}

#[test]
fn fmt_writes_what_differs_and_nothing_else() {
    let place = Place::new();
    assert!(place.run(&["fmt"]).expect(1).err.contains("there is no silo.kdl here"));
    place.write("silo.kdl", "import \"team.kdl\"\nagent   claude // mine\r\n").write("team.kdl", "tool jq\n");
    place.write("silo.local.kdl", "env  A=\"x\"\n").write("other.kdl", "tool   fd\n");
    let path = |name: &str| place.repository().join(name);
    let read = |name: &str| fs::read_to_string(path(name)).unwrap();
    fs::set_permissions(path("silo.kdl"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::create_dir_all(place.home().join(".config/silo")).unwrap();
    fs::write(place.home().join(".config/silo/silo.kdl"), "tool   fd\n").unwrap();

    let ran = place.run(&["fmt", "--check"]);
    insta::assert_snapshot!(ran.expect(1).out, @r#"
    --- silo.kdl
    +++ silo.kdl, formatted
    @@ -1,2 +1,2 @@
     import "team.kdl"
    -agent   claude // mine\r
    +agent claude // mine
    --- silo.local.kdl
    +++ silo.local.kdl, formatted
    @@ -1 +1 @@
    -env  A="x"
    +env A="x"
    "#);
    assert!(ran.err.contains("2 of 3 files would be formatted") && ran.err.contains("`silo fmt` does it"), "{}", ran.err);
    assert_eq!(read("silo.local.kdl"), "env  A=\"x\"\n");

    let ran = place.run(&["fmt"]);
    assert_eq!((ran.expect(0).err.as_str(), ran.out.as_str()), ("silo.kdl formatted\nsilo.local.kdl formatted\n", ""));
    assert_eq!(read("silo.kdl"), "import \"team.kdl\"\nagent claude // mine\n");
    assert_eq!(read("silo.local.kdl"), "env A=\"x\"\n");
    assert_eq!(fs::metadata(path("silo.kdl")).unwrap().permissions().mode() & 0o777, 0o640, "the permissions stay");
    // What is no file of the project is formatted only by name.
    assert_eq!(read("other.kdl"), "tool   fd\n");
    assert_eq!(fs::read_to_string(place.home().join(".config/silo/silo.kdl")).unwrap(), "tool   fd\n");
    let before = fs::metadata(path("silo.kdl")).unwrap().modified().unwrap();
    assert!(place.run(&["fmt"]).expect(0).err.contains("3 files read, nothing to format"));
    assert_eq!(fs::metadata(path("silo.kdl")).unwrap().modified().unwrap(), before, "nothing is written without need");
    place.run(&["fmt", "--check"]).expect(0);

    // A link stays a link.
    symlink("other.kdl", path("link.kdl")).unwrap();
    place.run(&["fmt", "link.kdl"]).expect(0);
    assert_eq!((read("other.kdl").as_str(), path("link.kdl").is_symlink()), ("tool fd\n", true));
    let mut names: Vec<_> = fs::read_dir(place.repository()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".git", "link.kdl", "other.kdl", "silo.kdl", "silo.local.kdl", "team.kdl"], "nothing is left behind");
    fs::set_permissions(path("other.kdl"), fs::Permissions::from_mode(0o440)).unwrap();
    place.write("team.kdl", "tool   jq\n");
    fs::set_permissions(path("team.kdl"), fs::Permissions::from_mode(0o444)).unwrap();
    assert!(place.run(&["fmt"]).expect(1).err.contains("read-only"));
    assert_eq!(read("team.kdl"), "tool   jq\n");
}

#[test]
fn fmt_leaves_what_it_cannot_read() {
    let place = Place::new();
    place.write("silo.kdl", "import \"bad.kdl\"\nagent   claude\n").write("bad.kdl", "tool   jq, fd\n");
    let ran = place.run(&["fmt"]);
    assert!(ran.expect(1).err.contains("silo::parse::syntax") && ran.err.contains("bad.kdl:1:8"), "{}", ran.err);
    assert_eq!(fs::read_to_string(place.repository().join("bad.kdl")).unwrap(), "tool   jq, fd\n");
    assert_eq!(fs::read_to_string(place.repository().join("silo.kdl")).unwrap(), "import \"bad.kdl\"\nagent claude\n");
    assert!(place.run(&["fmt", "gone.kdl"]).expect(1).err.contains("gone.kdl does not exist"));
    assert!(place.run(&["fmt", ".git"]).expect(1).err.contains("is a directory"));
    place.write("deep.kdl", "a{".repeat(100_000));
    assert!(place.run(&["fmt", "deep.kdl"]).expect(1).err.contains("silo::parse::too-deep"));
}

#[test]
fn fmt_reads_standard_input() {
    let place = Place::new();
    let fmt = |args: &[&str], text: &str| {
        let mut child = place.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        Ran::of(child.wait_with_output().unwrap())
    };
    let ran = fmt(&["fmt", "-"], "tool   jq\r\n");
    assert_eq!((ran.expect(0).out.as_str(), ran.err.as_str()), ("tool jq\n", ""));
    let ran = fmt(&["fmt", "-"], "tool jq\n");
    assert_eq!((ran.expect(0).out.as_str(), ran.err.as_str()), ("tool jq\n", ""));
    let ran = fmt(&["fmt", "-"], "tool [jq\n");
    assert_eq!((ran.expect(1).out.as_str(), ran.err.contains("standard input:1:6")), ("", true), "{}", ran.err);
    assert!(fmt(&["fmt", "--check", "-"], "tool   jq\n").expect(1).out.contains("+tool jq"));
}

#[test]
fn check_fix_mends_the_projects_files_and_the_users_and_no_others() {
    let place = Place::new();
    let broken = "import \"team.kdl\"\nsilo edition=\"2026\"\nbase = \"debian:bookworm\" from=bootstrap\nagnet claude\nenv A=true,\n";
    place.write("silo.kdl", broken).write("team.kdl", "# ours\nlanguage go version=1.20\n");
    place.write("other.kdl", "tool jq, fd\n");
    let user = place.home().join(".config/silo/silo.kdl");
    fs::create_dir_all(user.parent().unwrap()).unwrap();
    fs::write(&user, "resources memory=8GiB\n").unwrap();
    let above = place.home().join("work/silo.kdl");
    fs::write(&above, "resources cpus=\"2\"\n").unwrap();
    let read = |name: &str| fs::read_to_string(place.repository().join(name)).unwrap();

    let ran = place.run(&["check"]);
    assert!(ran.expect(1).err.contains("of these can be mended by `silo check --fix`"), "{}", ran.err);
    assert_eq!(ran.err.matches("--fix").count(), 1, "it is said once");
    let json: Value = serde_json::from_str(&place.run(&["check", "--json"]).expect(1).out).unwrap();
    let fixes: Vec<&Value> = json["problems"].as_array().unwrap().iter().flat_map(|problem| problem["fixes"].as_array().unwrap()).collect();
    let assignment = fixes.iter().find(|fix| fix["file"] == "silo.kdl" && fix["line"] == 3).unwrap();
    assert_eq!((&assignment["column"], &assignment["text"]), (&Value::from(5), &Value::from(" ")));
    assert_eq!(read("silo.kdl"), broken, "without --fix nothing is written");

    let ran = place.run(&["check", "--fix"]);
    insta::assert_snapshot!(ran.err.replace(&place.home().display().to_string(), "HOME"), @r#"
    silo.kdl:3: base = "debian:bookworm" → base "debian:bookworm"
    silo.kdl:5: A=true, → A=#true
    ~/.config/silo/silo.kdl:1: memory=8GiB → memory="8GiB"
    silo.kdl:4: agnet → agent
    silo.kdl:5: A=#true → A="true"
    team.kdl:1: # → //
    team.kdl:2: version=1.20 → version="1.20"
    silo::check::wrong-type

      × the cpus of `resources` must be a number, not text
       ╭─[~/work/silo.kdl:1:11]
     1 │ resources cpus="2"
       ·           ────┬───
       ·               ╰── this is text
       ╰────
      help: write it without quotes: `cpus=2`
    "#);
    // What is wrong in a file above the repository is said, and the file left alone.
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert_eq!(fs::read_to_string(&above).unwrap(), "resources cpus=\"2\"\n");
    assert_eq!(
        read("silo.kdl"),
        "import \"team.kdl\"\nsilo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\nagent claude\nenv A=\"true\"\n"
    );
    assert_eq!(read("team.kdl"), "// ours\nlanguage go version=\"1.20\"\n");
    assert_eq!(fs::read_to_string(&user).unwrap(), "resources memory=\"8GiB\"\n");
    assert_eq!(read("other.kdl"), "tool jq, fd\n", "it is no part of the configuration");

    fs::remove_file(&above).unwrap();
    assert!(place.run(&["check", "--fix"]).expect(0).err.contains("nothing wrong"));
    // A project's file that is a link out of the repository is somebody else's.
    fs::write(place.home().join("theirs.kdl"), "agnet claude\n").unwrap();
    fs::remove_file(place.repository().join("silo.kdl")).unwrap();
    symlink(place.home().join("theirs.kdl"), place.repository().join("silo.kdl")).unwrap();
    place.run(&["check", "--fix"]).expect(1);
    assert_eq!(fs::read_to_string(place.home().join("theirs.kdl")).unwrap(), "agnet claude\n");
}

#[test]
fn check_fix_tells_programs_what_it_did() {
    let place = Place::new();
    place.write("silo.kdl", format!("{MINIMAL}resources memory=8GiB\nnope\n"));
    let json: Value = serde_json::from_str(&place.run(&["check", "--fix", "--json"]).expect(1).out).unwrap();
    assert_eq!(json["fixed"], serde_json::json!([{"file": "silo.kdl", "line": 4, "before": "memory=8GiB", "after": "memory=\"8GiB\""}]));
    assert_eq!(json["problems"].as_array().unwrap().len(), 1);
}
