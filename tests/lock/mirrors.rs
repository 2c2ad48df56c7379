//! Mirrors, and as whom they are asked.

use std::collections::BTreeMap;
use std::fs;

use super::server::{Answers, Server, archive, locked, serve, surroundings};
use super::shell::fetch::client::Ask;
use super::shell::fetch::endpoint::{Expansion, NpmEndpoint, pypi};
use super::shell::fetch::login::{Login, Logins, basic};
use super::shell::fetch::secrets::{Keep, secrets};
use super::shell::fetch::sources::archives;
use super::shell::fetch::{Client, Freshness, Surroundings};
use crate::cli::{Place, Ran};
use crate::support::project::Project;
use silo::digest::sha256_hex;
use silo::lock::Artifact;
use silo::source::{Layer, Source, Sources, Span};
use silo::spec::{Mirror, Mirrored, Mirrors, Registry};

fn mirrors(list: &[(&str, &str)]) -> Mirrors {
    let source = Sources::default().add(Source { name: "user.kdl".to_string(), text: String::new(), layer: Layer::User });
    let origin = Span { source, start: 0, end: 0 };
    let of = |text: &str| match Registry::ALL.into_iter().find(|registry| registry.as_str() == text) {
        Some(registry) => Mirrored::Registry(registry),
        None => Mirrored::Url(text.to_string()),
    };
    Mirrors::new(list.iter().map(|(from, to)| Mirror { of: of(from), to: to.to_string(), origin }).collect())
}

pub fn with(surroundings: &Surroundings, list: &[(&str, &str)]) -> Surroundings {
    Surroundings { mirrors: mirrors(list), ..surroundings.clone() }
}

fn requests(server: &Server) -> String {
    server.asked.lock().unwrap().join("").to_lowercase()
}

#[test]
fn the_longest_beginning_wins_and_a_mirror_has_no_mirror() {
    let mirrors = mirrors(&[
        ("https://a.example.test/", "https://m.example.test/a/"),
        ("https://a.example.test/x/", "https://a.example.test/"),
        ("npm", "https://m.example.test/npm/"),
    ]);
    let address = |url: &str| mirrors.address(url);
    assert_eq!(address("https://a.example.test/y?z=1").as_deref(), Some("https://m.example.test/a/y?z=1"));
    assert_eq!(address("https://a.example.test/x/y").as_deref(), Some("https://a.example.test/y"));
    assert_eq!([address("https://a.example.test.evil.test/x"), address("http://a.example.test/x"), address("npm")], [None, None, None]);
    assert_eq!(mirrors.lines(), "https://a.example.test/x/\thttps://a.example.test/\nhttps://a.example.test/\thttps://m.example.test/a/\n");
}

