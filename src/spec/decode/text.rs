//! What a text may hold: control characters, placeholders, names, paths, sizes.

use std::collections::BTreeMap;

use crate::document::{Entry, Node, Value};
use crate::problem::{Code, Edit, Problem};
use crate::schema::{nearest, surely};
use crate::source::Span;
use crate::spec::{EnvName, Name, Template};

use super::Decoder;

/// Which placeholders mean something in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Nothing but options.
    Plain,
    /// The output of a check: `version`.
    Check,
    /// An `install` block: version and architecture.
    Install,
    /// A step of a base or a layer: architecture.
    Step,
    /// A container: its places and its user.
    Container,
    /// A server that agents start by a launcher, which knows two places.
    Server,
    /// The pattern of a registration.
    Pattern,
    /// How an agent refers to a variable.
    Reference,
}

impl Scope {
    fn names(self) -> &'static [&'static str] {
        match self {
            Scope::Plain => &[],
            Scope::Check => &["version"],
            Scope::Install => &[
                "version",
                "version.base",
                "version.build",
                "version.major",
                "version.minor",
                "version.channel",
                "version.date",
                "arch",
                "arch.docker",
                "arch.uname",
                "arch.protoc",
                "os",
            ],
            Scope::Step => &["arch", "arch.docker", "arch.uname", "arch.protoc", "os"],
            Scope::Container => &["workspace", "home", "user"],
            Scope::Server => &["workspace", "home"],
            Scope::Pattern => &["name", "command", "url", "transport", "args", "argv", "env", "env.names", "extensions", "languages"],
            Scope::Reference => &["name"],
        }
    }
}

/// Values of a definition's options, by name.
pub(super) type Options = BTreeMap<String, String>;

/// `did you mean …?`, or all that there is.
pub(super) fn suggestion(word: &str, words: &[&str]) -> String {
    match nearest(word, words.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if words.is_empty() => "there is none".to_string(),
        None if words.len() == 1 => format!("there is only {}", list(words)),
        None => format!("there are {}", list(words)),
    }
}

/// `a`, `b` and `c`.
pub(super) fn list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// The span of a node's heading: its name and first argument.
pub(super) fn heading(node: &Node) -> Span {
    let end = node.arguments().last().map_or(node.name_span.end, |entry| entry.span.end);
    Span { end: end.max(node.name_span.end), ..node.name_span }
}

/// Whether a line of a configuration could not carry the character. Spaces are fine; what moves the cursor, ends a line, or changes the
/// direction of reading is not.
pub(crate) fn unsafe_in_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

/// `/opt/silo`: the folder that only silo itself writes to.
const OWN_FOLDER: [&str; 2] = ["opt", "silo"];

/// Variables that silo sets itself; with another value nothing would be found.
pub(crate) const OWN_VARIABLES: [&str; 3] = ["HOME", "PATH", "SILO_WORKSPACE"];

