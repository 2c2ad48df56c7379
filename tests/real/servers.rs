//! The servers that are registered with the agents, started as an agent starts them, without any network.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

use super::online;
use super::project::{Built, Project, Running, SHORT, end};

/// One of the agents' files that says how servers are started, read in its image.
fn registered(project: &Project, file: &str, key: &str) -> Value {
    let text = project.run(&["shell", "copilot", "--", "cat", file]).succeeded().stdout;
    let mut json: Value = serde_json::from_str(&text).unwrap();
    json[key].take()
}

/// The command line of a registered server.
fn argv(server: &Value) -> Vec<String> {
    let args = server["args"].as_array().map(Vec::as_slice).unwrap_or_default();
    std::iter::once(&server["command"]).chain(args).map(|word| word.as_str().unwrap().to_string()).collect()
}

/// How messages stand in a stream.
#[derive(Clone, Copy)]
enum Framing {
    /// Language servers: a header with the length.
    Header,
    /// MCP over stdio: one message a line.
    Line,
}

/// A server that runs in a container without network.
struct Server {
    child: Running,
    stdin: Option<ChildStdin>,
    answers: Receiver<Value>,
    framing: Framing,
}

impl Server {
    fn start(project: &Project, argv: &[String], framing: Framing) -> Server {
        let mut command: Command = project.silo(&["shell", "copilot", "--no-network", "--"]);
        let mut child = command.args(argv).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let stdin = child.stdin.take();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            while let Some(message) = receive(&mut stdout, framing) {
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        Server { child: Running(child), stdin, answers, framing }
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        let stdin = self.stdin.as_mut().unwrap();
        match self.framing {
            Framing::Header => write!(stdin, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap(),
            Framing::Line => writeln!(stdin, "{text}").unwrap(),
        }
        stdin.flush().unwrap();
    }

    /// Asks, and waits for the answer to that question: servers may say other things in between.
    fn ask(&mut self, id: u32, method: &str, params: Value) -> Value {
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let message = self.answers.recv_timeout(SHORT).unwrap_or_else(|error| panic!("{method} is answered: {error}"));
            if message["id"] == id && message.get("method").is_none() {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }

    /// Ends it as an agent does, by closing its input; a language server is told first.
    fn stop(mut self) {
        if let Framing::Header = self.framing {
            self.ask(99, "shutdown", Value::Null);
            self.send(&json!({ "jsonrpc": "2.0", "method": "exit" }));
        }
        drop(self.stdin.take());
        end(&mut self.child.0, SHORT);
    }
}

fn receive(stdout: &mut BufReader<ChildStdout>, framing: Framing) -> Option<Value> {
    let mut line = String::new();
    match framing {
        Framing::Line => {
            stdout.read_line(&mut line).ok().filter(|read| *read > 0)?;
            Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}")))
        }
        Framing::Header => {
            let mut length = 0;
            loop {
                line.clear();
                stdout.read_line(&mut line).ok().filter(|read| *read > 0)?;
                match line.trim_end().split_once(": ") {
                    Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().unwrap(),
                    Some(_) => {}
                    None => break,
                }
            }
            let mut body = vec![0; length];
            stdout.read_exact(&mut body).ok()?;
            Some(serde_json::from_slice(&body).unwrap())
        }
    }
}

#[test]
fn a_container_without_network_has_none() {
    online!();
    let project = Built::ready();
    let interfaces = |args: &[&str]| {
        let said = project.run(&[&["shell", "copilot"], args, &["--", "cat", "/proc/net/dev"]].concat()).succeeded().stdout;
        said.lines().skip(2).map(|line| line.split(':').next().unwrap().trim().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(interfaces(&["--no-network"]), ["lo"]);
    assert!(interfaces(&[]).len() > 1, "with a network there is more to see");
}

#[test]
fn each_language_server_answers_without_network() {
    online!();
    let project = Built::ready();
    let servers = registered(project, "/opt/silo/etc/copilot/lsp-config.json", "lspServers");
    let servers = servers.as_object().unwrap();
    assert_eq!(servers.keys().collect::<Vec<_>>(), ["pyright", "typescript-language-server"]);
    for (name, server) in servers {
        let mut running = Server::start(project, &argv(server), Framing::Header);
        let root = format!("file://{}", project.workspace().display());
        let told = running.ask(1, "initialize", json!({ "processId": null, "rootUri": root, "capabilities": {} }));
        assert!(told["capabilities"]["hoverProvider"] != Value::Null, "{name} can hover: {told}");
        running.send(&json!({ "jsonrpc": "2.0", "method": "initialized", "params": {} }));
        running.stop();
    }
}

#[test]
fn each_mcp_server_lists_its_tools_without_network() {
    online!();
    let project = Built::ready();
    let servers = registered(project, "/opt/silo/etc/copilot/mcp-config.json", "mcpServers");
    let servers = servers.as_object().unwrap();
    let wanted = [("filesystem", "read_text_file"), ("memory", "create_entities")];
    assert_eq!(servers.keys().collect::<Vec<_>>(), wanted.map(|(name, _)| name));
    for (name, tool) in wanted {
        let argv = argv(&servers[name]);
        assert_eq!(argv, [format!("/opt/silo/mcp/{name}")]);
        let mut running = Server::start(project, &argv, Framing::Line);
        let client = json!({ "name": "silo", "version": "0" });
        running.ask(1, "initialize", json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client }));
        running.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        let told = running.ask(2, "tools/list", json!({}));
        let tools: Vec<&str> = told["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert!(tools.contains(&tool), "{name} has {tool}: {tools:?}");
        if name == "filesystem" {
            // The launcher gave it the project's own folder.
            let arguments = json!({ "path": project.workspace().join("silo.kdl") });
            let read = running.ask(3, "tools/call", json!({ "name": tool, "arguments": arguments }));
            assert!(read["content"][0]["text"].as_str().unwrap().contains("agent opencode"), "{read}");
        }
        running.stop();
    }
}