#[tokio::test]
async fn everything_is_looked_up_at_the_mirror_and_locked_under_its_own_address() {
    let folder = tempfile::tempdir().unwrap();
    let mut answers = archive();
    answers.insert("/m/index.json", vec![(200, "", br#"[{"version": "1.2.3"}]"#.to_vec())]);
    answers.insert("/m/1.2.3.tgz", vec![(200, "", b"one".to_vec())]);
    answers.insert("/m/SUMS", vec![(200, "", format!("{}  two.tgz\n", "b".repeat(64)).into_bytes())]);
    let server = serve(answers).await;
    let text = r#"
define tool one {
    install vendor {
        versions "https://dl.example.invalid/x/index.json" json="*/version"
        download "https://dl.example.invalid/x/%{version}.tgz"
        bin "one" "one"
    }
}
define tool two {
    install vendor {
        download "https://dl.example.invalid/x/two.tgz" { checksums "https://dl.example.invalid/x/SUMS"; }
        bin "two" "two"
    }
}
base "debian:bookworm" from=bootstrap
tool one
tool two
"#;
    let address = server.address.clone();
    let place = surroundings(folder.path(), &[]);
    let (apt, files) = (("apt", address.clone()), ("https://dl.example.invalid/x/", format!("{address}/m/")));
    let mirrored = with(&place, &[(apt.0, &apt.1), (files.0, &files.1), ("https://dl.example.invalid/", "http://127.0.0.1:1/")]);
    let lock = locked(text, None, &mirrored).await.0.unwrap().0;
    let urls: Vec<(&str, &str)> = lock
        .components
        .iter()
        .flat_map(|component| &component.artifacts)
        .filter_map(|artifact| match artifact {
            Artifact::File { url, sha256, .. } => Some((url.as_str(), sha256.as_str())),
            _ => None,
        })
        .collect();
    let (one, two) = (sha256_hex(b"one"), "b".repeat(64));
    assert_eq!(urls, [("https://dl.example.invalid/x/1.2.3.tgz", one.as_str()), ("https://dl.example.invalid/x/two.tgz", two.as_str())]);
    let text_of_lock = lock.print();
    assert!(!text_of_lock.contains(&address) && !text_of_lock.contains("mirror"), "{text_of_lock}");
    // What a mirror said is not taken for what the other server would say, and the failure names both.
    let asked = server.asked.lock().unwrap().len();
    let problems = locked(text, None, &with(&place, &[(apt.0, &apt.1)])).await.0.unwrap_err();
    assert!(problems.iter().any(|problem| problem.message.contains("https://dl.example.invalid/x/")), "{problems:?}");
    assert!(!requests(&server)[..].is_empty() && server.asked.lock().unwrap().len() >= asked);
    let gone = format!("{address}/gone/");
    let problems = locked(text, None, &with(&place, &[(apt.0, &apt.1), (files.0, &gone)])).await.0.unwrap_err();
    let both = format!("{address}/gone/SUMS (the mirror of https://dl.example.invalid/x/SUMS) does not exist");
    assert!(problems.iter().any(|problem| problem.message.contains(&both)), "{problems:?}");
}

#[tokio::test]
async fn a_registry_s_mirror_is_stronger_than_its_client_s_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let here = surroundings(
        folder.path(),
        &[
            ("NPM_CONFIG_REGISTRY", "https://npm.example.test/"),
            ("PIP_INDEX_URL", "https://pypi.example.test/simple/"),
            ("PIP_CONFIG_FILE", "/dev/null"),
        ],
    );
    fs::write(folder.path().join(".npmrc"), "@acme:registry=https://acme.example.test/\n//m.example.test/npm/:_authToken=secret\n")
        .unwrap();
    let list =
        [("npm", "https://m.example.test/npm/"), ("pypi", "https://m.example.test/pypi/"), ("apt", "https://m.example.test/debian/")];
    let mirrored = with(&here, &list);
    let npm = NpmEndpoint::find(&mirrored).await.unwrap();
    assert_eq!(npm.document("left"), ("https://m.example.test/npm/left".to_string(), Some("Bearer secret".to_string())));
    assert_eq!(npm.document("@acme/x").0, "https://acme.example.test/@acme%2fx", "a scope's registry is another one");
    assert_eq!(pypi(&mirrored).await.unwrap(), "https://m.example.test/pypi/");
    let addresses =
        |surroundings: &Surroundings| -> Vec<String> { archives(surroundings, "bookworm").into_iter().map(|source| source.uri).collect() };
    assert_eq!(addresses(&mirrored), ["https://m.example.test/debian"]);
    let named = surroundings(folder.path(), &[("SILO_APT_MIRROR", "https://one.example.test/debian/")]);
    assert_eq!(addresses(&with(&named, &list)), ["https://one.example.test/debian"], "a variable is nearer than a file");
    assert_eq!(pypi(&here).await.unwrap(), "https://pypi.example.test/simple/");

    // What a build gets.
    let text = |surroundings: &Surroundings, keep, id: &str| {
        secrets(surroundings, None, &[], None, keep).get(id).map(|secret| String::from_utf8(secret.bytes.clone()).unwrap())
    };
    let npmrc = text(&mirrored, Keep::Nothing, "npmrc").unwrap();
    assert!(npmrc.ends_with("registry=\"https://m.example.test/npm/\"\n") && npmrc.contains("_authToken=\"secret\""), "{npmrc}");
    assert_eq!(text(&mirrored, Keep::Logins, "npmrc").unwrap(), "registry=\"https://m.example.test/npm/\"\n");
    assert_eq!(text(&mirrored, Keep::Nothing, "pip").unwrap(), "[global]\nindex-url = https://m.example.test/pypi/\n");
    assert_eq!(text(&mirrored, Keep::Nothing, "mirrors"), None, "those of registries are said to their clients");
    let urls = with(&here, &[("https://a.example.test/", "https://m.example.test/a/")]);
    assert_eq!(text(&urls, Keep::Logins, "mirrors").unwrap(), "https://a.example.test/\thttps://m.example.test/a/\n");
}

#[tokio::test]
async fn what_a_build_gets_of_the_clients_files_is_what_was_asked_with() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    };
    let authorities = write("ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    write(
        ".npmrc",
        &format!("; mine\n//npm.example.test/:_authToken=${{TOKEN}}\ncafile={}\nca-file-of-nothing=#1\n", authorities.display()),
    );
    write(
        ".config/pip/pip.conf",
        "[install]\nindex-url=https://old.example.test/\n[global]\ntimeout = 5\nindex_url = https://older.example.test/\n",
    );
    write("logins", "machine m.example.test login a password b\n");
    let logins = folder.path().join("logins").display().to_string();
    let here = surroundings(folder.path(), &[("TOKEN", "s3cret"), ("NETRC", &logins)]);
    let here = Surroundings {
        variables: here
            .variables
            .into_iter()
            .filter(|(name, _)| !name.to_lowercase().starts_with("npm_") && !name.starts_with("PIP_"))
            .collect(),
        ..here
    };
    let project = "@own:registry=https://own.example.test/\nproxy=http://evil.example.test/\nstrict-ssl=false\n//own.example.test/:_authToken=${TOKEN}\n";
    let given = |expansion, keep| {
        let here = Surroundings { npmrc: Some((project.to_string(), expansion)), ..here.clone() };
        let found = secrets(&here, Some(authorities.clone()), &[], None, keep);
        found.into_iter().map(|(id, secret)| (id, String::from_utf8(secret.bytes).unwrap())).collect::<BTreeMap<_, _>>()
    };
    let all = given(Expansion::Host, Keep::Nothing);
    let pem = r#"ca[]="-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n""#;
    assert_eq!(
        all["npmrc"],
        format!(
            "//npm.example.test/:_authToken=\"s3cret\"\n{pem}\nca-file-of-nothing=\"#1\"\n@own:registry=\"https://own.example.test/\"\n//own.example.test/:_authToken=\"s3cret\"\n"
        )
    );
    assert!(all["pip"].starts_with("[install]\nindex-url=https://old"), "as it is: {}", all["pip"]);
    assert_eq!((all["netrc"].as_str(), all["ca"].contains("AAAA")), ("machine m.example.test login a password b\n", true));
    // A project that is not trusted gets nothing of that.
    let kept = given(Expansion::Withheld, Keep::Logins);
    assert_eq!(kept.keys().map(String::as_str).collect::<Vec<_>>(), ["ca", "npmrc"]);
    assert_eq!(kept["npmrc"], "@own:registry=\"https://own.example.test/\"\n");
    // Another index takes the place of all that the file says of it.
    let index = Surroundings { mirrors: mirrors(&[("pypi", "https://m.example.test/")]), ..here };
    let pip = secrets(&index, None, &[], None, Keep::Nothing)["pip"].clone();
    assert_eq!(String::from_utf8(pip.bytes).unwrap(), "[install]\n[global]\nindex-url = https://m.example.test/\ntimeout = 5\n");
    assert_eq!(pip.file, None);
}

