//! A web server that has some files of its own and leads to others elsewhere: an archive of a distribution that differs a little from another one.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// What is at a path.
pub enum Answer {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What is at another address.
    Elsewhere(String),
    /// Nothing.
    Missing,
}

/// Serves at an address of this machine; returns the port.
pub fn serve(address: &str, answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || respond(socket, &*answer));
        }
    });
    port
}

/// All requests of one connection: apt sends several at once.
fn respond(mut socket: TcpStream, answer: &dyn Fn(&str) -> Answer) {
    let (mut request, mut part) = (Vec::new(), [0; 4096]);
    loop {
        while let Some(end) = request.windows(4).position(|end| end == b"\r\n\r\n") {
            let head: Vec<u8> = request.drain(..end + 4).collect();
            let head = String::from_utf8_lossy(&head).into_owned();
            let (status, header, body) = match answer(head.split(' ').nth(1).unwrap_or_default()) {
                Answer::Bytes(bytes) => ("200 OK", String::new(), bytes),
                Answer::Elsewhere(url) => ("302 Found", format!("Location: {url}\r\n"), Vec::new()),
                Answer::Missing => ("404 Not Found", String::new(), Vec::new()),
            };
            let text = format!("HTTP/1.1 {status}\r\n{header}Content-Length: {}\r\n\r\n", body.len());
            if socket.write_all(text.as_bytes()).and_then(|()| socket.write_all(&body)).is_err() {
                return;
            }
        }
        match socket.read(&mut part) {
            Ok(count @ 1..) => request.extend_from_slice(&part[..count]),
            Ok(0) | Err(_) => return,
        }
    }
}
