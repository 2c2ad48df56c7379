use std::collections::BTreeMap;

use silo::plan::ContextFile;

use super::*;
use crate::shell::engine::{BuildError, BuildEvent, BuildRequest, BuiltImage, Cache};

fn file(text: &str) -> ContextFile {
    ContextFile { mode: 0o755, bytes: text.as_bytes().to_vec() }
}

fn request<'a>(dockerfile: &'a str, context: &'a BTreeMap<String, ContextFile>) -> BuildRequest<'a> {
    BuildRequest {
        dockerfile,
        context,
        target: None,
        tags: Vec::new(),
        labels: BTreeMap::new(),
        arguments: BTreeMap::new(),
        secrets: BTreeMap::new(),
        platform: None,
        cache: Cache::Use,
    }
}

async fn build(request: BuildRequest<'_>) -> (Result<BuiltImage, BuildError>, Vec<BuildEvent>) {
    let mut events = Vec::new();
    let result = engine().await.build(request, |event| events.push(event), std::future::pending()).await;
    (result, events)
}

#[tokio::test]
async fn a_build_shows_its_steps_and_tags_its_image() {
    let context = BTreeMap::from([("a/b/hello.sh".to_owned(), file("#!/bin/sh\necho hello-from-context\n"))]);
    let dockerfile = format!("FROM {BASE} AS first\nCOPY [\"a/b\", \"/x\"]\nRUN [\"/x/hello.sh\"]\nENV A=b\nRUN echo two && id\n");
    let mut request = request(&dockerfile, &context);
    request.cache = Cache::Ignore;
    request.tags = vec!["engine-test-first:one".to_owned(), "engine-test-first:two".to_owned()];
    let (result, events) = build(request).await;
    println!("{result:?}\n{events:#?}");
    result.expect("it builds");
}