#[test]
fn a_file_of_logins_is_read_as_curl_and_python_read_it() {
    let text = "# all of mine: machine no.example.test login no password no\nmachine a.example.test\n\tlogin ada\n\tpassword \"two words \\\" \\\\\"\n\
                machine hash.example.test login x password #1 # a word\nmacdef init\ncd /pub\nmachine no.example.test login no password no\n\n\
                machine b.example.test user bob account y password machine\nmachine a.example.test login later password later\n\
                machine empty.example.test\ndefault login any password one\n";
    let logins = Logins::parse(text);
    let header = |host| logins.header(host);
    assert_eq!(header("a.example.test"), Some(basic("ada", "two words \" \\")), "the first one of a host");
    assert_eq!(header("A.Example.Test"), Some(basic("ada", "two words \" \\")));
    assert_eq!(header("hash.example.test"), Some(basic("x", "#1")));
    assert_eq!(header("b.example.test"), Some(basic("bob", "machine")));
    assert_eq!(header("empty.example.test"), None);
    assert_eq!(header("no.example.test"), Some(basic("any", "one")), "neither a comment nor a macro is a login");
    assert_eq!(Logins::parse("machine x login \"never ends").header("x"), Some(basic("never ends", "")));
    assert_eq!(Logins::parse("machine [::1] password p").header("[::1]"), None, "such a file has no brackets");
    assert_eq!(Logins::parse("machine ::1 password p").header("[::1]"), Some(basic("", "p")));
    for text in ["", "machine", "password x", "machine a.example.test login", "macdef", "default"] {
        assert_eq!(Logins::parse(text).header("a.example.test"), None, "{text}");
    }
}

