//! Modules of Go as a proxy has them, made here.

use std::collections::BTreeMap;

use flate2::Crc;
use silo::lock::go::escaped;

/// Names and texts of files.
pub type Files = &'static [(&'static str, &'static str)];

/// A zip whose files are stored as they are. Source: APPNOTE.TXT 6.3.10 of PKWARE, 4.3.
pub fn zip(files: &[(String, &str)]) -> Vec<u8> {
    let (mut out, mut list) = (Vec::new(), Vec::new());
    for (path, text) in files {
        let mut crc = Crc::new();
        crc.update(text.as_bytes());
        let [size, name] = [text.len() as u32, path.len() as u32];
        let mut common = vec![20, 0, 0, 8, 0, 0, 0, 0, 0x21, 0];
        [crc.sum(), size, size].iter().for_each(|number| common.extend(number.to_le_bytes()));
        common.extend([name as u8, (name >> 8) as u8, 0, 0]);
        list.extend(b"PK\x01\x02\x14\0");
        list.extend(&common);
        list.extend([0; 10]);
        list.extend((out.len() as u32).to_le_bytes());
        list.extend(path.as_bytes());
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(path.as_bytes());
        out.extend(text.as_bytes());
    }
    let (at, size, count) = (out.len() as u32, list.len() as u32, files.len() as u16);
    out.extend(list);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([count, count].iter().flat_map(|count| count.to_le_bytes()));
    out.extend([size, at].iter().flat_map(|number| number.to_le_bytes()));
    out.extend([0, 0]);
    out
}

/// The archive of a version of a module.
pub fn archive(path: &str, version: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let files: Vec<(String, &str)> = files.iter().map(|(name, text)| (format!("{path}@{version}/{name}"), *text)).collect();
    zip(&files)
}

/// What a proxy answers for a version of a module, by path; the list of versions becomes longer.
pub fn add(answers: &mut BTreeMap<String, Vec<u8>>, path: &str, version: &str, time: &str, files: &[(&str, &str)]) {
    let at = |what: &str| format!("/{}/@v/{what}", escaped(path));
    let one = |ending: &str| at(&format!("{}.{ending}", escaped(version)));
    answers.entry(at("list")).or_default().extend(format!("{version}\n").into_bytes());
    answers.insert(one("info"), format!("{{\"Version\":\"{version}\",\"Time\":\"{time}\"}}").into_bytes());
    let file = files.iter().find(|(name, _)| *name == "go.mod").map_or("", |(_, text)| text);
    answers.insert(one("mod"), file.as_bytes().to_vec());
    answers.insert(one("zip"), archive(path, version, files));
}

/// A program that needs a module with a capital letter in its path, which needs one that is older than Go 1.17, which names a fourth one that
/// nothing of it is compiled with.
pub const HELLO: &[(&str, &str, Files)] = &[
    (
        "example.test/hello",
        "v1.2.0",
        &[
            (
                "go.mod",
                "module example.test/hello\n\ngo 1.17\n\nrequire (\n\texample.test/Greet v1.1.0\n\texample.test/old v1.0.0 // indirect\n)\n",
            ),
            (
                "cmd/hello/main.go",
                "package main\n\nimport (\n\t\"fmt\"\n\t\"runtime/debug\"\n\t\"example.test/Greet\"\n)\n\nfunc main() {\n\tinfo, _ := debug.ReadBuildInfo()\n\tfmt.Println(greet.Text(), info.Main.Path, info.Main.Version, info.Main.Sum)\n}\n",
            ),
        ],
    ),
    (
        "example.test/Greet",
        "v1.1.0",
        &[
            ("go.mod", "module example.test/Greet\n\ngo 1.16\n\nrequire example.test/old v1.0.0\n"),
            ("g.go", "package greet\n\nimport \"example.test/old\"\n\nfunc Text() string { return \"hello \" + old.W }\n"),
        ],
    ),
    (
        "example.test/old",
        "v1.0.0",
        &[("go.mod", "module example.test/old\n\nrequire example.test/lone v0.1.0\n"), ("o.go", "package old\n\nconst W = \"world\"\n")],
    ),
    ("example.test/lone", "v0.1.0", &[("go.mod", "module example.test/lone\n")]),
];

/// Those of [`HELLO`] with the hash of the archive and of the `go.mod` that `go mod download -json` of Go 1.19 gives them.
pub const SUMS: [(&str, &str, &str); 3] = [
    ("example.test/hello", "h1:5p5OJzVBzRewAUF2cKsz1Z2dIRz148vwjci1oSVDSkk=", "h1:d3cJf+ettrJrsQjcPf37meq3shRTVuSyOKj20jjIzJg="),
    ("example.test/Greet", "h1:vMFlCoCtARGu92vnJnH63syzWzA8BlfqIm5H/dsyWX0=", "h1:6AMyZVSocD4e7WhWZqSJRUID8rQdJ+jLKsvbHHQJI6c="),
    ("example.test/old", "h1:gtljat+TJDZl9Q6tSXKUmPtZU9jezyIHP2AUSY+tG1w=", "h1:z0mper4FcSDzvQuli8gYbhJqYrtXE9jBkZNxkLqDgos="),
];
