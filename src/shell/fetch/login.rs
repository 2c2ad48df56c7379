//! As whom silo asks: the logins of `~/.netrc`, which curl and pip read too. Source: curl's documentation, "netrc", and Python's, "netrc".

use std::fmt;
use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::endpoint::Surroundings;

/// As whom something is asked for.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Login {
    /// As the file of logins says for the server.
    #[default]
    File,
    /// As nobody.
    Nobody,
    /// With an `Authorization` header, which only the server that it was made for gets.
    Header {
        /// The address whose server it is for.
        url: String,
        /// The header.
        text: String,
    },
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Login::File => "File",
            Login::Nobody => "Nobody",
            Login::Header { url: _, text: _ } => "Header",
        })
    }
}

/// The header for a user's name and password. Source: RFC 7617.
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

/// The logins of a file.
#[derive(Clone, Default)]
pub struct Logins(Vec<Entry>);

/// One of them.
#[derive(Clone, Default)]
struct Entry {
    /// The host; `None` for all that have none of their own.
    machine: Option<String>,
    login: String,
    password: String,
}

/// The file of logins: what `NETRC` names, else `~/.netrc`.
pub fn netrc(surroundings: &Surroundings) -> Option<PathBuf> {
    let named = surroundings.variable("NETRC").map(PathBuf::from);
    named.or_else(|| Some(PathBuf::from(surroundings.variable("HOME")?).join(".netrc")))
}

impl Logins {
    /// Those of the caller; none when there is no such file.
    pub fn of(surroundings: &Surroundings) -> Logins {
        netrc(surroundings).and_then(|file| std::fs::read_to_string(file).ok()).map(|text| Logins::parse(&text)).unwrap_or_default()
    }

    /// Reads the text of such a file. Words that mean nothing are passed over, and so are macros.
    pub fn parse(text: &str) -> Logins {
        let mut words = Words(text);
        let mut list: Vec<Entry> = Vec::new();
        while let Some(word) = words.next() {
            match (word.as_str(), list.last_mut()) {
                ("machine", _) => list.push(Entry { machine: words.next(), ..Entry::default() }),
                ("default", _) => list.push(Entry::default()),
                ("login" | "user", Some(entry)) => entry.login = words.next().unwrap_or_default(),
                ("password", Some(entry)) => entry.password = words.next().unwrap_or_default(),
                ("account", _) => drop(words.next()),
                ("macdef", _) => words.skip_macro(),
                (comment, _) if comment.starts_with('#') => words.skip_line(),
                (_, _) => {}
            }
        }
        Logins(list)
    }

    /// The header for a host, with or without the brackets of an IPv6 address.
    pub fn header(&self, host: &str) -> Option<String> {
        let host = host.trim_matches(['[', ']']);
        let own = self.0.iter().find(|entry| entry.machine.as_ref().is_some_and(|machine| machine.eq_ignore_ascii_case(host)));
        let Entry { machine: _, login, password } = own.or_else(|| self.0.iter().find(|entry| entry.machine.is_none()))?;
        (!login.is_empty() || !password.is_empty()).then(|| basic(login, password))
    }
}

/// The words of such a file that are left.
struct Words<'a>(&'a str);

impl Words<'_> {
    /// What comes up to white space, or between quotation marks, in which `\` takes the next character as it is.
    fn next(&mut self) -> Option<String> {
        self.0 = self.0.trim_start();
        let Some(quoted) = self.0.strip_prefix('"') else {
            let end = self.0.find(char::is_whitespace).unwrap_or(self.0.len());
            let (word, rest) = self.0.split_at(end);
            self.0 = rest;
            return (!word.is_empty()).then(|| word.to_string());
        };
        let mut word = String::new();
        let mut characters = quoted.char_indices();
        while let Some((at, c)) = characters.next() {
            match c {
                '"' => {
                    self.0 = &quoted[at + 1..];
                    return Some(word);
                }
                '\\' => word.extend(characters.next().map(|(_, c)| c)),
                c => word.push(c),
            }
        }
        self.0 = "";
        Some(word)
    }

    fn skip_line(&mut self) {
        self.0 = self.0.split_once('\n').map_or("", |(_, rest)| rest);
    }

    /// A macro ends with an empty line.
    fn skip_macro(&mut self) {
        self.skip_line();
        while !self.0.is_empty() && !self.0.lines().next().unwrap_or_default().trim().is_empty() {
            self.skip_line();
        }
    }
}