#[tokio::test]
async fn a_login_is_sent_to_its_own_server_only() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".netrc"), "machine localhost login ada password hunter2\n").unwrap();
    let other = serve(BTreeMap::from([("/file", vec![(200, "", b"moved".to_vec())])])).await;
    // By another name it is another server.
    let to: &'static str = Box::leak(format!("Location: {}/file", other.address).into_boxed_str());
    let answers: Answers = BTreeMap::from([
        ("/file", vec![(200, "", b"here".to_vec())]),
        ("/moved", vec![(302, to, Vec::new())]),
        ("/stays", vec![(302, "Location: /file", Vec::new())]),
    ]);
    let server = serve(answers).await;
    let local = server.address.replace("127.0.0.1", "localhost");
    let place = surroundings(folder.path(), &[]);
    let login = basic("ada", "hunter2").to_lowercase();
    let get = async |surroundings: &Surroundings, url: String, login: Login| {
        server.asked.lock().unwrap().clear();
        let client = Client::new(None, Freshness::Asked).unwrap().of(surroundings);
        let got = client.get(&url, &Ask { login, ..Ask::default() }).await.unwrap();
        (String::from_utf8(got).unwrap(), requests(&server))
    };
    let (got, asked) = get(&place, format!("{local}/file"), Login::File).await;
    assert!(got == "here" && asked.contains(&format!("authorization: {login}")), "{asked}");
    let (_, asked) = get(&place, format!("{local}/stays"), Login::File).await;
    assert_eq!(asked.matches(&login).count(), 2, "a redirection on the same server: {asked}");
    let (got, _) = get(&place, format!("{local}/moved"), Login::File).await;
    assert!(got == "moved" && !requests(&other).contains("authorization"), "{}", requests(&other));
    let (_, asked) = get(&place, format!("{}/file", server.address), Login::File).await;
    assert!(!asked.contains("authorization"), "another host: {asked}");
    let (_, asked) = get(&place, format!("{local}/file"), Login::Nobody).await;
    assert!(!asked.contains("authorization"), "{asked}");
    // What stands in an address is stronger than the file.
    let (_, asked) = get(&place, format!("{}/file", local.replace("//", "//bob:x@")), Login::File).await;
    assert!(asked.contains(&basic("bob", "x").to_lowercase()) && !asked.contains(&login), "{asked}");
    // A header that was made for one server is nothing for its mirror, which has its own login.
    let header = |url: &str| Login::Header { url: url.to_string(), text: "Bearer t0ken".to_string() };
    let url = "https://api.example.invalid/file";
    let (got, asked) = get(&with(&place, &[("https://api.example.invalid/", &format!("{local}/"))]), url.to_string(), header(url)).await;
    assert!(got == "here" && !asked.contains("t0ken") && asked.contains(&login), "{asked}");
    let (_, asked) = get(&place, format!("{local}/file"), header(&local)).await;
    assert!(asked.contains("bearer t0ken") && !asked.contains(&login), "{asked}");
}