impl Decoder<'_> {
    pub(super) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    pub(super) fn bad(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.problem(Problem::new(Code::BadValue, message).at(span, "").help(help));
    }

    /// A text of one line.
    pub(super) fn line(&mut self, text: &str, span: Span) -> bool {
        let Some(found) = text.chars().find(|c| unsafe_in_line(*c)) else { return true };
        self.problem(
            Problem::new(Code::UnsafeText, format!("this text holds {}, which cannot be carried through", character(found)))
                .at(span, "")
                .help(match found {
                    '\n' | '\r' => "only scripts and the contents of files may have several lines",
                    _ => "take the character out; only scripts and the contents of files may hold it",
                }),
        );
        false
    }

    /// A text of several lines: a script, or the contents of a file.
    pub(super) fn lines(&mut self, text: &str, span: Span) -> bool {
        let odd = |c: &char| *c == '\0' || (*c == '\r' && !text.contains("\r\n"));
        let Some(found) = text.chars().find(odd) else { return true };
        self.problem(
            Problem::new(Code::UnsafeText, format!("this text holds {}, which cannot be carried through", character(found)))
                .at(span, "")
                .help("take the character out"),
        );
        false
    }

    /// The text of an entry, on one line.
    pub(super) fn text<'n>(&mut self, entry: &'n Entry) -> Option<&'n str> {
        match &entry.value {
            Value::String(text) => self.line(text, entry.span).then_some(text),
            Value::Integer(_) | Value::Decimal(_) | Value::Bool(_) | Value::Null => {
                self.problem(Problem::new(Code::WrongType, "a text is needed here").at(entry.span, "").help("put it in quotes"));
                None
            }
        }
    }

    /// The only or first argument as text; a problem when there is none.
    pub(super) fn argument<'n>(&mut self, node: &'n Node, index: usize) -> Option<(&'n str, Span)> {
        match node.arguments().nth(index) {
            Some(entry) => self.text(entry).map(|text| (text, entry.span)),
            None => {
                let what = format!("`{}` needs {}", node.name, if index == 0 { "an argument" } else { "another argument" });
                self.problem(Problem::new(Code::MissingArgument, what).at(heading(node), ""));
                None
            }
        }
    }

    /// All arguments as texts.
    pub(super) fn arguments<'n>(&mut self, node: &'n Node) -> Vec<(&'n str, Span)> {
        node.arguments().filter_map(|entry| self.text(entry).map(|text| (text, entry.span))).collect()
    }

    /// A property as text.
    pub(super) fn property<'n>(&mut self, node: &'n Node, name: &str) -> Option<(&'n str, Span)> {
        let entry = node.property(name)?;
        self.text(entry).map(|text| (text, entry.span))
    }

    /// A property that is true or false.
    pub(super) fn flag(&mut self, node: &Node, name: &str) -> Option<bool> {
        let entry = node.property(name)?;
        match entry.value {
            Value::Bool(value) => Some(value),
            Value::String(_) | Value::Integer(_) | Value::Decimal(_) | Value::Null => {
                self.problem(
                    Problem::new(Code::WrongType, format!("`{name}` is true or false"))
                        .at(entry.span, "")
                        .help(format!("write `{name}=#true` or `{name}=#false`")),
                );
                None
            }
        }
    }

    pub(super) fn name(&mut self, text: &str, span: Span) -> Option<Name> {
        let name = Name::new(text);
        if name.is_none() && self.line(text, span) {
            self.bad(
                span,
                format!("`{text}` is not a name"),
                "a name has small letters, digits, `.`, `_` and `-`, starts with a letter or digit, and has at most 63 characters",
            );
        }
        name
    }

    pub(super) fn env_name(&mut self, text: &str, span: Span) -> Option<EnvName> {
        let name = EnvName::new(text);
        if name.is_none() && self.line(text, span) {
            self.bad(
                span,
                format!("`{text}` cannot name a variable"),
                "a variable's name has letters, digits and `_`, and does not start with a digit",
            );
        }
        name
    }

    /// The name of a variable that is given a value.
    pub(super) fn settable(&mut self, text: &str, span: Span) -> Option<EnvName> {
        let name = self.env_name(text, span)?;
        if OWN_VARIABLES.contains(&name.as_str()) {
            let help = if text == "PATH" { "add folders with `path \"/…\"`" } else { "take it out" };
            self.bad(span, format!("`{name}` is set by silo itself"), help);
            return None;
        }
        Some(name)
    }

    /// A text with placeholders: options get their values, the others are checked.
    pub(super) fn template(&mut self, text: &str, span: Span, scope: Scope, options: &Options) -> Template {
        let mut result = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("%{") {
            if at > 0 && rest.as_bytes()[at - 1] == b'%' {
                result.push_str(&rest[..at + 2]);
                rest = &rest[at + 2..];
                continue;
            }
            result.push_str(&rest[..at]);
            let inner = &rest[at + 2..];
            let Some(end) = inner.find('}') else {
                self.problem(
                    Problem::new(Code::UnknownPlaceholder, "this placeholder has no `}`")
                        .at(span, "")
                        .help("write `%%{` for the characters themselves"),
                );
                result.push_str("%%{");
                rest = inner;
                continue;
            };
            let name = &inner[..end];
            // Without `option.`, an option is meant where the name means nothing else.
            let bare = Some(name).filter(|name| !scope.names().contains(name));
            match name.strip_prefix("option.").or(bare).and_then(|option| options.get(option)) {
                Some(value) => result.push_str(&value.replace("%{", "%%{")),
                None => {
                    if !scope.names().contains(&name) {
                        self.unknown_placeholder(name, span, scope, options);
                    }
                    result.push_str(&rest[at..at + 2 + end + 1]);
                }
            }
            rest = &inner[end + 1..];
        }
        result.push_str(rest);
        Template(result)
    }

    fn unknown_placeholder(&mut self, name: &str, span: Span, scope: Scope, options: &Options) {
        let options: Vec<String> = options.keys().map(|name| format!("option.{name}")).collect();
        let words: Vec<&str> = scope.names().iter().copied().chain(options.iter().map(String::as_str)).collect();
        let help = match nearest(name, words.iter().copied()) {
            Some(near) => format!("did you mean `%{{{near}}}`? `%%{{` stands for the characters themselves"),
            None if scope == Scope::Plain && Scope::Container.names().contains(&name) => {
                "it is known in a container only; a script there can say `$HOME`, `$USER` and `$SILO_WORKSPACE`".to_string()
            }
            None if words.is_empty() => "no placeholder means anything here; write `%%{` for the characters themselves".to_string(),
            None => format!("known here: {}; `%%{{` stands for the characters themselves", list(&words)),
        };
        let edit = surely(name, words.iter().copied()).map(|near| Edit::words(span, format!("%{{{name}}}"), format!("%{{{near}}}")));
        let problem = Problem::new(Code::UnknownPlaceholder, format!("`%{{{name}}}` means nothing here")).at(span, "").help(help);
        self.problem(problem.fix_if(edit));
    }

    /// A text in which only options are placeholders; the result is exact.
    pub(super) fn exact(&mut self, text: &str, span: Span, options: &Options) -> String {
        self.template(text, span, Scope::Plain, options).0.replace("%%{", "%{")
    }

    /// An absolute path in the image without `..`, outside the kernel's folders.
    pub(super) fn image_path(&mut self, text: &str, span: Span) -> bool {
        if !text.starts_with('/') {
            self.bad(span, format!("`{text}` is not an absolute path"), "start it with `/`");
            return false;
        }
        self.tidy(text, span) && self.not_kernel(text, span)
    }

    /// A path in a container: absolute, or below a place that has a name.
    pub(super) fn container_path(&mut self, text: &str, span: Span) -> bool {
        let rooted = ["/", "~/", "%{home}/", "%{workspace}/"].iter().any(|start| text.starts_with(start));
        if !(rooted || text == "%{workspace}") {
            self.bad(span, format!("`{text}` is not an absolute path"), "start it with `/`, `~/`, `%{home}/` or `%{workspace}/`");
            return false;
        }
        self.tidy(text, span) && self.not_kernel(text, span) && self.not_own(text, span)
    }

    /// A path that is not silo's own folder, in which nothing may be hidden or replaced.
    pub(super) fn not_own(&mut self, text: &str, span: Span) -> bool {
        let mut parts = text.split('/').filter(|part| !part.is_empty() && *part != ".");
        let own = text.starts_with('/') && OWN_FOLDER.iter().all(|own| parts.next() == Some(own));
        if own {
            self.bad(span, format!("`{text}` is where silo keeps its own"), "choose another folder");
        }
        !own
    }

    fn tidy(&mut self, text: &str, span: Span) -> bool {
        let odd = text.split('/').any(|part| part == "..");
        if odd {
            self.bad(span, format!("`{text}` holds `..`"), "write the path that is meant");
        }
        !odd
    }

    fn not_kernel(&mut self, text: &str, span: Span) -> bool {
        let mut parts = text.split('/').filter(|part| !part.is_empty() && *part != ".");
        let first = parts.next();
        let kernel = text.starts_with('/') && matches!(first, None | Some("proc" | "sys" | "dev"));
        if kernel {
            self.bad(
                span,
                format!("`{text}` belongs to the kernel or is the root itself"),
                "choose a folder of its own, such as one below `/opt` or `/srv`",
            );
        }
        !kernel
    }
}

/// A character by name, for people.
fn character(c: char) -> String {
    match c {
        '\0' => "a NUL character".to_string(),
        '\n' => "a line break".to_string(),
        '\r' => "a carriage return".to_string(),
        '\t' => "a tab".to_string(),
        other => format!("the character U+{:04X}", other as u32),
    }
}
