use super::*;

fn log(text: &[u8]) -> wire::StatusResponse {
    let log = wire::VertexLog { vertex: "v".to_owned(), stream: 1, msg: text.to_vec(), ..Default::default() };
    wire::StatusResponse { logs: vec![log], ..Default::default() }
}

#[test]
fn a_name_tells_stage_and_ordinal() {
    let expected =
        |stage: Option<&str>| Step { stage: stage.map(str::to_owned), ordinal: 3, total: 7, instruction: "RUN a ] b".to_owned() };
    assert_eq!(step("[base 3/7] RUN a ] b"), Some(expected(Some("base"))));
    assert_eq!(step("[3/7] RUN a ] b"), Some(expected(None)));
    assert_eq!(step("[linux/arm64 base 3/7] RUN a ] b"), Some(expected(Some("base"))));
    assert_eq!(step("[linux/arm64 3/7] RUN a ] b"), Some(expected(None)));
    assert_eq!(step("[internal] load build definition from Dockerfile"), None);
    assert_eq!(step("exporting to image"), None);
}

#[test]
fn characters_cut_in_two_come_out_whole() {
    let mut progress = Progress::default();
    let mut texts = Vec::new();
    for piece in
        ["ü".as_bytes()[..1].to_vec(), [&"ü".as_bytes()[1..], b"\xff-", &"€".as_bytes()[..2]].concat(), "€".as_bytes()[2..].to_vec()]
    {
        progress.take(log(&piece), |event| {
            if let BuildEvent::Log { digest: _, stream: _, text } = event {
                texts.push(text);
            }
        });
    }
    assert_eq!(texts, ["ü\u{fffd}-", "€"]);
}

#[test]
fn the_last_forty_lines_stay() {
    let mut tail = Tail::default();
    for number in 0..100 {
        tail.push(LogStream::Output, "0%\r50%\r");
        tail.push(LogStream::Error, &format!("line {number}\r\n"));
        tail.push(LogStream::Output, "\n");
    }
    tail.push(LogStream::Output, "end");
    let lines = tail.lines();
    assert_eq!(lines[37], "line 99");
    assert_eq!((lines.len(), lines[0].as_str(), lines[39].as_str()), (40, "50%", "end"));
}

#[test]
fn a_cancelled_sibling_is_not_the_failure() {
    let vertex = |digest: &str, error: &str, seconds| wire::Vertex {
        digest: digest.to_owned(),
        name: format!("[{digest} 2/2] RUN x"),
        error: error.to_owned(),
        completed: Some(Timestamp { seconds, nanos: 0 }),
        ..Default::default()
    };
    let mut progress = Progress::default();
    let vertexes = vec![
        vertex("a", "executor failed running [x]: context canceled", 1),
        vertex("b", "executor failed running [x]: exit code: 7", 2),
        vertex("c", "executor failed running [x]: exit code: 137", 3),
    ];
    progress.take(wire::StatusResponse { vertexes, ..Default::default() }, |_| {});
    let failure = progress.failure("message").expect("a step failed");
    assert_eq!((failure.name.as_str(), failure.exit_code), ("[b 2/2] RUN x", Some(7)));
}