#[tokio::test]
async fn nothing_secret_is_said_or_kept_for_others_to_read() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let cache = folder.path().join("cache");
    let server = serve(BTreeMap::from([("/file", vec![(200, "ETag: \"1\"", b"text".to_vec())])])).await;
    let with_password = server.address.replace("//", "//ada:hunter2@");
    let client = Client::new(Some(cache.join("deep/http")), Freshness::Asked).unwrap();
    client.get(&format!("{with_password}/file"), &Ask::default()).await.unwrap();
    let files: Vec<_> = fs::read_dir(cache.join("deep/http")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!((files.len(), mode(&cache.join("deep/http")), mode(&files[0])), (1, 0o700, 0o600));
    assert!(!String::from_utf8_lossy(&fs::read(&files[0]).unwrap()).contains("hunter2"));
    // A folder that an older silo left open is closed.
    fs::set_permissions(cache.join("deep/http"), fs::Permissions::from_mode(0o755)).unwrap();
    let client = Client::new(Some(cache.join("deep/http")), Freshness::Asked).unwrap();
    assert_eq!(mode(&cache.join("deep/http")), 0o700);
    let error = client.get(&format!("{with_password}/gone"), &Ask::default()).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    let header = Ask { login: Login::Header { url: String::new(), text: "hunter2".to_string() }, ..Ask::default() };
    assert!(!format!("{header:?}").contains("hunter2"));
}

#[tokio::test]
async fn npm_s_logins_are_found_however_they_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let find = async |text: &str| {
        fs::write(folder.path().join(".npmrc"), text).unwrap();
        NpmEndpoint::find(&surroundings(folder.path(), &[("NPM_CONFIG_REGISTRY", "https://npm.example.test/a/b")]))
            .await
            .unwrap()
            .document("x")
            .1
    };
    // `cHc=` is `pw`.
    assert_eq!(
        find("//npm.example.test/a/b/:username=ada\n//npm.example.test/a/b/:_password=cHc=\nalways-auth=true\n").await,
        Some(basic("ada", "pw"))
    );
    assert_eq!(find("//npm.example.test/a/:username=ada\n//npm.example.test/a/:_password=\"cHc=\"\n").await, Some(basic("ada", "pw")));
    assert_eq!(find("//npm.example.test/:_auth=QUJD\n//npm.example.test/:always-auth=true\n").await, Some("Basic QUJD".to_string()));
    assert_eq!(find("//npm.example.test/:_authToken=a\n//npm.example.test/a/b/:_authToken=b\n").await, Some("Bearer b".to_string()));
    for text in [
        "//npm.example.test/a/b/c/:_authToken=c\n",
        "_authToken=old\n",
        "//npm.example.test:8080/:_authToken=p\n",
        "//npm.example.test/:_password=cHc=\n",
    ] {
        assert_eq!(find(text).await, None, "{text}");
    }
}

#[test]
fn no_image_depends_on_a_mirror() {
    let text = "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\ndefine tool x {\n    install vendor {\n        download \"https://dl.example.test/x.tgz\" { sha256 \"AAAA\"; }\n        bin \"x\" \"x\"\n    }\n}\ntool x\n"
        .replace("AAAA", &"a".repeat(64));
    let plain = Project::of(&text);
    let mirrored = plain
        .clone()
        .file("user.kdl", "mirror \"https://dl.example.test/\" \"https://m.example.test/\"\nmirror npm \"https://m.example.test/npm/\"\n");
    let committed = Project::of(&format!("{text}mirror \"https://dl.example.test/\" \"https://m.example.test/\"\n")).file("trusted", "");
    let compiled = |project: &Project| {
        let mut loaded = project.load();
        assert!(loaded.is_shared(), "{}", loaded.rendered());
        let spec = loaded.spec.clone().unwrap();
        let images = loaded.compile(&spec);
        let texts: Vec<_> = images
            .iter()
            .map(|image| (silo::emit::dockerfile(&image.plan), format!("{:?}", image.plan.context), image.identity.to_string()))
            .collect();
        (spec.mirrors.iter().count(), texts)
    };
    let (none, before) = compiled(&plain);
    assert!(none == 0 && before[0].0.contains("id=mirrors,target=/dev/silo.mirrors"), "{}", before[0].0);
    for (project, count) in [(mirrored, 2), (committed, 1)] {
        let (found, after) = compiled(&project);
        assert_eq!((found, after == before), (count, true));
    }
}

#[test]
fn mirrors_are_read_of_all_files_and_what_is_wrong_is_said() {
    let spec = |user: &str, project: &str| {
        let project = Project::of(&format!("base \"debian:bookworm\"\n{project}")).file("user.kdl", user).file("trusted", "");
        let loaded = project.load();
        let list =
            |spec: &silo::spec::Spec| spec.mirrors.iter().map(|mirror| format!("{} {}", mirror.of.as_str(), mirror.to)).collect::<Vec<_>>();
        (loaded.spec.as_ref().map(list), loaded.rendered())
    };
    let (list, _) = spec(
        "mirror npm \"https://mine.example.test\"\nmirror \"https://a.example.test/\" \"https://m.example.test/a\"\n",
        "when arch=arm64 { mirror npm \"https://theirs.example.test/npm\"; }\nrepo \"github.com/acme/**\" { mirror apt \"http://m.example.test/debian/\"; }\nwhen arch=amd64 { mirror pypi \"https://no.example.test/\"; }\n",
    );
    assert_eq!(
        list.unwrap(),
        ["https://a.example.test/ https://m.example.test/a/", "npm https://theirs.example.test/npm/", "apt http://m.example.test/debian/"]
    );
    let (list, _) = spec("mirror npm (force)\"https://mine.example.test\"\n", "mirror npm \"https://theirs.example.test/npm\"\n");
    assert_eq!(list.unwrap(), ["npm https://mine.example.test/"]);
    for (text, message, help) in [
        ("mirror npn \"https://m.example.test/\"", "`npn` is neither a registry nor the beginning of a URL", "`npm`"),
        ("mirror cpan \"https://m.example.test/\"", "`cpan` is neither", "`npm`, `pypi`, `go`, `crates` and `apt`"),
        (
            "mirror \"https://a.example.test\" \"https://m.example.test/\"",
            "is the beginning of other addresses too",
            "`https://a.example.test/`",
        ),
        ("mirror \"ftp://a.example.test/\" \"https://m.example.test/\"", "is not a URL", "https://host/path"),
        ("mirror npm \"m.example.test\"", "is not a URL", "https://host/path"),
        ("mirror npm \"https://ada:pw@m.example.test/\"", "a login does not belong into a configuration", "~/.netrc"),
        ("mirror npm \"https://m.example.test/?a=\"", "cannot be the beginning", "`?`"),
        ("mirror npm", "`mirror` needs", ""),
    ] {
        let (list, problems) = spec("", text);
        assert!(list.is_none() && problems.contains(message) && problems.contains(help), "{text}: {problems}");
    }
}

#[tokio::test]
async fn a_project_s_mirror_counts_once_it_is_trusted_and_never_hides_the_user_s() {
    let mut answers = archive();
    for path in ["/evil/x.tgz", "/corporate/x.tgz"] {
        answers.insert(path, vec![(200, "", path.as_bytes().to_vec())]);
    }
    let server = serve(answers).await;
    let place = Place::new();
    let address = &server.address;
    place.write(
        "silo.kdl",
        format!(
            "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\nmirror \"https://dl.example.invalid/\" \"{address}/evil/\"\n\
             define tool x {{\n    install vendor {{\n        download \"https://dl.example.invalid/x.tgz\"\n        bin \"x\" \"x\"\n    }}\n}}\ntool x\n"
        ),
    );
    let own = place.home().join(".config/silo");
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("silo.kdl"), format!("mirror \"https://dl.example.invalid/\" \"{address}/corporate/\"\n")).unwrap();
    let silo = async |args: &[&str]| {
        let mut command = place.command(args);
        command.env("SILO_APT_MIRROR", &server.mirror);
        Ran::of(tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap())
    };
    let lock = || fs::read_to_string(place.repository().join("silo.lock")).unwrap();
    let ran = silo(&["lock"]).await;
    let warning = format!("nothing of https://dl.example.invalid/ is fetched from {address}/evil/ until you trust this project");
    assert!(ran.expect(0).err.replace('│', "").split_whitespace().collect::<Vec<_>>().join(" ").contains(&warning), "{}", ran.err);
    assert!(lock().contains(&sha256_hex(b"/corporate/x.tgz")) && !lock().contains(address.as_str()), "{}", lock());
    let ran = silo(&["trust", "--yes"]).await;
    assert!(ran.expect(0).err.contains("other places to fetch from"), "{}", ran.err);
    silo(&["update"]).await.expect(0);
    assert!(lock().contains(&sha256_hex(b"/evil/x.tgz")) && !lock().contains(address.as_str()), "{}", lock());
}

#[test]
fn apple_s_tool_gets_the_same_secrets_as_files_that_only_the_caller_reads() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.locked(
        "silo edition=\"2026\"\nbase \"debian:bookworm\" from=bootstrap\ndefine tool x {\n    install vendor {\n        \
         download \"https://dl.example.invalid/x\" { sha256 \"AAAA\"; }\n        npm \"x\" version=\"1\"\n        bin \"x\" \"x\"\n    }\n}\ntool x\n"
            .replace("AAAA", &"a".repeat(64))
            .as_str(),
    );
    let own = place.home().join(".config/silo");
    fs::create_dir_all(&own).unwrap();
    fs::write(
        own.join("silo.kdl"),
        "mirror npm \"https://m.example.test/npm/\"\nmirror \"https://dl.example.invalid/\" \"https://m.example.test/\"\n",
    )
    .unwrap();
    fs::write(place.home().join(".npmrc"), "//m.example.test/npm/:_authToken=${TOKEN}\n").unwrap();
    fs::write(place.home().join(".netrc"), "machine m.example.test login a password b\n").unwrap();
    let mut command = place.command(&["compile", "--to", "apple", "-o", "out"]);
    Ran::of(command.env("TOKEN", "s3cret").output().unwrap()).expect(0);
    let build = fs::read_to_string(place.repository().join("out/build.json")).unwrap();
    let build: serde_json::Value = serde_json::from_str(&build).unwrap();
    let secrets = build["build"]["secrets"].as_array().unwrap();
    let file = |id: &str| {
        let secret = secrets.iter().find(|secret| secret["id"] == id).unwrap_or_else(|| panic!("{id} is among {secrets:?}"));
        std::path::PathBuf::from(secret["src"].as_str().unwrap())
    };
    assert_eq!(file("netrc"), place.home().join(".netrc"));
    let npmrc = "//m.example.test/npm/:_authToken=\"s3cret\"\nregistry=\"https://m.example.test/npm/\"\n";
    for (id, text) in [("npmrc", npmrc), ("mirrors", "https://dl.example.invalid/\thttps://m.example.test/\n")] {
        let path = file(id);
        assert!(path.starts_with(place.home().join(".local/state/silo")), "{}", path.display());
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let written = fs::read_to_string(place.repository().join("out/Dockerfile")).unwrap();
    assert!(!written.contains("m.example.test") && !written.contains("s3cret"), "{written}");
}
